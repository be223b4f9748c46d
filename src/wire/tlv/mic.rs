//! The message integrity checks of a cable modem's file (fact sheet provisioning §8; MULPI 3.1 Annex D.2).
//!
//! The file's settings are followed by TLV 6, TLV 7, `FF` and zero octets up to a multiple of four:
//!
//! - TLV 6, the CM MIC, is the MD5 of every octet before it. The modem checks it.
//! - TLV 7, the CMTS MIC, is an HMAC-MD5 with a shared secret over some of the TLVs, in an order of their types and
//!   within one type in the order of the file. The CMTS checks it against what the modem registers with.
//! - TLV 43.6 asks for an extended CMTS MIC over the TLVs whose bits are set in 43.6.2, in the order of the file. Its
//!   digest stands in 43.6.3, which counts as zero octets then, or where that is absent in TLV 7.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use super::decode::{Span, Spans};
use super::error::{DecodeError, EncodeError};
use super::kind::FileKind;
use super::secret::{SharedSecret, SharedSecrets};
use super::tree::{Body, ConfigFile, END_OF_DATA, GENERAL, PAD, Tlv};

/// TLV 6.
pub(super) const CM_MIC: u8 = 6;
/// TLV 7.
pub(super) const CMTS_MIC: u8 = 7;
const EXTENSION: u8 = 43;
/// An MD5 digest, in octets.
const DIGEST: usize = 16;

/// Which TLVs the CMTS MIC covers, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CmtsMicList {
    /// That of DOCSIS 1.1 and 2.0, and of the `docsis` encoder: with TLVs 4 and 26, without TLV 59.
    #[default]
    Docsis,
    /// That of MULPI 3.0 and later: without TLVs 4 and 26; TLV 59 in the place of TLV 20 where the modem has IPv6.
    Mulpi,
}

impl CmtsMicList {
    /// Every list.
    pub const ALL: [Self; 2] = [Self::Docsis, Self::Mulpi];

    /// The types in order.
    pub fn types(self) -> &'static [u8] {
        match self {
            Self::Docsis => &[
                1, 2, 3, 4, 17, 43, 6, 18, 19, 20, 22, 23, 24, 25, 28, 29, 26, 35, 36, 37, 40,
            ],
            Self::Mulpi => &[
                1, 2, 3, 17, 43, 6, 18, 19, 20, 59, 22, 23, 24, 25, 28, 29, 35, 36, 37, 40,
            ],
        }
    }

    /// The name in settings and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docsis => "docsis",
            Self::Mulpi => "mulpi",
        }
    }
}

/// What an extended CMTS MIC covers, and where its digest stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedMic {
    /// Whether the digest stands in 43.6.3, and TLV 7 holds the plain CMTS MIC beside it; else TLV 7 holds it.
    pub explicit: bool,
    /// The types of the TLVs that it covers.
    pub covers: Vec<u8>,
}

/// The number of HMAC-MD5 in 43.6.1, the one extended MIC that is computed here.
const HMAC_MD5: u8 = 1;

/// Why the MICs of a file cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MicError {
    /// The octets are no row of TLVs.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The file cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A device file has no MICs.
    #[error("a device file has no MIC: a hash in the file or by SNMP stands for its integrity")]
    DeviceFile,
    /// The extended MIC is of a kind that is not computed here.
    #[error("TLV 43.6.1: extended CMTS MIC of type {0}; only type 1, HMAC-MD5, can be computed")]
    Kind(u8),
    /// The bitmap asks for what the digest itself changes.
    #[error("TLV 43.6.2: an extended CMTS MIC in {digest} cannot cover TLV {covered}, which depends on it")]
    Circular {
        /// Where its digest stands.
        digest: &'static str,
        /// The TLV that the bitmap names.
        covered: u8,
    },
    /// There is no secret for the CMTS MIC.
    #[error("the CMTS MIC needs a shared secret")]
    NoSecret,
}

/// What a file says of its integrity, against what it should say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MicReport {
    /// TLV 6; `None` where it is missing.
    pub cm: Option<bool>,
    /// TLV 7; `None` where it is missing.
    pub cmts: Option<CmtsVerdict>,
    /// The explicit digest of an extended MIC; `None` where there is none.
    pub extended: Option<CmtsVerdict>,
}

/// Which secret gives the digest that a file has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CmtsVerdict {
    /// This one.
    Match {
        /// The CMTS whose secret it is.
        cmts: String,
        /// The secret's label.
        label: String,
        /// The list of TLVs by which it is one; `None` for an extended MIC.
        list: Option<CmtsMicList>,
    },
    /// None of those that were tried.
    Mismatch,
    /// No secret was there to try.
    Untried,
    /// It is of a kind that is not computed here.
    Unknown(MicError),
}

