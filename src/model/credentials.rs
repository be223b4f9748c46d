//! The IMS credentials of a device: the rows of CL-PKTC-EUE-USER-MIB that bootstrapping hands out.
//!
//! Columns, numbers and sizes are those of pktcEUEUsrIMPUTable and pktcEUEUsrIMPITable (fact sheet provisioning §3.4,
//! CERTAIN); the columns that only a device writes (operational states) have no place here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::value::Secret;

/// The greatest index of a row.
pub const MAX_INDEX: u8 = 63;
/// The longest identity in octets (PktcEUETCID).
pub const MAX_ID: usize = 1023;
/// The longest credentials in octets: PktcEUETCCreds has 8192, four of which are its own header.
pub const MAX_CREDENTIALS: usize = 8188;
/// The longest text of the other columns in octets (SnmpAdminString).
pub const MAX_TEXT: usize = 255;

macro_rules! numbered {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal $word:literal),+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $type { $($(#[$variant_doc])* $variant = $number),+ }

        impl $type {
            /// Its number in the MIB.
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// Its name in the MIB.
            pub const fn mib_name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.mib_name())
            }
        }

        impl FromStr for $type {
            type Err = String;

            /// Reads the MIB's name, whatever its case and with or without `_` and `-`, or its number.
            fn from_str(text: &str) -> Result<Self, String> {
                let plain: String = text.chars().filter(|c| !matches!(c, '_' | '-')).collect();
                $(if plain.eq_ignore_ascii_case($word) || text == stringify!($number) {
                    return Ok(Self::$variant);
                })+
                let words = [$($word),+].join(", ");
                // The text is not quoted: in a file whose columns are mixed up it may be a secret.
                Err(format!("expected one of {words}"))
            }
        }
    };
}

numbered! {
    /// What kind of identity an id is (PktcEUETCIDType).
    IdType {
        /// None of the others.
        Other = 1 "other",
        /// A globally routable user agent URI.
        Gruu = 2 "gruu",
        /// A public identity: a SIP or tel URI.
        PublicIdentity = 3 "publicIdentity",
        /// A private identity: a network access identifier.
        PrivateIdentity = 4 "privateIdentity",
        /// Both at once.
        PublicPrivatePair = 5 "publicPrivatePair",
        /// A user name.
        Username = 6 "username",
        /// A MAC address.
        MacAddress = 7 "macaddress",
        /// An identity of PacketCable's own.
        PacketcableIdentity = 8 "packetcableIdentity"
    }
}

numbered! {
    /// What kind of credentials go with a private identity (PktcEUETCCredsType).
    CredentialsType {
        /// None of the others.
        Other = 1 "other",
        /// No credentials.
        None = 2 "none",
        /// A password.
        Password = 3 "password",
        /// A pre-shared key.
        PreSharedKey = 4 "preSharedKey",
        /// A certificate.
        Certificate = 5 "certificate"
    }
}

/// One public identity (pktcEUEUsrIMPUEntry).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impu {
    /// Its row, 1 to 63.
    pub index: u8,
    /// What kind of identity `id` is.
    pub id_type: IdType,
    /// The identity, such as `sip:+12125551212@ims.example.net`.
    pub id: String,
    /// The private identity that it goes with: a row of the IMPI table; 0 for none.
    pub impi: u8,
    /// What is shown to the other party.
    #[serde(default)]
    pub display: String,
    /// The operators it is registered with: rows of pktcEUEDevOpTable, such as `1,2`.
    #[serde(default)]
    pub operators: String,
    /// Whether it is in use (pktcEUEUsrIMPUAdminStat).
    pub active: bool,
    /// Whether its signalling is protected (pktcEUEUsrIMPUSigSecurity).
    pub signalling_security: bool,
    /// Further settings, `KEY#value;…`.
    #[serde(default)]
    pub additional: String,
}

/// One private identity with its credentials (pktcEUEUsrIMPIEntry).
#[derive(Debug, Clone)]
pub struct Impi {
    /// Its row, 1 to 63.
    pub index: u8,
    /// What kind of identity `id` is.
    pub id_type: IdType,
    /// The identity, such as `12125551212@ims.example.net`.
    pub id: String,
    /// What kind of credentials there are.
    pub credentials_type: CredentialsType,
    /// The credentials: a password's characters, a key's or a certificate's octets.
    pub credentials: Secret,
}

/// One row of either table.
#[derive(Debug, Clone)]
pub enum CredentialRow {
    /// A public identity.
    Impu(Impu),
    /// A private identity.
    Impi(Impi),
}

/// Everything that one device is handed out, by table and index.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// The public identities, by index.
    pub impus: Vec<Impu>,
    /// The private identities, by index.
    pub impis: Vec<Impi>,
}

