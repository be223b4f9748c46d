//! MIT krb5: a realm with its own database and krb5kdc, in a temporary folder, on a free port.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::peer::{self, Peer};
use crate::process::{Running, eventually, free_port, run};

/// The password of every client.
const PASSWORD: &str = "a password of the tests";

/// Every encryption type that MIT krb5 1.20 can issue, where the operator allows the weak one.
pub const ENCTYPES: &str = "aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96 aes256-cts-hmac-sha384-192 \
    aes128-cts-hmac-sha256-128 des3-cbc-sha1";

/// A realm that MIT's KDC holds.
pub struct Realm {
    folder: tempfile::TempDir,
    realm: String,
    _kdc: Running,
}

impl Realm {
    /// Creates the realm and starts its KDC.
    pub fn start(realm: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        write_settings(folder.path(), realm, port);
        let mut create = Command::new("/usr/sbin/kdb5_util");
        environment(folder.path(), &mut create);
        // The master key's password is read twice.
        run(create.args(["create", "-s", "-r", realm, "-P", "master"]));
        let mut kdc = Command::new("/usr/sbin/krb5kdc");
        environment(folder.path(), &mut kdc);
        let log = std::fs::File::create(folder.path().join("krb5kdc.out")).expect("a file");
        kdc.args(["-n", "-r", realm]).stdout(Stdio::null()).stderr(log);
        let kdc = Running(kdc.spawn().expect("krb5kdc (Debian package krb5-kdc)"));
        let realm = Self {
            folder,
            realm: realm.to_owned(),
            _kdc: kdc,
        };
        realm.add_client("probe");
        eventually("a ticket of krb5kdc", || {
            realm.try_login("probe", &realm.path("probe.cc")).then_some(())
        });
        realm
    }

    /// A file of the realm's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command that knows this realm alone.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        environment(self.folder.path(), &mut command);
        command
    }

    /// The peer over MIT's libkrb5, in this realm.
    pub fn peer(&self, args: &[&str]) -> Peer {
        Peer::start(self.command(peer::over_mit()), args)
    }

    /// One query of kadmin.local.
    pub fn kadmin(&self, query: &str) -> String {
        run(self
            .command("/usr/sbin/kadmin.local")
            .args(["-r", &self.realm, "-q", query]))
    }

    /// A service with a key of this type in the keytab `file`, and session keys of the same type.
    pub fn service(&self, name: &str, enctype: &str, file: &Path) {
        self.kadmin(&format!("addprinc -randkey -e {enctype}:normal {name}"));
        self.rekey(name, enctype, file);
    }

    /// Gives a service a new key of this type, with the next version, and adds it to the keytab `file`.
    pub fn rekey(&self, name: &str, enctype: &str, file: &Path) {
        self.kadmin(&format!("setstr {name} session_enctypes {enctype}"));
        self.kadmin(&format!("ktadd -k {} -e {enctype}:normal {name}", file.display()));
    }

    /// Makes a client known.
    pub fn add_client(&self, name: &str) {
        self.kadmin(&format!("addprinc -pw \"{PASSWORD}\" {name}"));
    }

    /// Logs a client in; its credentials cache, in the file `cache` of the realm's folder, which holds nothing else then.
    pub fn login(&self, name: &str, cache: &str) -> PathBuf {
        let cache = self.path(cache);
        assert!(self.try_login(name, &cache), "kinit {name}");
        cache
    }

    /// Puts a ticket for `service` into the cache.
    pub fn ticket(&self, cache: &Path, service: &str) {
        let mut kvno = self.command("kvno");
        run(kvno.arg("-c").arg(cache).arg(format!("{service}@{}", self.realm)));
    }

    fn try_login(&self, name: &str, cache: &Path) -> bool {
        let mut kinit = self.command("kinit");
        let child = kinit
            .arg("-c")
            .arg(cache)
            .arg(format!("{name}@{}", self.realm))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.expect("kinit (Debian package krb5-user)");
        let mut input = child.stdin.take().expect("piped");
        // A kinit that found no KDC is gone before it reads.
        let _ = std::io::Write::write_all(&mut input, format!("{PASSWORD}\n").as_bytes());
        drop(input);
        child.wait().expect("it ends").success()
    }
}

fn environment(folder: &Path, command: &mut Command) {
    command
        .env("KRB5_CONFIG", folder.join("krb5.conf"))
        .env("KRB5_KDC_PROFILE", folder.join("kdc.conf"))
        .env("KRB5RCACHENAME", "none:");
}

fn write_settings(folder: &Path, realm: &str, port: u16) {
    let here = folder.display();
    let client = format!(
        "[libdefaults]\n default_realm = {realm}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n \
         dns_canonicalize_hostname = false\n allow_weak_crypto = true\n allow_des3 = true\n permitted_enctypes = {ENCTYPES}\n\
         [realms]\n {realm} = {{\n  kdc = 127.0.0.1:{port}\n }}\n"
    );
    let kdc = format!(
        "[kdcdefaults]\n kdc_listen = 127.0.0.1:{port}\n kdc_tcp_listen = 127.0.0.1:{port}\n\
         [realms]\n {realm} = {{\n  database_name = {here}/principal\n  key_stash_file = {here}/stash\n  \
         acl_file = {here}/acl\n  max_life = 1d\n  supported_enctypes = aes256-cts-hmac-sha1-96:normal\n }}\n"
    );
    std::fs::write(folder.join("krb5.conf"), client).expect("a file");
    std::fs::write(folder.join("kdc.conf"), kdc).expect("a file");
}
