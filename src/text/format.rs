//! The form of a file, told by its content.

use std::fmt;

/// The forms in which a configuration file comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// As devices and modems get it.
    Binary,
    /// The language of the `docsis` encoder.
    Docsis,
    /// JSON, as `config decode` writes it.
    Json,
    /// YAML, as `config decode` writes it.
    Yaml,
    /// The language of templates.
    Text,
}

impl Format {
    /// The form of a file with this content.
    pub fn of(content: &[u8]) -> Self {
        let binary = |octet: &u8| *octet < 0x20 && !matches!(octet, b'\t' | b'\n' | b'\r');
        if content.iter().any(binary) {
            return Self::Binary;
        }
        let text = match std::str::from_utf8(content) {
            Ok(text) => text,
            // The `docsis` encoder takes texts in any character set.
            Err(_) if is_docsis(&String::from_utf8_lossy(content)) => return Self::Docsis,
            Err(_) => return Self::Binary,
        };
        let text = text.trim_start_matches('\u{feff}');
        if text.trim_start().starts_with('{') {
            return Self::Json;
        }
        if is_docsis(text) {
            return Self::Docsis;
        }
        let yaml = |line: &str| {
            ["kind:", "tlvs:"]
                .iter()
                .any(|word| line.trim_start().starts_with(word))
        };
        match text.lines().any(yaml) {
            true => Self::Yaml,
            false => Self::Text,
        }
    }
}

/// Whether the first words after comments are `Main {`.
fn is_docsis(text: &str) -> bool {
    let mut rest = text.trim_start();
    while let Some(comment) = rest.strip_prefix("/*") {
        let Some((_, after)) = comment.split_once("*/") else {
            return false;
        };
        rest = after.trim_start();
    }
    let main = rest.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("main"));
    main && rest.get(4..).is_some_and(|rest| rest.trim_start().starts_with('{'))
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Binary => "binary",
            Self::Docsis => "docsis",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Text => "text",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_tells_the_form() {
        for (content, format) in [
            (&b"\xfe\x01\x01\xfe\x01\xff"[..], Format::Binary),
            (b"\x03\x01\x01\xff", Format::Binary),
            (b"Main { NetworkAccess 1; }", Format::Docsis),
            (b"Main { SwUpgradeFilename \"\xe4\"; }", Format::Docsis),
            (b"/* a modem */\n\n  main\n{\n}", Format::Docsis),
            (b" {\"kind\": \"device\"}", Format::Json),
            (b"# a file\nkind: device\ntlvs: []\n", Format::Yaml),
            (b"mib sysContact.0 string Main {\n", Format::Text),
            (b"", Format::Text),
            (b"/* Main {", Format::Text),
        ] {
            assert_eq!(Format::of(content), format, "{}", content.escape_ascii());
        }
    }
}
