//! PostgreSQL and MariaDB, each in a folder of its own on a free port, as a user of its own where it insists.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::peers::{Process, free_port, run, wait_for, within};

fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

/// `program` as `user` where this is root, who may not run it.
fn as_user(user: &str, program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", user, "--regid", user, "--clear-groups"])
        .arg(program);
    command
}

/// A folder that `user` may use.
fn folder(user: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    if is_root() {
        run(Command::new("chown").arg(user).arg(folder.path()));
    }
    folder
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|out| out.status.success())
}

/// A PostgreSQL server; its user `postgres` needs no password, its user `hardline` has one.
pub struct Postgres {
    folder: tempfile::TempDir,
    pub port: u16,
    process: Process,
}

/// The password of the databases' user `hardline`.
pub const PASSWORD: &str = "s3cret of the lease table";

impl Postgres {
    fn program(name: &str) -> PathBuf {
        let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
        let programs = versions.flatten().map(|version| version.path().join("bin").join(name));
        programs
            .filter(|path| path.exists())
            .max()
            .expect("PostgreSQL is installed")
    }

    pub fn start() -> Self {
        let folder = folder("postgres");
        let data = folder.path().join("data");
        let mut init = as_user("postgres", &Self::program("initdb"));
        run(init
            .args(["-U", "postgres", "-A", "trust", "--no-sync", "-D"])
            .arg(&data));
        let rules = "host all postgres 127.0.0.1/32 trust\nhost all hardline 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(data.join("pg_hba.conf"), rules).expect("pg_hba.conf");
        let port = free_port();
        let process = Self::serve(folder.path(), port);
        let postgres = Self { folder, port, process };
        wait_for("PostgreSQL", || postgres.answers());
        postgres.sql("postgres", &format!("CREATE ROLE hardline LOGIN PASSWORD '{PASSWORD}'"));
        postgres
    }

    fn serve(folder: &Path, port: u16) -> Process {
        let mut serve = as_user("postgres", &Self::program("postgres"));
        serve.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string()]);
        serve.args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "fsync=off",
        ]);
        Process::start(&mut serve, &folder.join("log"))
    }

    fn answers(&self) -> bool {
        succeeds(self.psql("postgres").args(["-c", "SELECT 1"]))
    }

    fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(Self::program("psql"));
        command.args([
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-p",
            &self.port.to_string(),
            database,
        ]);
        command
    }

    /// Runs a statement.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        run(self.psql(database).args(["-At", "-c", sql]))
    }

    /// Runs a file of statements.
    pub fn file(&self, database: &str, file: &Path) {
        run(self.psql(database).arg("-f").arg(file));
    }

    /// From now on it has a certificate, and its user `hardline` comes by TLS alone.
    pub fn encrypt(&self, certificate: &Path, key: &Path) {
        let data = self.folder.path().join("data");
        for (from, to) in [(certificate, "server.crt"), (key, "server.key")] {
            let to = data.join(to);
            run(Command::new("install").args(["-m", "600"]).arg(from).arg(&to));
            if is_root() {
                run(Command::new("chown").arg("postgres").arg(&to));
            }
        }
        let rules = "host all postgres 127.0.0.1/32 trust\nhostssl all hardline 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(data.join("pg_hba.conf"), rules).expect("pg_hba.conf");
        self.sql("postgres", "ALTER SYSTEM SET ssl = on");
        self.sql("postgres", "SELECT pg_reload_conf()");
        wait_for("PostgreSQL with TLS", || {
            self.sql("postgres", "SHOW ssl").trim() == "on"
        });
    }

    /// Ends it as a power failure would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self) {
        // The children of the one that was killed hold its shared memory for a moment.
        wait_for("PostgreSQL again", || {
            self.process = Self::serve(self.folder.path(), self.port);
            within(Duration::from_secs(5), || self.answers())
        });
    }
}

/// A MariaDB server; its user `hardline` has [`PASSWORD`].
pub struct MariaDb {
    folder: tempfile::TempDir,
    pub port: u16,
    process: Process,
}

impl MariaDb {
    pub fn start() -> Self {
        let folder = folder("mysql");
        let data = folder.path().join("data");
        let user = if is_root() { "mysql" } else { "" };
        let mut install = Command::new("mariadb-install-db");
        install.args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]);
        if is_root() {
            install.arg(format!("--user={user}"));
        }
        run(install.arg(format!("--datadir={}", data.display())));
        let port = free_port();
        let process = Self::serve(folder.path(), port);
        let maria = Self { folder, port, process };
        maria.wait();
        maria.sql("mysql", &format!("CREATE USER hardline@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON *.* TO hardline@'127.0.0.1'"));
        maria
    }

    fn serve(folder: &Path, port: u16) -> Process {
        Self::serve_with(folder, port, &[])
    }

    /// Starts it anew with a certificate and its key: files that its user can read.
    pub fn encrypt(&mut self, certificate: &Path, key: &Path) {
        self.process.kill();
        let options =
            [("cert", certificate), ("key", key)].map(|(option, file)| format!("--ssl-{option}={}", file.display()));
        self.process = Self::serve_with(self.folder.path(), self.port, &options);
        self.wait();
    }

    fn serve_with(folder: &Path, port: u16, more: &[String]) -> Process {
        let mut serve = Command::new("mariadbd");
        serve.args([
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0",
        ]);
        serve.args(more);
        if is_root() {
            serve.arg("--user=mysql");
        }
        let place = |option: &str, name: &str| format!("--{option}={}", folder.join(name).display());
        serve
            .arg(format!("--port={port}"))
            .arg(place("datadir", "data"))
            .arg(place("socket", "s"))
            .arg(place("pid-file", "pid"));
        Process::start(&mut serve, &folder.join("log"))
    }

    fn wait(&self) {
        wait_for("MariaDB", || succeeds(self.client("").args(["-e", "SELECT 1"])));
    }

    fn client(&self, database: &str) -> Command {
        let mut command = Command::new("mariadb");
        command
            .arg("--no-defaults")
            .arg("-uroot")
            .arg(format!("--socket={}", self.folder.path().join("s").display()));
        command.arg("-N").arg(database);
        command
    }

    /// Runs statements.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        run(self.client(database).args(["-e", sql]))
    }

    /// Runs a file of statements.
    pub fn file(&self, database: &str, file: &Path) {
        let file = std::fs::File::open(file).expect("a file");
        let out = self.client(database).stdin(file).output().expect("mariadb");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }

    /// Ends it as a power failure would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self) {
        self.process = Self::serve(self.folder.path(), self.port);
        self.wait();
    }
}
