//! des3-cbc-md5 (5): confounder, MD5, message and zero pad under CBC with IV zero, without key usages (fact sheet
//! security §4.5, CERTAIN; the pad forms are profile P14 and P39).

use super::derive::n_fold;
use super::{CryptoError, Opened, PadForm, des3, same, without_pad};
use crate::value::Secret;
use md5::{Digest, Md5};
use zeroize::Zeroizing;

const CONFOUNDER: usize = 8;
const BODY: usize = CONFOUNDER + 16;

/// MD5 over the confounder, sixteen zero octets in the checksum's place, and `message`.
fn checksum(confounder: &[u8], message: &[u8]) -> [u8; 16] {
    Md5::new()
        .chain_update(confounder)
        .chain_update([0; 16])
        .chain_update(message)
        .finalize()
        .into()
}

/// `None` where the key has not 24 octets.
pub(super) fn encrypt(key: &[u8], confounder: &[u8; CONFOUNDER], message: &[u8], pad: PadForm) -> Option<Vec<u8>> {
    let padded = message.len().next_multiple_of(8);
    let mut data = Vec::with_capacity(BODY + padded);
    data.extend_from_slice(confounder);
    data.extend_from_slice(&[0; 16]);
    data.extend_from_slice(message);
    data.resize(BODY + padded, 0);
    let covered = match pad {
        PadForm::Uncovered => message.len(),
        PadForm::Covered => padded,
    };
    let sum = checksum(confounder, data.get(BODY..BODY + covered)?);
    data.get_mut(CONFOUNDER..BODY)?.copy_from_slice(&sum);
    des3::cbc_encrypt(key, &mut data)?;
    Some(data)
}

/// Tries the checksum without pad and with each number of zero octets that the end could be pad of; how many octets
/// the matching checksum leaves out tells the pad form.
pub(super) fn decrypt(key: &[u8], ciphertext: &[u8]) -> Result<Opened, CryptoError> {
    let wrong_length = CryptoError::CiphertextLength(ciphertext.len());
    if ciphertext.len() < BODY {
        return Err(wrong_length);
    }
    let mut data = Zeroizing::new(ciphertext.to_vec());
    des3::cbc_decrypt(key, &mut data).ok_or(wrong_length)?;
    let (head, body) = data.split_at(BODY);
    let (confounder, sum) = head.split_at(CONFOUNDER);
    let zeros = body.iter().rev().take(7).take_while(|octet| **octet == 0).count();
    for left_out in 0..=zeros {
        let covered = body.get(..body.len() - left_out).unwrap_or_default();
        if !same(&checksum(confounder, covered), sum) {
            continue;
        }
        let message = without_pad(covered);
        let pad = match (left_out, covered.len() - message.len()) {
            (0, 0) => None,
            (0, _) => Some(PadForm::Covered),
            _ => Some(PadForm::Uncovered),
        };
        return Ok(Opened {
            plaintext: Secret::from(message),
            pad,
        });
    }
    Err(CryptoError::Integrity)
}

/// String-to-key of the drafts before RFC 3961, as Heimdal has it: the folded password and salt are the key that they are
/// then encrypted with, IV zero.
pub(super) fn string_to_key(password: &[u8], salt: &[u8]) -> Option<Secret> {
    let text = Zeroizing::new([password, salt].concat());
    let mut folded = Zeroizing::new(n_fold(&text, 24));
    let mut key = folded.clone();
    des3::parity(&mut key);
    des3::cbc_encrypt(&key, &mut folded)?;
    des3::parity(&mut folded);
    Some(Secret::from(folded.as_slice()))
}
