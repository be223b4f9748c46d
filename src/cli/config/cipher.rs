//! `hardline config encrypt` and `decrypt`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::json;
use zeroize::Zeroizing;

use super::super::{CliError, output, pki};
use super::input;
use crate::value::{OsRandom, Secret, hex, unhex};
use crate::wire::tlv::{
    DeviceFile, EncryptAlgorithm, FileForm, FileHash, FileKey, FileKind, HashAlgorithm, IvSource, Padding, cipher,
};

/// Arguments of `hardline config encrypt`.
#[derive(clap::Args)]
pub struct EncryptArgs {
    /// The file
    file: PathBuf,
    /// Where to write the result; - for standard output
    #[arg(long, short, value_name = "OUT")]
    output: PathBuf,
    /// A file that holds the key, in hexadecimal or as bare octets; after it the IV where that comes from the key object
    #[arg(long, value_name = "FILE", required_unless_present = "new_key_file")]
    key_file: Option<PathBuf>,
    /// Draw a key, and write it there in hexadecimal; only its owner may read it
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    new_key_file: Option<PathBuf>,
    #[command(flatten)]
    form: FormArgs,
}

/// Arguments of `hardline config decrypt`.
#[derive(clap::Args)]
pub struct DecryptArgs {
    /// The file
    file: PathBuf,
    /// Where to write the result; - for standard output
    #[arg(long, short, value_name = "OUT")]
    output: PathBuf,
    /// A file that holds the key, in hexadecimal or as bare octets; after it the IV where that comes from the key object
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    #[command(flatten)]
    form: FormArgs,
}

