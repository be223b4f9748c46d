//! The document that a device fetches: an operator's template with the rows of its credentials (profile P27).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, context};
use openssl::base64::encode_block;

use crate::mib::MibDialect;
use crate::model::{Credentials, CredentialsType, Delivery, Device, Flow, IdType, Impi, Impu};
use crate::value::{Fqdn, MacAddress, Realm, Timestamp, hex};

/// The built-in template.
pub const BUILT_IN: &str = include_str!("../../../templates/bootstrap/eue.xml");
/// The schema (XSD) of the documents that the built-in template makes.
pub const SCHEMA: &str = include_str!("../../../templates/bootstrap/eue.xsd");
/// The longest document in octets: all rows of both tables, each as long as the MIB allows, do not reach it.
pub const MAX_DOCUMENT: usize = 4 << 20;
/// The template's name within its environment.
const NAME: &str = "document";

/// What the document says of the installation.
#[derive(Debug, Clone)]
pub struct Facing {
    /// The Kerberos realm.
    pub realm: Realm,
    /// The operator's domain.
    pub domain: Fqdn,
    /// The operator's name.
    pub organisation: String,
}

/// A template that cannot be used, or a document that cannot be made. Names file and line, and never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {reason}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct DocumentError {
    /// The template's file, or `built-in template`.
    pub file: String,
    /// The line, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: String,
}

/// A template, compiled when it is loaded.
pub struct Document {
    file: String,
    environment: Environment<'static>,
    facing: Facing,
}

impl Document {
    /// The template in `file`, or the built-in one. It is tried on an example, so that what it names in vain shows now.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn load(file: Option<&Path>, facing: Facing) -> Result<Self, DocumentError> {
        let (name, text) = match file {
            None => ("built-in template".to_owned(), BUILT_IN.to_owned()),
            Some(file) => {
                let name = file.display().to_string();
                let read = std::fs::read_to_string(file).map_err(|error| DocumentError {
                    file: name.clone(),
                    line: None,
                    reason: error.to_string(),
                });
                (name, read?)
            }
        };
        Self::compile(name, text, facing)
    }

    fn compile(file: String, text: String, facing: Facing) -> Result<Self, DocumentError> {
        let mut environment = Environment::empty();
        minijinja_essentials(&mut environment);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Custom("xml".into()));
        environment.set_formatter(write_escaped);
        // The engine's debugging aid shows values.
        environment.set_debug(false);
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build();
        environment.set_syntax(syntax.map_err(|error| describe(&file, &error))?);
        let compiled = environment.add_template_owned(NAME, text);
        compiled.map_err(|error| describe(&file, &error))?;
        let document = Self {
            file,
            environment,
            facing,
        };
        let (device, credentials) = example();
        // Which variables devices have is not the template's to say.
        let vars = Value::from_object(AnyVariable);
        document.render_with(vars, &device, &credentials, Timestamp(0))?;
        Ok(document)
    }

    /// The document of one device.
    ///
    /// # Errors
    /// [`DocumentError`]: also where a value has a character that XML does not have, or the document is too long.
    pub fn render(&self, device: &Device, credentials: &Credentials, now: Timestamp) -> Result<String, DocumentError> {
        let vars = Value::from_pairs(device.vars.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.render_with(vars, device, credentials, now)
    }

    fn render_with(
        &self,
        vars: Value,
        device: &Device,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<String, DocumentError> {
        let template = self.environment.get_template(NAME);
        let template = template.map_err(|error| describe(&self.file, &error))?;
        let context = context! {
            device => context! {
                mac => device.mac.to_string(),
                fqdn => device.fqdn.to_string(),
                flow => device.flow.to_string(),
                vars,
            },
            site => context! {
                realm => self.facing.realm.to_string(),
                domain => self.facing.domain.to_string(),
                organisation => &self.facing.organisation,
            },
            made => now.to_string(),
            impus => credentials.impus.iter().map(impu).collect::<Vec<_>>(),
            impis => credentials.impis.iter().map(impi).collect::<Vec<_>>(),
        };
        let text = template.render(context).map_err(|error| describe(&self.file, &error))?;
        if text.len() > MAX_DOCUMENT {
            return Err(DocumentError {
                file: self.file.clone(),
                line: None,
                reason: format!(
                    "the document has {} octets; at most {MAX_DOCUMENT} are served",
                    text.len()
                ),
            });
        }
        Ok(text)
    }
}

/// The few filters and tests that a document needs.
fn minijinja_essentials(environment: &mut Environment<'static>) {
    use minijinja::{filters, tests};
    environment.add_filter("upper", filters::upper);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("default", filters::default);
    environment.add_filter("length", filters::length);
    environment.add_filter("int", filters::int);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("undefined", tests::is_undefined);
    environment.add_test("none", tests::is_none);
}

/// Writes a value as XML text that also stands in an attribute: every value is escaped, whoever says it is safe.
fn write_escaped(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = match value.as_str() {
        Some(text) => std::borrow::Cow::Borrowed(text),
        None => std::borrow::Cow::Owned(value.to_string()),
    };
    let failed = |_| Error::new(ErrorKind::WriteFailure, "the document cannot be written");
    for c in text.chars() {
        let written = match c {
            '&' => out.write_str("&amp;"),
            '<' => out.write_str("&lt;"),
            '>' => out.write_str("&gt;"),
            '"' => out.write_str("&quot;"),
            '\'' => out.write_str("&apos;"),
            // As references they survive the normalisation of attributes and line ends.
            '\t' => out.write_str("&#9;"),
            '\n' => out.write_str("&#10;"),
            '\r' => out.write_str("&#13;"),
            c if (c.is_control() && u32::from(c) < 0x20) || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                return Err(Error::new(
                    ErrorKind::BadSerialization,
                    format!(
                        "a value holds the character U+{:04X}, which XML does not have",
                        u32::from(c)
                    ),
                ));
            }
            c => out.write_char(c),
        };
        written.map_err(failed)?;
    }
    Ok(())
}

