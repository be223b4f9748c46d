//! Heimdal 7.8, whose Debian packages conflict with MIT's: test.sh unpacks them (`dpkg -x`) into the folder that
//! `HARDLINE_HEIMDAL` names, by default `target/judges/heimdal`, and they are run from there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::peer::{Peer, Program, compile};
use crate::process::{Running, eventually, free_port, output, run};

/// The password of every client.
const PASSWORD: &str = "a password of the tests";

/// Where the packages are unpacked.
fn root() -> PathBuf {
    let root = std::env::var_os("HARDLINE_HEIMDAL").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/judges/heimdal"),
        PathBuf::from,
    );
    assert!(
        root.join("usr").is_dir(),
        "Heimdal is not unpacked in {}: test.sh does that",
        root.display()
    );
    root
}

/// A program of Heimdal, with its libraries.
pub fn program(name: &str) -> Command {
    let root = root();
    let folders = ["usr/bin", "usr/sbin", "usr/lib/heimdal-servers"];
    let path = folders
        .iter()
        .flat_map(|folder| {
            [
                root.join(folder).join(name),
                root.join(folder).join(format!("{name}.heimdal")),
            ]
        })
        .find(|path| path.is_file());
    let path = path.unwrap_or_else(|| panic!("Heimdal has no {name} in {}", root.display()));
    with_libraries(Command::new(path))
}

/// The folders of Heimdal's libraries.
fn libraries() -> [PathBuf; 2] {
    let all = root().join("usr/lib/x86_64-linux-gnu");
    [all.join("heimdal"), all]
}

fn with_libraries(mut command: Command) -> Command {
    let [own, all] = libraries();
    command.env("LD_LIBRARY_PATH", format!("{}:{}", own.display(), all.display()));
    command
}

/// The peer over Heimdal's libkrb5.
fn peer() -> &'static Path {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    let (_, path) = PROGRAM.get_or_init(|| {
        let [own, all] = libraries().map(|folder| folder.display().to_string());
        let headers = root().join("usr/include/heimdal").display().to_string();
        let (headers, own, linked) = (
            format!("-I{headers}"),
            format!("-L{own}"),
            format!("-Wl,-rpath-link,{all}"),
        );
        compile(&["-DHEIMDAL", &headers, &own, &format!("-L{all}"), &linked, "-lkrb5"])
    });
    path
}

/// A realm that Heimdal's KDC holds.
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
        let here = folder.path().display();
        let settings = format!(
            "[libdefaults]\n default_realm = {realm}\n allow_weak_crypto = true\n dns_lookup_kdc = false\n\
             [realms]\n {realm} = {{\n  kdc = 127.0.0.1:{port}\n }}\n[kadmin]\n default_keys = v5\n\
             [kdc]\n database = {{\n  dbname = {here}/heimdal\n  realm = {realm}\n  mkey_file = {here}/m-key\n  \
             acl_file = {here}/acl\n  log_file = {here}/log\n }}\n[logging]\n kdc = FILE:{here}/kdc.log\n"
        );
        std::fs::write(folder.path().join("krb5.conf"), settings).expect("a file");
        let mut init = program("kadmin");
        environment(folder.path(), &mut init);
        init.args(["-l", "-r", realm, "init"]);
        run(init.args(["--realm-max-ticket-life=1d", "--realm-max-renewable-life=1d", realm]));
        let mut kdc = program("kdc");
        environment(folder.path(), &mut kdc);
        kdc.arg(format!("--config-file={here}/krb5.conf"));
        kdc.args(["--addresses=127.0.0.1", &format!("--ports={port}")]);
        kdc.stdout(Stdio::null()).stderr(Stdio::null());
        let kdc = Running(kdc.spawn().expect("Heimdal's kdc runs"));
        let realm = Self {
            folder,
            realm: realm.to_owned(),
            _kdc: kdc,
        };
        realm.add_client("probe");
        let cache = realm.path("probe.cc");
        eventually("a ticket of Heimdal's kdc", || {
            realm.try_login("probe", &cache).then_some(())
        });
        realm
    }

    /// A file of the realm's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command of Heimdal that knows this realm alone.
    pub fn command(&self, name: &str) -> Command {
        let mut command = program(name);
        environment(self.folder.path(), &mut command);
        command
    }

    /// One command of `kadmin -l`.
    pub fn kadmin(&self, args: &[&str]) -> String {
        run(self.command("kadmin").args(["-l", "-r", &self.realm]).args(args))
    }

    fn add_client(&self, name: &str) {
        let password = format!("--password={PASSWORD}");
        self.kadmin(&["add", &password, "--use-defaults", name]);
    }

    /// A service whose only key is of this type, exported to the keytab `file`.
    pub fn service(&self, name: &str, enctype: &str, file: &Path) {
        self.kadmin(&["add", "--random-key", "--use-defaults", name]);
        self.kadmin(&["add_enctype", "-r", name, enctype]);
        // What `add` makes by default; the one that is wanted may be among them.
        for other in ["aes256-cts-hmac-sha1-96", "des3-cbc-sha1", "arcfour-hmac-md5"] {
            if other != enctype {
                self.kadmin(&["del_enctype", name, other]);
            }
        }
        let file = format!("--keytab={}", file.display());
        self.kadmin(&["ext_keytab", &file, name]);
    }

    /// Puts a ticket for `service` with a session key of this type into the cache.
    pub fn ticket(&self, cache: &Path, enctype: &str, service: &str) {
        let enctype = format!("--enctype={enctype}");
        let mut kgetcred = self.command("kgetcred");
        kgetcred
            .arg("-c")
            .arg(cache)
            .args([&enctype, &format!("{service}@{}", self.realm)]);
        run(&mut kgetcred);
    }

    /// The peer over Heimdal's libkrb5, in this realm.
    pub fn peer(&self, args: &[&str]) -> Peer {
        let mut command = with_libraries(Command::new(peer()));
        environment(self.folder.path(), &mut command);
        Peer::start(command, args)
    }

    /// A client, and its credentials cache.
    pub fn client(&self, name: &str) -> PathBuf {
        self.add_client(name);
        let cache = self.path(&format!("{}.cc", name.replace('/', "_")));
        assert!(self.try_login(name, &cache), "kinit {name}");
        cache
    }

    fn try_login(&self, name: &str, cache: &Path) -> bool {
        let password = self.path("password");
        std::fs::write(&password, PASSWORD).expect("a file");
        let mut kinit = self.command("kinit");
        kinit.arg(format!("--password-file={}", password.display()));
        kinit.arg("-c").arg(cache).arg(format!("{name}@{}", self.realm));
        output(kinit.stdin(Stdio::null())).status.success()
    }
}

fn environment(folder: &Path, command: &mut Command) {
    command
        .env("KRB5_CONFIG", folder.join("krb5.conf"))
        .env("KRB5RCACHETYPE", "none");
}