impl CredentialRow {
    /// `impu` or `impi`.
    pub fn table(&self) -> &'static str {
        match self {
            Self::Impu(_) => "impu",
            Self::Impi(_) => "impi",
        }
    }

    /// Its row, 1 to 63.
    pub fn index(&self) -> u8 {
        match self {
            Self::Impu(row) => row.index,
            Self::Impi(row) => row.index,
        }
    }

    /// What is wrong with the row by itself: field and reason, never a value that is secret.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Impu(row) => {
                check_identity(row.index, &row.id)?;
                if row.impi > MAX_INDEX {
                    return Err(format!(
                        "impi: {} is not a row of the IMPI table: expected 0 to 63",
                        row.impi
                    ));
                }
                check_text("display", &row.display, MAX_TEXT)?;
                check_text("additional", &row.additional, MAX_TEXT)?;
                check_operators(&row.operators)
            }
            Self::Impi(row) => {
                check_identity(row.index, &row.id)?;
                let length = row.credentials.len();
                match row.credentials_type {
                    _ if length > MAX_CREDENTIALS => Err(format!(
                        "credentials: {length} octets; at most {MAX_CREDENTIALS} fit the MIB"
                    )),
                    CredentialsType::None if length > 0 => Err(
                        "credentials: the type is none, yet there are some: leave them out, or name their type".into(),
                    ),
                    CredentialsType::Password | CredentialsType::PreSharedKey | CredentialsType::Certificate
                        if length == 0 =>
                    {
                        Err(format!(
                            "credentials: there are none for the type {}",
                            row.credentials_type
                        ))
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

/// Whether a character may stand in an XML document at all (XML 1.0 §2.2), and in one line of it.
pub fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

fn check_identity(index: u8, id: &str) -> Result<(), String> {
    if !(1..=MAX_INDEX).contains(&index) {
        return Err(format!("index: {index} is not 1 to {MAX_INDEX}"));
    }
    if id.is_empty() {
        return Err("id: it is empty".into());
    }
    check_text("id", id, MAX_ID)
}

fn check_text(field: &str, text: &str, limit: usize) -> Result<(), String> {
    if text.len() > limit {
        return Err(format!("{field}: {} octets; at most {limit} fit the MIB", text.len()));
    }
    match text.char_indices().find(|(_, c)| !is_plain(*c)) {
        Some((offset, c)) => Err(format!(
            "{field}: octet {offset} is the control character U+{:04X}",
            u32::from(c)
        )),
        None => Ok(()),
    }
}

/// Rows of pktcEUEDevOpTable, 1 to 16, with commas between them.
fn check_operators(text: &str) -> Result<(), String> {
    let row = |part: &str| part.parse::<u8>().is_ok_and(|row| (1..=16).contains(&row));
    if text.is_empty() || text.split(',').all(row) {
        return Ok(());
    }
    Err("operators: expected rows of the operator table, 1 to 16, such as 1,2".into())
}

impl Credentials {
    /// Whether there is no row at all.
    pub fn is_empty(&self) -> bool {
        self.impus.is_empty() && self.impis.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn impi(kind: CredentialsType, credentials: &[u8]) -> CredentialRow {
        CredentialRow::Impi(Impi {
            index: 1,
            id_type: IdType::PrivateIdentity,
            id: "user@ims.example.net".into(),
            credentials_type: kind,
            credentials: credentials.into(),
        })
    }

    #[test]
    fn words_are_the_mibs_and_numbers_do_too() {
        assert_eq!("publicIdentity".parse(), Ok(IdType::PublicIdentity));
        assert_eq!("pre_shared_key".parse(), Ok(CredentialsType::PreSharedKey));
        assert_eq!("5".parse(), Ok(CredentialsType::Certificate));
        assert_eq!(CredentialsType::PreSharedKey.number(), 4);
        assert!("sure".parse::<IdType>().unwrap_err().contains("gruu"));
    }

    #[test]
    fn credentials_fit_their_type_and_are_never_in_an_error() {
        assert!(impi(CredentialsType::Password, b"hunter2").check().is_ok());
        assert!(impi(CredentialsType::None, b"").check().is_ok());
        for (kind, octets) in [
            (CredentialsType::Password, &b""[..]),
            (CredentialsType::None, b"hunter2"),
            (CredentialsType::Other, &[b'h'; MAX_CREDENTIALS + 1]),
        ] {
            let row = impi(kind, octets);
            let error = row.check().unwrap_err();
            assert!(
                error.starts_with("credentials") && !error.contains("hunter2"),
                "{error}"
            );
            assert!(!format!("{row:?}").contains("hunter2"));
        }
    }

    #[test]
    fn identities_are_one_line_of_text_and_rows_have_a_place() {
        let impu = |index, id: &str, operators: &str| {
            CredentialRow::Impu(Impu {
                index,
                id_type: IdType::PublicIdentity,
                id: id.into(),
                impi: 0,
                display: String::new(),
                operators: operators.into(),
                active: true,
                signalling_security: true,
                additional: String::new(),
            })
            .check()
        };
        assert!(impu(63, "sip:a@b", "1,16").is_ok());
        for (index, id, operators, field) in [
            (0, "sip:a@b", "", "index"),
            (64, "sip:a@b", "", "index"),
            (1, "", "", "id"),
            (1, "sip:a\u{7}@b", "", "id: octet 5"),
            (1, "sip:a@b", "1,,2", "operators"),
            (1, "sip:a@b", "17", "operators"),
        ] {
            let error = impu(index, id, operators).unwrap_err();
            assert!(error.starts_with(field), "{error}");
        }
    }
}
