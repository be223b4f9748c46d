//! The command `openssl` of the vendored OpenSSL: Debian's has no 3DES for TLS, and is another version, built otherwise.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// As the crate `openssl-src` configures the library for us; and no more than the command needs.
const CONFIGURE: [&str; 10] = [
    "./Configure",
    "no-shared",
    "no-module",
    "no-tests",
    "no-docs",
    "no-comp",
    "no-zlib",
    "no-ssl3",
    "enable-weak-ssl-ciphers",
    "-O3",
];
/// The command within the folder that it is built in.
const PROGRAM: &str = "apps/openssl";

/// The command, which is built where it is not there yet: some minutes, once for each version and target folder.
pub fn vendored() -> PathBuf {
    let metadata = metadata();
    let package = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .find(|package| package["name"] == "openssl-src")
        .expect("openssl-src is a dependency");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let version = text(&package["version"]);
    let target = PathBuf::from(text(&metadata["target_directory"])).join("openssl-peer");
    let folder = target.join(&version);
    let program = folder.join(PROGRAM);
    if !program.exists() {
        eprintln!("building the command openssl of {version} in {}", folder.display());
        let source = Path::new(&text(&package["manifest_path"])).with_file_name("openssl");
        build(&source, &folder);
    }
    program
}

fn metadata() -> Value {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let out = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    serde_json::from_slice(&out.stdout).expect("cargo metadata")
}

fn build(source: &Path, folder: &Path) {
    // A build that was interrupted is begun anew.
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder.parent().expect("a folder above")).expect("a folder");
    let run = |command: &mut Command| {
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
        assert!(status.expect("it runs").success(), "{command:?}");
    };
    run(Command::new("cp").arg("-r").arg(source).arg(folder));
    run(Command::new("perl").args(CONFIGURE).current_dir(folder));
    for target in ["build_generated", PROGRAM] {
        run(Command::new("make").args(["-s", "-j2", target]).current_dir(folder));
    }
}