impl CmtsVerdict {
    /// Whether a secret gave the digest.
    pub fn is_match(&self) -> bool {
        matches!(self, Self::Match { .. })
    }
}

/// The CM MIC of a file whose octets before TLV 6 are `settings`.
pub fn cm_mic(settings: &[u8]) -> [u8; DIGEST] {
    Md5::digest(settings).into()
}

/// Ends a file: `settings` are the octets of its settings, to which TLVs 6 and 7, `FF` and the pad are appended. An
/// extended MIC that the settings ask for by a TLV 43.6 is computed: an explicit digest is written into its place.
///
/// # Errors
/// [`MicError`].
pub fn seal(settings: &mut Vec<u8>, secret: &SharedSecret, list: CmtsMicList) -> Result<(), MicError> {
    settings.reserve(2 * (2 + DIGEST) + 4);
    let asked = find_extended(&spans(settings)?);
    if let Some(asked) = &asked
        && let Some(at) = asked.digest
    {
        asked.computable()?;
        let digest = extended_mic(settings, asked, secret)?;
        let place = settings.get_mut(at..at + DIGEST).into_iter().flatten();
        place.zip(digest).for_each(|(octet, value)| *octet = value);
    }
    let digest = cm_mic(settings);
    settings.extend_from_slice(&[CM_MIC, DIGEST as u8]);
    settings.extend_from_slice(&digest);
    let digest = match asked.filter(|asked| !asked.explicit) {
        Some(asked) => {
            asked.computable()?;
            extended_mic(settings, &asked, secret)?
        }
        None => cmts_mic(&spans(settings)?, secret, list),
    };
    settings.extend_from_slice(&[CMTS_MIC, DIGEST as u8]);
    settings.extend_from_slice(&digest);
    end(settings);
    Ok(())
}

/// The end mark, and the pad up to a multiple of four octets.
fn end(octets: &mut Vec<u8>) {
    octets.push(END_OF_DATA);
    octets.resize(octets.len().next_multiple_of(4), PAD);
}

fn spans(octets: &[u8]) -> Result<Vec<Span<'_>>, DecodeError> {
    let mut all = Vec::with_capacity(octets.len() / 8 + 4);
    for span in Spans::new(FileKind::CableModem, octets) {
        all.push(span?);
    }
    Ok(all)
}

fn hmac(secret: &SharedSecret) -> Hmac<Md5> {
    Hmac::<Md5>::new_from_slice(secret.expose()).expect("HMAC takes a key of any length")
}

fn cmts_mic(spans: &[Span<'_>], secret: &SharedSecret, list: CmtsMicList) -> [u8; DIGEST] {
    // Of hundreds of TLVs few are covered: TLV 11 is not.
    let types = list.types();
    let covered: Vec<_> = spans.iter().filter(|span| types.contains(&span.kind)).collect();
    let mut mac = hmac(secret);
    for &kind in types {
        for span in covered.iter().filter(|span| span.kind == kind) {
            mac.update(span.whole);
        }
    }
    mac.finalize().into_bytes().into()
}

/// An extended MIC that a file asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    kind: u8,
    bitmap: Vec<u8>,
    /// Whether there is a place for an explicit digest.
    explicit: bool,
    /// Where the octets of the explicit digest stand in the file, where they are as many as it has.
    digest: Option<usize>,
}

impl Asked {
    fn covers(&self, kind: u8) -> bool {
        let octet = self.bitmap.get(usize::from(kind / 8)).copied().unwrap_or_default();
        octet & (0x80 >> (kind % 8)) != 0
    }

    fn computable(&self) -> Result<(), MicError> {
        if self.kind != HMAC_MD5 {
            return Err(MicError::Kind(self.kind));
        }
        let (digest, depends): (_, &[u8]) = match self.explicit {
            true => ("43.6.3", &[CM_MIC, CMTS_MIC]),
            false => ("TLV 7", &[CMTS_MIC]),
        };
        match depends.iter().find(|&&kind| self.covers(kind)) {
            Some(&covered) => Err(MicError::Circular { digest, covered }),
            None => Ok(()),
        }
    }
}

