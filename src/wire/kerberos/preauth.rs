//! Pre-authentication by a long-term key (RFC 4120 §5.2.7): the encrypted time, and what a client is told about its keys.

use super::der;
use super::error::KerberosError;
use super::etype::{EncryptionKey, KeyUsage, PadForm};
use super::message::{AuthorizationData, EncryptedData, PA_ENC_TIMESTAMP, PA_ETYPE_INFO2, PaData};
use super::primitive::KerberosString;
use crate::value::{Random, Timestamp};
use rasn::types::OctetString;
use rasn::{AsnType, Decode, Decoder, Encode, Encoder};

const NAME: &str = "PA-ENC-TIMESTAMP";

/// PA-ENC-TS-ENC (RFC 4120 §5.2.7.2): the client's time.
#[derive(Debug, Clone, PartialEq, Eq, AsnType, Decode, Encode)]
pub struct PaEncTsEnc {
    /// Whole seconds.
    #[rasn(tag(explicit(0)))]
    pub patimestamp: Timestamp,
    /// Microseconds of it.
    #[rasn(tag(explicit(1)))]
    pub pausec: Option<i32>,
}

impl PaEncTsEnc {
    /// The time with its microseconds.
    pub fn time(&self) -> Timestamp {
        let micros = self.pausec.and_then(|micros| u64::try_from(micros).ok()).unwrap_or(0);
        self.patimestamp
            .plus(std::time::Duration::from_micros(micros.min(999_999)))
    }

    /// The padata that proves the client's key at `now`. `pad` is the form an etype 5 key writes (profile P14).
    ///
    /// # Errors
    /// [`KerberosError::Crypto`] where the key is of no known type or of the wrong size.
    pub fn seal(
        key: &EncryptionKey,
        now: Timestamp,
        pad: PadForm,
        random: &mut dyn Random,
    ) -> Result<PaData, KerberosError> {
        let part = Self {
            patimestamp: Timestamp::from_unix(now.unix()),
            pausec: Some(now.micros() as i32),
        };
        let sealed = key
            .seal(None, KeyUsage::PA_ENC_TIMESTAMP, &der::encode(&part), pad, random)
            .map_err(KerberosError::crypto(NAME))?;
        Ok(PaData::new(PA_ENC_TIMESTAMP, der::encode(&sealed)))
    }

    /// The EncryptedData of a PA-ENC-TIMESTAMP's value.
    ///
    /// # Errors
    /// [`KerberosError::Der`] where it is something else.
    pub fn sealed(value: &[u8]) -> Result<EncryptedData, KerberosError> {
        der::decode(NAME, value).map_err(KerberosError::der(NAME))
    }

    /// Opens a PA-ENC-TIMESTAMP's EncryptedData; the pad form that matched comes along.
    ///
    /// # Errors
    /// [`KerberosError`] where it does not verify under `key` or does not decode.
    pub fn open(sealed: &EncryptedData, key: &EncryptionKey) -> Result<(Self, Option<PadForm>), KerberosError> {
        let opened = key
            .open(sealed, KeyUsage::PA_ENC_TIMESTAMP)
            .map_err(KerberosError::crypto(NAME))?;
        let part = der::decode(NAME, opened.plaintext.expose()).map_err(KerberosError::der(NAME))?;
        Ok((part, opened.pad))
    }
}

/// ETYPE-INFO2-ENTRY (RFC 4120 §5.2.7.5): one encryption type that the client has a key of. Without a salt the client
/// takes the default one, its realm and name.
#[derive(Debug, Clone, PartialEq, Eq, AsnType, Decode, Encode)]
pub struct EtypeInfo2Entry {
    /// The encryption type's number.
    #[rasn(tag(explicit(0)))]
    pub etype: i32,
    /// The salt.
    #[rasn(tag(explicit(1)))]
    pub salt: Option<KerberosString>,
    /// Parameters of string-to-key.
    #[rasn(tag(explicit(2)))]
    pub s2kparams: Option<OctetString>,
}

impl EtypeInfo2Entry {
    /// PA-ETYPE-INFO2 for keys of these types with the default salt and parameters.
    pub fn padata(etypes: &[i32]) -> PaData {
        let entry = |etype: &i32| Self {
            etype: *etype,
            salt: None,
            s2kparams: None,
        };
        let entries: Vec<Self> = etypes.iter().map(entry).collect();
        PaData::new(PA_ETYPE_INFO2, der::encode(&entries))
    }

    /// Reads the value of a PA-ETYPE-INFO2.
    ///
    /// # Errors
    /// [`KerberosError::Der`] where it is something else.
    pub fn decode_list(value: &[u8]) -> Result<Vec<Self>, KerberosError> {
        der::decode("ETYPE-INFO2", value).map_err(KerberosError::der("PA-ETYPE-INFO2"))
    }
}

impl PaData {
    /// METHOD-DATA (RFC 4120 §5.2.7): a sequence of padata, for e-data.
    pub fn encode_list(list: &[Self]) -> Vec<u8> {
        der::encode(&list.to_vec())
    }

    /// Reads METHOD-DATA.
    ///
    /// # Errors
    /// [`KerberosError::Der`] where it is something else.
    pub fn decode_list(octets: &[u8]) -> Result<Vec<Self>, KerberosError> {
        der::decode("METHOD-DATA", octets).map_err(KerberosError::der("KRB-ERROR e-data"))
    }
}

impl AuthorizationData {
    /// Opens a TGS-REQ's enc-authorization-data (RFC 4120 §5.4.1).
    ///
    /// # Errors
    /// [`KerberosError`] where it does not verify under `key` or does not decode.
    pub fn open_list(sealed: &EncryptedData, key: &EncryptionKey, usage: KeyUsage) -> Result<Vec<Self>, KerberosError> {
        const NAME: &str = "enc-authorization-data";
        let opened = key.open(sealed, usage).map_err(KerberosError::crypto(NAME))?;
        der::decode(NAME, opened.plaintext.expose()).map_err(KerberosError::der(NAME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::SeededRandom;
    use crate::wire::kerberos::EncType;

    #[test]
    fn rfc4120_5_2_7_2_the_time_opens_under_the_same_key_alone() {
        let now = Timestamp(1_800_000_000_123_456);
        for etype in EncType::ALL {
            let (key, other) = (
                etype.generate(&mut SeededRandom::new(1)),
                etype.generate(&mut SeededRandom::new(2)),
            );
            let padata = PaEncTsEnc::seal(&key, now, PadForm::Covered, &mut SeededRandom::new(3)).expect("seals");
            let sealed = PaEncTsEnc::sealed(&padata.padata_value).expect("EncryptedData");
            assert_eq!(PaEncTsEnc::open(&sealed, &key).expect("opens").0.time(), now);
            assert!(PaEncTsEnc::open(&sealed, &other).is_err());
        }
    }

    #[test]
    fn rfc4120_5_2_7_5_etype_info2() {
        let padata = EtypeInfo2Entry::padata(&[18, 5]);
        let list = PaData::decode_list(&PaData::encode_list(std::slice::from_ref(&padata))).expect("METHOD-DATA");
        assert_eq!(list, std::slice::from_ref(&padata));
        let entries = EtypeInfo2Entry::decode_list(&padata.padata_value).expect("ETYPE-INFO2");
        assert_eq!(entries.iter().map(|entry| entry.etype).collect::<Vec<_>>(), [18, 5]);
    }
}
