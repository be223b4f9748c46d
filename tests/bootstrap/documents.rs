//! What a device gets, in every world of TLS, by the built-in template and by a changed one.

use std::process::Command;

use hardline::settings::Service;
use serde_json::Value;

use super::{GET, LEGACY, ONE, TWO, installation, valid};
use crate::support::bootstrap::{Papers, authority, body, curl, fed, python, s_client, script, terms, text};
use crate::support::server::hardline;

#[test]
fn a_device_gets_its_own_document_in_every_tls_world() {
    let mut server = installation();
    let one = Papers::of(&server, ONE);
    let two = Papers::issue(&server, &authority(&server, "mfr-ca"), TWO, 1024, &terms(0, 1));
    server.start();

    let mut documents = Vec::new();
    for version in ["--tlsv1.3", "--tls-max=1.2"] {
        let args: Vec<&str> = match version.split_once('=') {
            Some((name, value)) => vec![name, value],
            None => vec![version],
        };
        let answer = text(curl(&server, Some(&one), &args));
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{version}: {answer}");
        assert!(
            answer.contains("content-type: application/xml\r\n") && answer.contains("cache-control: no-store"),
            "{answer}"
        );
        documents.push(body(&answer).to_owned());
        let other = text(curl(&server, Some(&two), &args));
        assert!(
            body(&other).contains("encoding=\"base64\">AP8Q</"),
            "RSA of 1024 bits, {version}: {other}"
        );
    }
    for version in ["-tls1", "-tls1_1", "-tls1_2"] {
        for (papers, mac) in [(&one, ONE), (&two, TWO)] {
            let answer = s_client(
                &server,
                Service::BootstrapLegacy,
                Some(papers),
                &[&LEGACY[..], &[version]].concat(),
                GET,
            );
            let (_, answer) = answer
                .split_once("HTTP/1.0 200 OK\r\n")
                .unwrap_or_else(|| panic!("{version}: {answer}"));
            let document = body(answer).split("</eueCredentials>").next().unwrap().to_owned() + "</eueCredentials>\n";
            assert!(document.contains(&format!("mac=\"{mac}\"")), "{version}: {document}");
            if mac == ONE {
                documents.push(document);
            }
        }
    }
    for cipher in ["3des", "aes128"] {
        let out = Command::new(python())
            .arg(script("fetch.py"))
            .args(["127.0.0.1", &server.v4(Service::BootstrapLegacy).port().to_string()])
            .args([&one.chain, &one.key])
            .arg(cipher)
            .output()
            .unwrap();
        let answer = text(out);
        assert!(
            answer.starts_with(&format!("TLS 1.0 {cipher}\nHTTP/1.0 200 OK\r\n")),
            "{answer}"
        );
        documents.push(body(&answer).to_owned());
    }
    assert_eq!(documents.len(), 7);
    for document in &documents {
        assert!(valid(document));
        let ours = document.contains(&format!("mac=\"{ONE}\"")) && !document.contains("two@");
        assert!(
            ours && document.contains("p&lt;&amp;&gt;&quot;&apos;w0rd-of-One</"),
            "{document}"
        );
        assert!(document.contains("One &amp; &lt;Only&gt;") && document.contains("tel:+12125551212"));
    }

    // Who read, when, from where, and which fields.
    let reads = server.command(&["credentials", "reads", ONE, "--json"]);
    let reads: Vec<Value> = reads.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(reads.len(), 7, "{reads:?}");
    for read in &reads {
        assert_eq!(read["who"], format!("device {ONE}"));
        assert_eq!(read["fields"], "impu.id[1,2] impi.id[1] impi.credentials[1]");
        assert!(read["source"].as_str().unwrap().starts_with("127.0.0.1:"), "{read}");
    }
    let sources: Vec<&str> = reads.iter().filter_map(|read| read["source"].as_str()).collect();
    for tls in [
        "TLSv1.3 TLS13_AES",
        "TLSv1.2 TLS_ECDHE_RSA",
        "TLSv1 AES128-SHA",
        "TLSv1.1 AES128-SHA",
        "TLSv1 DES-CBC3-SHA",
    ] {
        assert!(sources.iter().any(|source| source.contains(tls)), "{tls}: {sources:?}");
    }
    server.assert_unhurt();
    let said = server.stderr();
    assert!(!said.contains("w0rd") && !said.contains("00ff10"), "{said}");
    for name in ["hardline.db", "hardline.db-wal"] {
        let octets = std::fs::read(server.site().join(name)).unwrap_or_default();
        assert!(!octets.windows(4).any(|window| window == b"w0rd"), "{name}");
    }
}

#[test]
fn the_built_in_template_can_be_copied_and_changed() {
    let mut server = installation();
    let template = text(hardline(&["credentials", "template"]));
    let changed = template.replace("version=\"1.0\" mac", "version=\"1.0\"  mac");
    assert_ne!(changed, template);
    std::fs::write(server.site().join("my-eue.xml"), changed).unwrap();
    let schema = server.site().join("eue.xsd");
    std::fs::write(&schema, text(hardline(&["credentials", "template", "--schema"]))).unwrap();
    server.edit("hardline.toml", "# template = \"eue.xml\"", "template = \"my-eue.xml\"");
    let one = Papers::of(&server, ONE);
    server.start();
    let answer = text(curl(&server, Some(&one), &[]));
    let document = body(&answer);
    assert!(document.contains("version=\"1.0\"  mac"), "{answer}");
    let mut xmllint = Command::new("xmllint");
    xmllint.args(["--noout", "--schema"]).arg(&schema).arg("-");
    assert!(fed(xmllint, document).status.success(), "{document}");
}
