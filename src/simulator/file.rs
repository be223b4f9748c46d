//! What a device makes of the file that it fetched (step eUE-23).

use super::agent::Instruction;
use crate::mib::{MibDialect, Names};
use crate::wire::snmp::ProvisioningState;
use crate::wire::tlv::told_by;
use crate::wire::tlv::{
    CipherError, DecodeError, DeviceFile, FileFlow, FileForm, Finding, Requirements, Severity, check_device_file,
    cipher,
};

/// Why a device rejects its file.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// The hash of the SET is not that of the delivered octets (profile P21).
    #[error("the file's hash is not the one of the SET")]
    Hash,
    /// The file cannot be decrypted.
    #[error("decryption: {0}")]
    Cipher(#[from] CipherError),
    /// The file's TLVs cannot be read.
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// A clear file goes on after its end: only a cipher block is filled (profile P22).
    #[error("{0} octets follow the end of a clear file")]
    Trailing(usize),
    /// The file breaks a rule for which it must be rejected; the first of them.
    #[error("the file is refused: {0}")]
    Finding(Finding),
}

/// What the device decided about its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it reports: pass, or passWithWarnings.
    pub state: ProvisioningState,
    /// A line for the run's report.
    pub detail: String,
    /// Where it is told to bootstrap.
    pub bootstrap: Option<String>,
}

/// What the file must agree with.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a>(Requirements<'a>);

impl<'a> Expectation<'a> {
    /// For secure flow: the realm of DHCP and the organisation of the KDC's certificate (seed 003 §6.4.2.1).
    pub fn secure(dialect: MibDialect, realm: &'a str, organisation: &'a str) -> Self {
        let (realm, organisation) = (Some(realm), Some(organisation));
        Self(Requirements {
            flow: FileFlow::Secure,
            dialect,
            realm,
            organisation,
        })
    }

    /// For hybrid flow.
    pub fn hybrid(dialect: MibDialect) -> Self {
        Self(Requirements {
            flow: FileFlow::Hybrid,
            dialect,
            realm: None,
            organisation: None,
        })
    }

    /// For basic flow, whose file carries its own hash.
    pub fn basic(dialect: MibDialect) -> Self {
        Self(Requirements {
            flow: FileFlow::Basic,
            dialect,
            realm: None,
            organisation: None,
        })
    }
}

/// Judges a file whose hash and key came by SET: the hash over what was delivered, then decryption, then every TLV.
///
/// # Errors
/// [`FileFault`].
pub fn judge(
    delivered: &[u8],
    instruction: &Instruction,
    expectation: Expectation<'_>,
    form: FileForm,
) -> Result<Verdict, FileFault> {
    if !instruction.hash.verify(delivered) {
        return Err(FileFault::Hash);
    }
    let Some(key) = &instruction.key else {
        return judge_clear(delivered, expectation);
    };
    let plain = cipher::decrypt(delivered, key, form)?;
    check(
        &DeviceFile::decode(&plain)?,
        delivered.len(),
        &format!("{:?}", key.algorithm()),
        expectation,
    )
}

/// Judges a file that is not encrypted; in basic flow this includes its hash.
///
/// # Errors
/// [`FileFault`].
pub fn judge_clear(delivered: &[u8], expectation: Expectation<'_>) -> Result<Verdict, FileFault> {
    let file = DeviceFile::decode(delivered)?;
    if !file.trailing.is_empty() {
        return Err(FileFault::Trailing(file.trailing.len()));
    }
    check(&file, delivered.len(), "clear", expectation)
}

fn check(file: &DeviceFile, octets: usize, how: &str, expectation: Expectation<'_>) -> Result<Verdict, FileFault> {
    let findings = check_device_file(file, expectation.0, Names::embedded());
    let (errors, warnings): (Vec<_>, Vec<_>) = findings
        .into_iter()
        .filter(concerns_a_device)
        .partition(|finding| finding.severity() == Severity::Error);
    if let Some(error) = errors.into_iter().next() {
        return Err(FileFault::Finding(error));
    }
    let mut detail = format!("{octets} octets, {how}, {} objects", file.varbinds().count());
    let mut state = ProvisioningState::Pass;
    if let Some(warning) = warnings.first() {
        state = ProvisioningState::PassWithWarnings;
        detail.push_str(&format!(", {} warnings: {warning}", warnings.len()));
    }
    Ok(Verdict {
        state,
        detail,
        bootstrap: told_by(file),
    })
}

