//! The text of a template, in our own language or the docsis encoder's: what compiles builds a file or says why not, the
//! same one each time, and a device file's listing builds it again.

use std::sync::LazyLock;

use hardline::mib::Names;
use hardline::model::Family;
use hardline::template::{Context, Inputs, Language, Site, Source, TemplateLibrary, decode_text};
use hardline::value::Timestamp;
use hardline::wire::tlv::{ConfigFile, DeviceFile, FileKind, SharedSecret};

/// Longer texts tell nothing that shorter ones do not, in octets.
const LONGEST: usize = 16 << 10;

static SITE: LazyLock<Site> = LazyLock::new(|| Site {
    realm: "PKTC.EXAMPLE.NET".parse().expect("a realm"),
    organisation: "Example Operator".to_owned(),
    prov_fqdn: "prov.pktc.example.net".parse().expect("a name"),
    ipv4: Some([192, 0, 2, 1].into()),
    ipv6: None,
    notification_port: 162,
    vars: Default::default(),
});

static INPUTS: LazyLock<Inputs> = LazyLock::new(|| Inputs {
    address: Some([192, 0, 2, 7].into()),
    now: Some(Timestamp(1_700_000_000_000_000)),
    shared_secret: Some(SharedSecret::new(b"secret").expect("a secret")),
    ..Inputs::default()
});

fn compiled(text: &str, language: Language) -> Option<TemplateLibrary> {
    let source = Source {
        language,
        ..Source::new("t", "t.tmpl", text)
    };
    match TemplateLibrary::compile(&[source], Names::embedded()) {
        Ok(library) => Some(library),
        Err(errors) => {
            let place = &errors.first().expect("a mistake").place;
            assert!(place.line >= 1 && place.column >= 1, "{errors:?}");
            None
        }
    }
}

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() > LONGEST {
        return;
    }
    let language = match text.trim_start().starts_with("Main") {
        true => Language::Docsis { bare: false },
        false => Language::Template,
    };
    let Some(library) = compiled(text, language) else {
        return;
    };
    let _ = library.resolve(text.lines().next().unwrap_or_default());
    let context = Context {
        device: None,
        family: Family::V4,
        site: &SITE,
        inputs: &INPUTS,
    };
    let Ok(octets) = library.build_octets("t", &context) else {
        return;
    };
    let again = library.build_octets("t", &context);
    assert_eq!(again.as_ref(), Ok(&octets), "the same file each time");
    let kind = library.kind("t").expect("it is there");
    if let (FileKind::Device, Ok(file)) = (kind, DeviceFile::decode(&octets)) {
        let listing = decode_text(&file, Names::embedded());
        let library = compiled(&listing, Language::Template).unwrap_or_else(|| panic!("it is read again:\n{listing}"));
        let again = library.build_octets("t", &context);
        assert_eq!(again.as_ref(), Ok(&octets), "a listing is the file:\n{listing}");
    }
    let _ = ConfigFile::decode_as(kind, &octets);
}
