//! `hardline credentials generate`: passwords and keys that the operator wants made.

use serde_json::json;

use super::{nothing, said, show};
use crate::cli::CliError;
use crate::cli::open::ConfigArg;
use crate::model::{CredentialRow, CredentialsType, Impi};
use crate::store::{CredentialStore, Reveal, SqliteStore};
use crate::value::{MacAddress, OsRandom, Random, Secret, Timestamp};

/// The fewest characters that are made.
const SHORTEST: usize = 8;
/// The most.
const LONGEST: usize = 255;

/// The characters that a generated password is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Alphabet(Vec<u8>);

impl std::str::FromStr for Alphabet {
    type Err = String;

    /// Reads `alnum`, `hex`, `digits`, `readable` (no characters that look alike), or the characters themselves.
    fn from_str(text: &str) -> Result<Self, String> {
        let alnum = || (b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z');
        let mut characters: Vec<u8> = match text {
            "alnum" => alnum().collect(),
            "hex" => b"0123456789abcdef".to_vec(),
            "digits" => (b'0'..=b'9').collect(),
            "readable" => alnum().filter(|c| !b"0O1lI5S2Z8B".contains(c)).collect(),
            other => other.bytes().collect(),
        };
        characters.sort_unstable();
        characters.dedup();
        if !characters.iter().all(|c| c.is_ascii_graphic()) {
            return Err("expected alnum, hex, digits, readable, or printable ASCII characters".into());
        }
        if characters.len() < 10 {
            return Err(format!(
                "{} different characters; at least 10 are needed",
                characters.len()
            ));
        }
        Ok(Self(characters))
    }
}

/// How many characters are made.
fn length(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (SHORTEST..=LONGEST).contains(number));
    number.ok_or_else(|| format!("expected {SHORTEST} to {LONGEST}"))
}

impl Alphabet {
    /// `length` characters, each drawn evenly.
    fn draw(&self, length: usize, random: &mut dyn Random) -> Secret {
        let count = self.0.len();
        // What is drawn above the last whole multiple would favour the first characters.
        let even = 256 / count * count;
        let mut made = Vec::with_capacity(length);
        let mut drawn = zeroize::Zeroizing::new([0; 64]);
        while made.len() < length {
            random.fill(&mut *drawn);
            let characters = drawn
                .iter()
                .map(|&octet| usize::from(octet))
                .filter(|&octet| octet < even);
            let room = length - made.len();
            made.extend(characters.filter_map(|octet| self.0.get(octet % count)).take(room));
        }
        Secret::new(made)
    }
}

/// What is generated.
#[derive(clap::Args)]
pub(super) struct MadeOf {
    /// What generated credentials are made of: alnum, hex, digits, readable, or the characters themselves
    #[arg(long, default_value = "alnum")]
    alphabet: Alphabet,
    /// How many characters are generated
    #[arg(long, default_value = "24", value_parser = length)]
    length: usize,
}

impl MadeOf {
    /// Draws one.
    pub(super) fn draw(&self) -> Secret {
        self.alphabet.draw(self.length, &mut OsRandom)
    }
}

/// Arguments of `hardline credentials generate`.
#[derive(clap::Args)]
pub(super) struct GenerateArgs {
    #[command(flatten)]
    pub(super) config: ConfigArg,
    /// The device's MAC address
    #[arg(required_unless_present = "all")]
    mac: Option<MacAddress>,
    /// Every device that has credentials
    #[arg(long, conflicts_with = "mac")]
    all: bool,
    /// Only this row of the IMPI table; by default every row whose credentials are of the type
    #[arg(long, value_name = "N")]
    index: Option<u8>,
    /// Of what type the rows are: password, preSharedKey, or none for rows that have no credentials yet
    #[arg(long, value_name = "TYPE", default_value = "password")]
    credentials_type: CredentialsType,
    #[command(flatten)]
    made_of: MadeOf,
}

/// Runs it.
pub(super) async fn generate(store: &SqliteStore, args: GenerateArgs, as_json: bool) -> Result<(), CliError> {
    let macs = match args.mac {
        Some(mac) => vec![mac],
        None => show::all(store).await?.into_iter().map(|state| state.mac).collect(),
    };
    let mut made = 0;
    for mac in macs {
        // The identities stay; to keep them they are read, and that is on record like any read.
        let Some(credentials) = show::read(store, mac, Reveal::Identities).await? else {
            return Err(nothing(mac));
        };
        let wanted = |impi: &Impi| match args.index {
            Some(index) => impi.index == index,
            None => impi.credentials_type == args.credentials_type,
        };
        let rows: Vec<_> = credentials
            .impis
            .into_iter()
            .filter(wanted)
            .map(|impi| {
                let fresh = Impi {
                    credentials: args.made_of.draw(),
                    credentials_type: match args.credentials_type {
                        CredentialsType::None => CredentialsType::Password,
                        kind => kind,
                    },
                    ..impi
                };
                (mac, CredentialRow::Impi(fresh))
            })
            .collect();
        made += rows.len();
        if !rows.is_empty() {
            store.put_credentials(rows, Timestamp::now()).await?;
        }
    }
    if made == 0 {
        return Err(CliError::Failed(format!(
            "no IMPI of type {} was found: name another --credentials-type, or add one with hardline credentials set",
            args.credentials_type
        )));
    }
    said(as_json, &json!({"generated": made}), format!("{made} generated"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::SeededRandom;

    #[test]
    fn every_character_of_the_alphabet_is_drawn_about_as_often() {
        let alphabet: Alphabet = "readable".parse().unwrap();
        let drawn = alphabet.draw(51_000, &mut SeededRandom::new(7));
        assert_eq!((drawn.len(), alphabet.0.len()), (51_000, 51));
        for character in &alphabet.0 {
            let count = drawn.expose().iter().filter(|c| *c == character).count();
            assert!((850..1150).contains(&count), "{} {count}", *character as char);
        }
    }

    #[test]
    fn weak_choices_are_refused() {
        for text in ["", "abc", "aaaaaaaaaaaaaaa", "abcdefghijk ", "äöüßabcdefghi"] {
            assert!(text.parse::<Alphabet>().is_err(), "{text}");
        }
        assert_eq!("abcdefghijkk".parse::<Alphabet>().unwrap().0.len(), 11);
        assert!(length("7").is_err() && length("256").is_err() && length("x").is_err());
        assert_eq!(length("20"), Ok(20));
    }
}