/// Whether a device would notice: what is merely unwise is the operator's to see.
fn concerns_a_device(finding: &Finding) -> bool {
    !matches!(finding, Finding::LongWithoutNeed(_) | Finding::SecretInClear(..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mib::dialect::oid;
    use crate::value::{Oid, Realm, Secret, SeededRandom};
    use crate::wire::snmp::{Value, VarBind};
    use crate::wire::tlv::{Element, EncryptAlgorithm, FileHash, FileKey, HashAlgorithm, realm_row};

    const DIALECT: MibDialect = MibDialect::Ietf;
    const REALM: &str = "PKTC.EXAMPLE.NET";

    fn file() -> DeviceFile {
        let mut file = DeviceFile {
            elements: vec![Element::Start, Element::End],
            trailing: Vec::new(),
        };
        file.push(Element::varbind(VarBind::new(
            oid(DIALECT.oids().enabled),
            Value::Integer(1),
        )));
        for varbind in realm_row(DIALECT, &REALM.parse::<Realm>().unwrap(), "Example Operator") {
            file.push(Element::varbind(varbind));
        }
        file
    }

    fn told(delivered: &[u8], key: Option<FileKey>) -> Instruction {
        let hash = FileHash::of(delivered, HashAlgorithm::Sha1);
        Instruction {
            url: "tftp://192.0.2.1/f".parse().unwrap(),
            hash,
            key,
        }
    }

    #[test]
    fn seed003_eue23_hash_then_decryption_then_contents() {
        let form = FileForm::default();
        let key = FileKey::new(EncryptAlgorithm::Aes128Cbc, Secret::new(vec![5; 16]));
        let plain = file().encode().unwrap();
        let mut delivered = cipher::encrypt(&plain, &key, form, &mut SeededRandom::new(1)).unwrap();
        let instruction = told(&delivered, Some(key));
        let ours = Expectation::secure(DIALECT, REALM, "Example Operator");
        let verdict = judge(&delivered, &instruction, ours, form).unwrap();
        assert_eq!(verdict.state, ProvisioningState::Pass, "{}", verdict.detail);
        let theirs = Expectation::secure(DIALECT, REALM, "Another Operator");
        let refused = judge(&delivered, &instruction, theirs, form);
        assert!(
            matches!(refused, Err(FileFault::Finding(Finding::OtherOrganisation { .. }))),
            "{refused:?}"
        );
        delivered[20] ^= 1;
        assert!(matches!(
            judge(&delivered, &instruction, ours, form),
            Err(FileFault::Hash)
        ));
    }

    #[test]
    fn p22_only_an_encrypted_file_is_filled() {
        let mut delivered = file().encode().unwrap();
        let hybrid = Expectation::hybrid(DIALECT);
        assert!(judge(&delivered, &told(&delivered, None), hybrid, FileForm::default()).is_ok());
        delivered.push(0);
        let refused = judge(&delivered, &told(&delivered, None), hybrid, FileForm::default());
        assert!(matches!(refused, Err(FileFault::Trailing(1))), "{refused:?}");
    }

    #[test]
    fn an_unknown_object_is_a_warning() {
        let mut file = file();
        let name: Oid = "1.3.6.1.4.1.99999.1.0".parse().unwrap();
        file.push(Element::varbind(VarBind::new(name, Value::Integer(1))));
        file.insert_basic_flow_hash(DIALECT, HashAlgorithm::Sha1).unwrap();
        let verdict = judge_clear(&file.encode().unwrap(), Expectation::basic(DIALECT)).unwrap();
        assert_eq!(verdict.state, ProvisioningState::PassWithWarnings);
        assert!(verdict.detail.contains("1 warnings"), "{}", verdict.detail);
    }
}