/// Cipher and form (interop profile P22 and P24).
#[derive(clap::Args)]
struct FormArgs {
    /// The cipher, in CBC
    #[arg(long, value_enum, default_value_t = Cipher::Aes128)]
    algorithm: Cipher,
    /// Where the IV comes from
    #[arg(long, value_enum, default_value_t = Iv::Prepended)]
    iv: Iv,
    /// What becomes of a last block that the file does not fill
    #[arg(long, value_enum, default_value_t = Pad::ZeroFill)]
    padding: Pad,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Cipher {
    Des,
    #[value(name = "3des")]
    TripleDes,
    Aes128,
    Aes256,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Iv {
    /// Random, before the ciphertext
    Prepended,
    /// Zero octets
    Zero,
    /// After the key in the key object
    KeyObject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pad {
    /// Zero octets
    ZeroFill,
    /// PKCS#7
    Pkcs7,
    /// Residual block termination
    Residual,
}

impl FormArgs {
    fn algorithm(&self) -> EncryptAlgorithm {
        match self.algorithm {
            Cipher::Des => EncryptAlgorithm::Des64Cbc,
            Cipher::TripleDes => EncryptAlgorithm::TripleDes192Cbc,
            Cipher::Aes128 => EncryptAlgorithm::Aes128Cbc,
            Cipher::Aes256 => EncryptAlgorithm::Aes256Cbc,
        }
    }

    fn form(&self) -> FileForm {
        FileForm {
            iv: match self.iv {
                Iv::Prepended => IvSource::Prepended,
                Iv::Zero => IvSource::Zero,
                Iv::KeyObject => IvSource::KeyObject,
            },
            padding: match self.padding {
                Pad::ZeroFill => Padding::ZeroFill,
                Pad::Pkcs7 => Padding::Pkcs7,
                Pad::Residual => Padding::Residual,
            },
        }
    }

    /// The key in a file: octets of the key's length as they stand, else hexadecimal digits.
    fn key(&self, path: &Path) -> Result<FileKey, CliError> {
        let algorithm = self.algorithm();
        let iv = match self.iv {
            Iv::KeyObject => algorithm.block_len(),
            _ => 0,
        };
        let length = algorithm.key_len() + iv;
        let content = Zeroizing::new(input::content(path)?);
        let text = std::str::from_utf8(&content).unwrap_or_default();
        let digits: Zeroizing<String> = Zeroizing::new(text.split_whitespace().collect());
        let spelt = unhex(&digits)
            .map(Zeroizing::new)
            .filter(|octets| octets.len() == length);
        let octets = match (spelt, content.len() == length) {
            (Some(octets), _) => octets,
            (None, true) => content,
            (None, false) => {
                return Err(CliError::Wrong(format!(
                    "{}: {algorithm} takes a key of {} octets{}, bare or in hexadecimal",
                    path.display(),
                    algorithm.key_len(),
                    if iv > 0 {
                        format!(" and {iv} of IV after it")
                    } else {
                        String::new()
                    },
                )));
            }
        };
        Ok(FileKey::from_material(algorithm, &Secret::from(octets.as_slice())))
    }
}

/// Runs `hardline config encrypt`.
///
/// # Errors
/// [`CliError`].
pub fn encrypt(args: &EncryptArgs, as_json: bool) -> Result<(), CliError> {
    let plain = input::octets(&args.file)?;
    // What a device cannot read in clear it cannot read decrypted.
    if FileKind::of(&plain) == FileKind::Device {
        DeviceFile::decode(&plain).map_err(|error| CliError::file(&args.file, error))?;
    } else {
        return Err(CliError::file(
            &args.file,
            "it is no device file, which begins with FE 01 01",
        ));
    }
    let form = args.form.form();
    let key = match (&args.key_file, &args.new_key_file) {
        (Some(path), _) => args.form.key(path)?,
        (None, Some(path)) => {
            let key = FileKey::generate(args.form.algorithm(), form.iv, &mut OsRandom);
            let digits = Zeroizing::new(hex(key.material().expose()));
            pki::write(path, digits.as_bytes(), 0o600)?;
            key
        }
        (None, None) => {
            return Err(CliError::Wrong(
                "give a key by --key-file, or --new-key-file".to_owned(),
            ));
        }
    };
    let delivered = cipher::encrypt(&plain, &key, form, &mut OsRandom);
    let delivered = delivered.map_err(|error| CliError::file(&args.file, error))?;
    input::write(&args.output, &delivered)?;
    say(&args.output, &delivered, as_json)
}

/// Runs `hardline config decrypt`.
///
/// # Errors
/// [`CliError`].
pub fn decrypt(args: &DecryptArgs, as_json: bool) -> Result<(), CliError> {
    let delivered = input::content(&args.file)?;
    let key = args.form.key(&args.key_file)?;
    let plain = cipher::decrypt(&delivered, &key, args.form.form());
    let mut plain = plain.map_err(|error| CliError::file(&args.file, error))?;
    let wrong = |reason: &dyn std::fmt::Display| {
        let remedy = "the key, the cipher or the form may be another";
        CliError::file(
            &args.file,
            format!("what was decrypted is no device file ({reason}): {remedy}"),
        )
    };
    if FileKind::of(&plain) != FileKind::Device {
        return Err(wrong(&"it does not begin with FE 01 01"));
    }
    let file = DeviceFile::decode(&plain).map_err(|error| wrong(&error))?;
    // The fill of the last block is no part of the file.
    if file.trailing.iter().all(|&octet| octet == 0) {
        plain.truncate(plain.len() - file.trailing.len());
    }
    input::write(&args.output, &plain)?;
    say(&args.output, &plain, as_json)
}

fn say(to: &Path, octets: &[u8], as_json: bool) -> Result<(), CliError> {
    if to.as_os_str() == "-" {
        return Ok(());
    }
    let hash = hex(FileHash::of(octets, HashAlgorithm::Sha1).octets());
    if as_json {
        return output::print_json(&json!({"file": to, "octets": octets.len(), "sha1": hash}));
    }
    output::print(&format!("{}: {} octets, SHA-1 {hash}\n", to.display(), octets.len()))
}
