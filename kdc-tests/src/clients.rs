//! Stock Kerberos clients in front of our KDC: MIT's and Heimdal's programs, each with settings and a credentials cache of
//! its own.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::heimdal;
use crate::process::text;

/// Whose programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// MIT krb5.
    Mit,
    /// Heimdal.
    Heimdal,
}

/// How the client reaches the KDC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams first.
    Udp,
    /// A connection only.
    Tcp,
}

/// A client of one realm.
pub struct Client {
    folder: tempfile::TempDir,
    vendor: Vendor,
    realm: String,
}

impl Client {
    /// A client of `realm`, whose KDC is at `kdc` and whose certificates are in the folder `pki` of an installation. `more`
    /// are further lines of `[libdefaults]`.
    pub fn new(vendor: Vendor, realm: &str, kdc: SocketAddr, transport: Transport, pki: &Path, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let pki = pki.display();
        let (limit, scheme) = match (vendor, transport) {
            (Vendor::Mit, Transport::Udp) => (" udp_preference_limit = 32000\n", ""),
            (Vendor::Mit, Transport::Tcp) => (" udp_preference_limit = 1\n", ""),
            (Vendor::Heimdal, Transport::Udp) => ("", "udp/"),
            (Vendor::Heimdal, Transport::Tcp) => ("", "tcp/"),
        };
        let anchors = format!("FILE:{pki}/sp-root.crt.pem");
        let settings = format!(
            "[libdefaults]\n default_realm = {realm}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n \
             dns_canonicalize_hostname = false\n allow_weak_crypto = true\n{limit}{more}\
             [realms]\n {realm} = {{\n  kdc = {scheme}{kdc}\n  pkinit_anchors = {anchors}\n  \
             pkinit_anchors = FILE:{pki}/mta-root.crt.pem\n  pkinit_pool = FILE:{pki}/mfr-ca.crt.pem\n  \
             pkinit_kdc_hostname = kdc.pktc.example.net\n }}\n\
             [appdefaults]\n pkinit_anchors = {anchors}\n pkinit_pool = FILE:{pki}/mfr-ca.crt.pem\n"
        );
        std::fs::write(folder.path().join("krb5.conf"), settings).expect("a file");
        Self {
            folder,
            vendor,
            realm: realm.to_owned(),
        }
    }

    /// A file of the client's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program of the client's, by MIT's name, in the client's environment.
    pub fn command(&self, program: &str) -> Command {
        let mut command = match self.vendor {
            Vendor::Mit => Command::new(program),
            Vendor::Heimdal => heimdal::program(program),
        };
        command
            .env("KRB5_CONFIG", self.path("krb5.conf"))
            .env("KRB5CCNAME", format!("FILE:{}", self.path("cc").display()))
            .env("KRB5_TRACE", self.path("trace"))
            .stdin(Stdio::null());
        command
    }

    fn at_realm(&self, name: &str) -> String {
        format!("{name}@{}", self.realm)
    }

    /// `kinit` by PKINIT, with a certificate and key of the folder that `hardline pki device` made.
    pub fn kinit_by_certificate(&self, device: &Path, name: &str) -> Output {
        let mut kinit = self.command("kinit");
        let (certificate, key) = (device.join("device.crt.pem"), device.join("device.key.pem"));
        let identity = format!("FILE:{},{}", certificate.display(), key.display());
        match self.vendor {
            Vendor::Mit => kinit.arg("-X").arg(format!("X509_user_identity={identity}")),
            Vendor::Heimdal => kinit
                .arg("-C")
                .arg(format!("{identity},{}", device.join("chain.pem").display())),
        };
        finished(kinit.arg(self.at_realm(name)))
    }

    /// `kinit` with a password.
    pub fn kinit_by_password(&self, name: &str, password: &str) -> Output {
        let mut kinit = self.command("kinit");
        if self.vendor == Vendor::Heimdal {
            let file = self.path("password");
            std::fs::write(&file, password).expect("a file");
            kinit.arg(format!("--password-file={}", file.display()));
            return finished(kinit.arg(self.at_realm(name)));
        }
        kinit.arg(self.at_realm(name));
        with_input(kinit, &format!("{password}\n"))
    }

    /// `kinit` with a keytab; `more` are further arguments.
    pub fn kinit_by_keytab(&self, name: &str, keytab: &Path, more: &[&str]) -> Output {
        let mut kinit = self.command("kinit");
        kinit.args(["-k", "-t"]).arg(keytab).args(more);
        finished(kinit.arg(self.at_realm(name)))
    }

    /// Asks for a service ticket: `kvno`, or `kgetcred`.
    pub fn ticket_for(&self, service: &str) -> Output {
        let mut command = self.command(match self.vendor {
            Vendor::Mit => "kvno",
            Vendor::Heimdal => "kgetcred",
        });
        finished(command.arg(self.at_realm(service)))
    }

    /// The credentials cache with the encryption types.
    pub fn list(&self) -> String {
        let mut klist = match self.vendor {
            Vendor::Mit => self.command("klist"),
            // Debian's name of its klist is one that the program itself does not know.
            Vendor::Heimdal => self.command("heimtools"),
        };
        match self.vendor {
            Vendor::Mit => klist.arg("-e"),
            Vendor::Heimdal => klist.args(["klist", "-v"]),
        };
        text(&finished(&mut klist).stdout)
    }

    /// What the client noted of its exchanges, where it is MIT's.
    pub fn trace(&self) -> String {
        std::fs::read_to_string(self.path("trace")).unwrap_or_default()
    }
}

fn finished(command: &mut Command) -> Output {
    crate::process::output(command)
}

/// Runs a program that reads `input` from its standard input.
fn with_input(mut command: Command, input: &str) -> Output {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .expect("the Debian package krb5-user is installed (test.sh)");
    let mut pipe = child.stdin.take().expect("piped");
    // One that was refused before it asked is gone before it reads.
    let _ = pipe.write_all(input.as_bytes());
    drop(pipe);
    child.wait_with_output().expect("it ends")
}