/// The engine's error without what it might quote of the values.
fn describe(file: &str, error: &Error) -> DocumentError {
    let reason = match error.kind() {
        ErrorKind::BadSerialization => error.detail().unwrap_or("a value cannot be written").to_owned(),
        // These name the template's own words, not values.
        ErrorKind::SyntaxError | ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction => {
            format!("{}: {}", error.kind(), error.detail().unwrap_or_default())
        }
        ErrorKind::UndefinedError => "a name that is not there: docs/bootstrapping.md lists those that are".to_owned(),
        kind => kind.to_string(),
    };
    DocumentError {
        file: file.into(),
        line: error.line(),
        reason,
    }
}

fn impu(row: &Impu) -> Value {
    context! {
        index => row.index,
        id_type => row.id_type.mib_name(),
        id_type_number => row.id_type.number(),
        id => &row.id,
        impi => row.impi,
        display => &row.display,
        operators => &row.operators,
        active => row.active,
        signalling_security => row.signalling_security,
        additional => &row.additional,
    }
}

fn impi(row: &Impi) -> Value {
    let octets = row.credentials.expose();
    // Text where XML can hold it as it is; what is binary, such as most keys, in base64.
    let text = std::str::from_utf8(octets).ok();
    let text = text.filter(|text| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')));
    context! {
        index => row.index,
        id_type => row.id_type.mib_name(),
        id_type_number => row.id_type.number(),
        id => &row.id,
        credentials_type => row.credentials_type.mib_name(),
        credentials_type_number => row.credentials_type.number(),
        encoding => if text.is_some() { "text" } else { "base64" },
        credentials => text.map_or_else(|| encode_block(octets), str::to_owned),
        credentials_hex => hex(octets),
        credentials_base64 => encode_block(octets),
    }
}

/// The variables of a device that never was: it has every one.
#[derive(Debug)]
struct AnyVariable;

impl Object for AnyVariable {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some("example".into())
    }
}