/// The TLV 43.6 of a file, under the OUI FF FF FF.
fn find_extended(spans: &[Span<'_>]) -> Option<Asked> {
    spans
        .iter()
        .filter(|span| span.kind == EXTENSION)
        .find_map(|span| asked_in(span.value?, span.offset + 2))
}

fn asked_in(value: &[u8], base: usize) -> Option<Asked> {
    let within = |value, base| settings_of(value, base).collect::<Vec<_>>();
    let settings = within(value, base);
    let general = settings
        .iter()
        .find(|(kind, _, _)| *kind == 8)
        .is_none_or(|(_, oui, _)| *oui == GENERAL);
    let (_, value, base) = *settings.iter().find(|(kind, _, _)| general && *kind == 6)?;
    let settings = within(value, base);
    let get = |wanted| settings.iter().find(|(kind, _, _)| *kind == wanted);
    let (_, kind, _) = get(1)?;
    let (_, bitmap, _) = get(2)?;
    Some(Asked {
        kind: kind.first().copied().unwrap_or_default(),
        bitmap: bitmap.to_vec(),
        explicit: get(3).is_some(),
        // A digest of another length is none that can be filled in or checked.
        digest: get(3)
            .filter(|(_, digest, _)| digest.len() == DIGEST)
            .map(|(_, _, at)| *at),
    })
}

/// The settings in a value that stands at `base` of the file: type, value, and where the value stands.
fn settings_of(mut octets: &[u8], mut base: usize) -> impl Iterator<Item = (u8, &[u8], usize)> {
    std::iter::from_fn(move || {
        let [kind, length, rest @ ..] = octets else { return None };
        let (value, after) = rest.split_at_checked(usize::from(*length))?;
        let at = base + 2;
        base = at + value.len();
        octets = after;
        Some((*kind, value, at))
    })
}

/// The extended MIC over the TLVs of `octets`, its own explicit digest taken as zero.
fn extended_mic(octets: &[u8], asked: &Asked, secret: &SharedSecret) -> Result<[u8; DIGEST], DecodeError> {
    let mut mac = hmac(secret);
    for span in spans(octets)?.into_iter().filter(|span| asked.covers(span.kind)) {
        let end = span.offset + span.whole.len();
        let own = asked.digest.filter(|at| (span.offset..end).contains(at));
        match own {
            None => mac.update(span.whole),
            Some(at) => {
                let (before, after) = (at - span.offset, at - span.offset + DIGEST);
                mac.update(span.whole.get(..before).unwrap_or_default());
                mac.update(&[0; DIGEST]);
                mac.update(span.whole.get(after..).unwrap_or_default());
            }
        }
    }
    Ok(mac.finalize().into_bytes().into())
}

/// Checks the MICs of a cable modem's file: every secret is tried, and by every list of TLVs.
///
/// # Errors
/// [`MicError::Decode`] where the octets are no row of TLVs, [`MicError::DeviceFile`] for a file without MICs.
pub fn verify(file: &[u8], secrets: &SharedSecrets) -> Result<MicReport, MicError> {
    if FileKind::of(file) == FileKind::Device {
        return Err(MicError::DeviceFile);
    }
    let mut spans = Vec::new();
    for span in Spans::new(FileKind::CableModem, file) {
        let span = span?;
        if span.kind == END_OF_DATA {
            break;
        }
        spans.push(span);
    }
    let find = |kind| spans.iter().position(|span| span.kind == kind);
    let value = |at: usize| spans.get(at).and_then(|span| span.value).unwrap_or_default();
    let cm = find(CM_MIC).map(|at| {
        let settings = file.get(..spans.get(at).map_or(0, |span| span.offset));
        cm_mic(settings.unwrap_or_default()).ct_eq(value(at)).into()
    });
    let asked = find_extended(&spans);
    let before_cmts = find(CMTS_MIC).and_then(|at| spans.get(..at)).unwrap_or(&spans);
    let covered = match before_cmts.last() {
        Some(last) => file.get(..last.offset + last.whole.len()).unwrap_or_default(),
        None => &[],
    };
    let extended = |asked: &Asked, found: &[u8]| {
        if let Err(error) = asked.computable() {
            return CmtsVerdict::Unknown(error);
        }
        let settings = match asked.explicit {
            true => find(CM_MIC)
                .and_then(|at| file.get(..spans.get(at)?.offset))
                .unwrap_or(covered),
            false => covered,
        };
        try_secrets(secrets, &[None], |secret, _| {
            extended_mic(settings, asked, secret).is_ok_and(|digest| digest.ct_eq(found).into())
        })
    };
    let cmts = find(CMTS_MIC).map(|at| match asked.as_ref().filter(|asked| !asked.explicit) {
        Some(asked) => extended(asked, value(at)),
        None => try_secrets(secrets, &CmtsMicList::ALL.map(Some), |secret, list| {
            let digest = cmts_mic(before_cmts, secret, list.unwrap_or_default());
            digest.ct_eq(value(at)).into()
        }),
    });
    let explicit = asked.as_ref().and_then(|asked| {
        let at = asked.digest?;
        Some(extended(asked, file.get(at..at + DIGEST).unwrap_or_default()))
    });
    Ok(MicReport {
        cm,
        cmts,
        extended: explicit,
    })
}

fn try_secrets(
    secrets: &SharedSecrets,
    lists: &[Option<CmtsMicList>],
    matches: impl Fn(&SharedSecret, Option<CmtsMicList>) -> bool,
) -> CmtsVerdict {
    if secrets.is_empty() {
        return CmtsVerdict::Untried;
    }
    for (cmts, label, secret) in secrets.iter() {
        for &list in lists {
            if matches(secret, list) {
                return CmtsVerdict::Match {
                    cmts: cmts.to_owned(),
                    label: label.to_owned(),
                    list,
                };
            }
        }
    }
    CmtsVerdict::Mismatch
}

impl ConfigFile {
    /// Where the settings of a cable modem's file end: before its MICs, its end mark or the pads at its end; in a device
    /// file before the end delimiter.
    pub(super) fn settings_end(&self) -> usize {
        let last = self.tlvs.iter().rposition(|tlv| match self.kind {
            FileKind::CableModem => !matches!(tlv.kind, CM_MIC | CMTS_MIC | END_OF_DATA | PAD),
            FileKind::Device => tlv.as_octets() != Some(&[super::file::END]) || tlv.kind != super::file::DELIMITER,
        });
        last.map_or(0, |at| at + 1)
    }

    /// Takes the MICs, the end mark and the pads from a cable modem's file: its settings are left.
    pub fn strip_mics(&mut self) {
        self.tlvs
            .retain(|tlv| !matches!(tlv.kind, CM_MIC | CMTS_MIC) && tlv.body != Body::Mark);
        self.trailing.clear();
    }

    /// The octets of a cable modem's file with its MICs computed, whatever MICs it has now.
    ///
    /// # Errors
    /// [`MicError`].
    pub fn encode_sealed(&self, secret: &SharedSecret, list: CmtsMicList) -> Result<Vec<u8>, MicError> {
        if self.kind == FileKind::Device {
            return Err(MicError::DeviceFile);
        }
        let mut settings = self.clone();
        settings.strip_mics();
        let mut octets = Vec::with_capacity(2048);
        settings.write_tlvs(&mut octets)?;
        seal(&mut octets, secret, list)?;
        Ok(octets)
    }

    /// The octets of a cable modem's file with its CM MIC alone, which needs no secret: a modem takes it, a CMTS that has
    /// a secret does not.
    ///
    /// # Errors
    /// [`MicError`].
    pub fn encode_without_secret(&self) -> Result<Vec<u8>, MicError> {
        if self.kind == FileKind::Device {
            return Err(MicError::DeviceFile);
        }
        let mut settings = self.clone();
        settings.strip_mics();
        let mut octets = Vec::with_capacity(2048);
        settings.write_tlvs(&mut octets)?;
        let digest = cm_mic(&octets);
        octets.extend_from_slice(&[CM_MIC, DIGEST as u8]);
        octets.extend_from_slice(&digest);
        end(&mut octets);
        Ok(octets)
    }

    /// Asks for an extended CMTS MIC: adds its TLV 43 at the end of the settings, instead of one that is there.
    pub fn ask_extended_mic(&mut self, mic: &ExtendedMic) {
        self.tlvs.retain(|tlv| tlv.kind != EXTENSION || tlv.child(6).is_none());
        let at = self.settings_end();
        self.tlvs.insert(at, mic.to_tlv());
    }
}

impl ExtendedMic {
    /// The TLV 43 that asks for it, an explicit digest still zero.
    pub fn to_tlv(&self) -> Tlv {
        let mut bitmap = Vec::new();
        for &kind in &self.covers {
            let at = usize::from(kind / 8);
            if bitmap.len() <= at {
                bitmap.resize(at + 1, 0u8);
            }
            bitmap[at] |= 0x80 >> (kind % 8);
        }
        let mut settings = vec![Tlv::octets(1, [HMAC_MD5]), Tlv::octets(2, bitmap)];
        settings.extend(self.explicit.then(|| Tlv::octets(3, [0; DIGEST])));
        Tlv::group(EXTENSION, vec![Tlv::octets(8, GENERAL), Tlv::group(6, settings)])
    }
}

#[cfg(test)]
mod tests;
