//! The peer made of libkrb5 (peer.c), MIT's or Heimdal's: compiled once for each test binary, spoken with in lines.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use crate::process::{Running, run};

/// A compiled program, in a folder of its own.
pub(crate) type Program = (tempfile::TempDir, PathBuf);

/// The peer over MIT's libkrb5.
pub(crate) fn over_mit() -> &'static Path {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    &PROGRAM.get_or_init(|| compile(&["-lkrb5"])).1
}

/// Compiles peer.c with these arguments of gcc.
pub(crate) fn compile(arguments: &[&str]) -> Program {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("peer");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/peer.c");
    run(Command::new("gcc")
        .arg("-O1")
        .arg("-o")
        .arg(&path)
        .arg(source)
        .args(arguments));
    (folder, path)
}

/// A peer that runs.
pub struct Peer {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _child: Running,
}

impl Peer {
    /// Runs the peer as `command` with these arguments.
    pub(crate) fn start(mut command: Command, args: &[&str]) -> Self {
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the peer runs");
        Self {
            input: child.stdin.take().expect("piped"),
            output: BufReader::new(child.stdout.take().expect("piped")),
            _child: Running(child),
        }
    }

    /// The next line, without its first word, which must be this one.
    pub fn hear(&mut self, word: &str) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("UTF-8");
        let rest = line.trim_end().strip_prefix(word);
        rest.unwrap_or_else(|| panic!("the peer says {line:?}, not {word}"))
            .trim_start()
            .to_owned()
    }

    /// The same, or nothing where the peer has ended instead.
    pub fn hear_unless_ended(&mut self, word: &str) -> Option<String> {
        let mut line = String::new();
        let length = self.output.read_line(&mut line).expect("UTF-8");
        let rest = line.trim_end().strip_prefix(word).map(str::trim_start);
        (length > 0).then(|| {
            rest.unwrap_or_else(|| panic!("the peer says {line:?}, not {word}"))
                .to_owned()
        })
    }

    /// The next lines up to the one that begins with `word`; that one without its word, and those before it.
    pub fn hear_until(&mut self, word: &str) -> (String, Vec<String>) {
        let mut before = Vec::new();
        loop {
            let mut line = String::new();
            let length = self.output.read_line(&mut line).expect("UTF-8");
            assert!(length > 0, "the peer ended after {before:?}");
            match line.trim_end().strip_prefix(word) {
                Some(rest) => return (rest.trim_start().to_owned(), before),
                None => before.push(line.trim_end().to_owned()),
            }
        }
    }

    /// Says one line.
    pub fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the peer reads");
    }
}