/// A device that never was, with a row of each kind.
fn example() -> (Device, Credentials) {
    let device = Device {
        mac: MacAddress([0; 6]),
        fqdn: "example.invalid"
            .parse()
            .unwrap_or_else(|_| unreachable!("the name is well formed")),
        flow: Flow::Hybrid,
        mib: MibDialect::Ietf,
        addresses: Vec::new(),
        template: None,
        vars: BTreeMap::new(),
        overrides: Default::default(),
        delivery: Delivery::Tftp,
        public_key_sha1: None,
        created: Timestamp(0),
    };
    let impu = Impu {
        index: 1,
        id_type: IdType::PublicIdentity,
        id: "sip:example@example.invalid".into(),
        impi: 1,
        display: String::new(),
        operators: String::new(),
        active: true,
        signalling_security: true,
        additional: String::new(),
    };
    let impi = Impi {
        index: 1,
        id_type: IdType::PrivateIdentity,
        id: "example@example.invalid".into(),
        credentials_type: CredentialsType::Password,
        credentials: b"example"[..].into(),
    };
    let credentials = Credentials {
        impus: vec![impu],
        impis: vec![impi],
    };
    (device, credentials)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facing() -> Facing {
        Facing {
            realm: "PKTC.EXAMPLE.NET".parse().unwrap(),
            domain: "pktc.example.net".parse().unwrap(),
            organisation: "Bob & Sons".into(),
        }
    }

    fn rendered(template: &str, credentials: &[u8], display: &str) -> Result<String, DocumentError> {
        let document = Document::compile("t.xml".into(), template.into(), facing())?;
        let (device, mut example) = self::example();
        example.impis[0].credentials = credentials.into();
        example.impus[0].display = display.into();
        document.render(&device, &example, Timestamp::from_unix(1_800_000_000))
    }

    #[test]
    fn the_default_has_the_columns_of_the_mib_and_escapes_them() {
        let text = rendered(BUILT_IN, b"<&>\"'", "A & <B>").unwrap();
        assert!(text.starts_with("<?xml"), "{text}");
        for part in [
            "<pktcEUEUsrIMPUDispInfo>A &amp; &lt;B&gt;</pktcEUEUsrIMPUDispInfo>",
            ">&lt;&amp;&gt;&quot;&apos;</pktcEUEUsrIMPICredentials>",
            "<pktcEUEUsrIMPIIdType>4</pktcEUEUsrIMPIIdType>",
            "<pktcEUEUsrIMPUIMPIIndexRef>1</pktcEUEUsrIMPUIMPIIndexRef>",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("{#") && !text.contains("{%"), "{text}");
        let text = rendered(BUILT_IN, &[0, 255, 7], "").unwrap();
        assert!(text.contains("encoding=\"base64\">AP8H</"), "{text}");
    }

    #[test]
    fn mistakes_show_when_the_template_is_loaded_with_their_line() {
        for (template, line, part) in [
            ("<a>\n{{ device.colour }}</a>", 2, "not there"),
            ("<a>\n\n{{ impus[0].passwrd }}</a>", 3, "not there"),
            ("{% for x in impus %}", 1, "syntax error"),
            ("{{ device.mac|shout }}", 1, "shout"),
        ] {
            let error = rendered(template, b"x", "").unwrap_err();
            assert_eq!(error.line, Some(line), "{error}");
            assert!(
                error.to_string().starts_with("t.xml:") && error.reason.contains(part),
                "{error}"
            );
        }
    }

    #[test]
    fn a_variable_is_asked_of_the_device_and_not_of_the_template() {
        let template = "<a>\n{{ device.vars.line }}</a>";
        let document = Document::compile("t.xml".into(), template.into(), facing()).unwrap();
        let (mut device, credentials) = example();
        let error = document.render(&device, &credentials, Timestamp(0)).unwrap_err();
        assert_eq!(error.line, Some(2), "{error}");
        device.vars.insert("line".into(), "one & only".into());
        let text = document.render(&device, &credentials, Timestamp(0)).unwrap();
        assert_eq!(text, "<a>\none &amp; only</a>");
    }

    #[test]
    fn no_value_escapes_escaping_and_no_error_quotes_one() {
        assert_eq!(
            rendered("{{ impus[0].display|safe }}", b"x", "<").unwrap_err().line,
            Some(1)
        );
        let error = rendered("{{ impis[0].credentials|int }}", b"s3cret", "").unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
        let error = rendered("{{ impus[0].display }}", b"x", "a\u{1}s3cret").unwrap_err();
        assert!(
            error.reason.contains("U+0001") && !error.reason.contains("s3cret"),
            "{error}"
        );
        assert_eq!(
            rendered("{{ impus[0].display }}", b"x", "a\r\n\tb").unwrap(),
            "a&#13;&#10;&#9;b"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_by_any_reader_of_entities(text in "[ -~\u{a0}-\u{d7ff}]{0,40}") {
            let written = rendered("{{ impus[0].display }}", b"x", &text).unwrap();
            prop_assert!(!written.contains(['<', '>', '"', '\'']));
            let read = written.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"")
                .replace("&apos;", "'").replace("&amp;", "&");
            prop_assert_eq!(read, text);
        }
    }
}
