//! `hardline config` from outside: every form of a file there and back, MICs, hashes, ciphers, findings, differences.

#[path = "config_files/forms.rs"]
mod forms;
#[path = "config_files/judgement.rs"]
mod judgement;
#[path = "config_files/seals.rs"]
mod seals;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

/// BaseConfig of the fact sheet provisioning §8, secret `DOCSIS`.
const MODEM: &str = "03010118070102000106010719070102000206010706101a3ba2e7666290b9725605718c01f9670710cb5b0055aad7910351\
                     9691cca2cbbe0fff0000";
/// The basic-flow file of §1.4, IETF.
const DEVICE: &str = "fe01010b123010060b2b06010201810c010106000201010b253023060b2b06010201810c01020b000414d62769c17f998300ba6c\
                      25c6114e61652a33e407fe01ff";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.put("modem.cm", &unhex(MODEM));
        folder.put("device.bin", &unhex(DEVICE));
        folder.put("key", b"DOCSIS\n");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_hardline"))
            .arg("config")
            .args(args)
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn code(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", said(&output));
        said(&output)
    }

    fn json(&self, args: &[&str], code: i32) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn unhex(text: &str) -> Vec<u8> {
    hardline::value::unhex(text).unwrap()
}
