//! Encryption of files for the secure flow (profile P22 and P24; fact sheet security §6).

use aes::{Aes128, Aes256};
use cbc::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit,
};
use cbc::{Decryptor, Encryptor};
use des::{Des, TdesEde3};

use super::hash::{FileHash, HashAlgorithm, Hasher};
use super::key::FileKey;
use crate::value::Random;

/// `pktcMtaDevProvConfigEncryptAlg` (RFC 4682; fact sheet provisioning §2.3, CERTAIN).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncryptAlgorithm {
    /// 0: the file is clear.
    None,
    /// 1, `des64CbcMode`: the one algorithm of the CableLabs and Euro MIBs.
    Des64Cbc,
    /// 2, `t3Des192CbcMode`.
    TripleDes192Cbc,
    /// 3, `aes128CbcMode`: the default where the device's MIB has the object (P24).
    #[default]
    Aes128Cbc,
    /// 4, `aes256CbcMode`.
    Aes256Cbc,
}

impl std::fmt::Display for EncryptAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Des64Cbc => "DES-CBC",
            Self::TripleDes192Cbc => "3DES-CBC",
            Self::Aes128Cbc => "AES-128-CBC",
            Self::Aes256Cbc => "AES-256-CBC",
        })
    }
}

impl EncryptAlgorithm {
    /// Every algorithm, in the order of its number.
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::Des64Cbc,
        Self::TripleDes192Cbc,
        Self::Aes128Cbc,
        Self::Aes256Cbc,
    ];

    /// The value of the MIB object.
    pub fn number(self) -> i32 {
        match self {
            Self::None => 0,
            Self::Des64Cbc => 1,
            Self::TripleDes192Cbc => 2,
            Self::Aes128Cbc => 3,
            Self::Aes256Cbc => 4,
        }
    }

    /// The algorithm of a value of the MIB object.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.number() == number)
    }

    /// The length of the key, in octets.
    pub fn key_len(self) -> usize {
        match self {
            Self::None => 0,
            Self::Des64Cbc => 8,
            Self::TripleDes192Cbc => 24,
            Self::Aes128Cbc => 16,
            Self::Aes256Cbc => 32,
        }
    }

    /// The length of a cipher block and so of an IV, in octets; 1 where there is no cipher.
    pub fn block_len(self) -> usize {
        match self {
            Self::None => 1,
            Self::Des64Cbc | Self::TripleDes192Cbc => 8,
            Self::Aes128Cbc | Self::Aes256Cbc => 16,
        }
    }
}

/// Where the IV of CBC comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IvSource {
    /// Random, one block, before the ciphertext.
    #[default]
    Prepended,
    /// Zero octets.
    Zero,
    /// The octets after the key in the key object.
    KeyObject,
}

/// What becomes of a last block that the plaintext does not fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// Zero octets fill it; a full one gets none. The end delimiter tells the reader where to stop.
    #[default]
    ZeroFill,
    /// Each octet of the pad is its length; a full block gets a whole block of pad (RFC 5652 §6.3).
    Pkcs7,
    /// Residual block termination, as DOCSIS baseline privacy has it: the last octets are combined with the
    /// encryption of the ciphertext block before them, and the length stays.
    Residual,
}

/// How a file is encrypted: one of the choices that profile P22 carries as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FileForm {
    /// Where the IV comes from.
    pub iv: IvSource,
    /// What fills the last block.
    pub padding: Padding,
}

/// Why a file cannot be encrypted or decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// The key's length is not the algorithm's.
    #[error("the key has {found} octets, and {algorithm:?} takes {}", .algorithm.key_len())]
    KeyLength {
        /// The algorithm.
        algorithm: EncryptAlgorithm,
        /// The key's length, in octets.
        found: usize,
    },
    /// The form takes the IV from the key object, and that holds none.
    #[error("the key object holds no IV of {0} octets")]
    NoIv(usize),
    /// The ciphertext is shorter than its IV, or no multiple of the block.
    #[error("{found} octets are no ciphertext in blocks of {block} octets")]
    Length {
        /// The length of what was given, in octets.
        found: usize,
        /// The cipher's block, in octets.
        block: usize,
    },
    /// The pad is wrong: most often the key is.
    #[error("the last block's pad is wrong")]
    Pad,
}

/// The longest cipher block, in octets.
const LONGEST_BLOCK: usize = 16;
/// Encrypted and hashed at once in pieces of this many octets, a multiple of every block: each is hashed while it is
/// still in the cache, and while the processor goes on with the next.
const PIECE: usize = 256;

/// Encrypts a file's octets; with [`EncryptAlgorithm::None`] gives them back.
///
/// # Errors
/// [`CipherError::KeyLength`], [`CipherError::NoIv`].
pub fn encrypt(plain: &[u8], key: &FileKey, form: FileForm, random: &mut dyn Random) -> Result<Vec<u8>, CipherError> {
    encrypt_to(plain, key, form, random, |_| {})
}

/// Encrypts a file's octets as [`encrypt`] does, and computes the hash over the result in the same pass (profile P21).
///
/// # Errors
/// As [`encrypt`].
pub fn encrypt_and_hash(
    plain: &[u8],
    key: &FileKey,
    form: FileForm,
    random: &mut dyn Random,
    algorithm: HashAlgorithm,
) -> Result<(Vec<u8>, FileHash), CipherError> {
    let mut hasher = Hasher::new(algorithm);
    let delivered = encrypt_to(plain, key, form, random, |octets| hasher.update(octets))?;
    Ok((delivered, hasher.finish()))
}

/// Encrypts; `done` is told every piece of the result in order.
fn encrypt_to(
    plain: &[u8],
    key: &FileKey,
    form: FileForm,
    random: &mut dyn Random,
    mut done: impl FnMut(&[u8]),
) -> Result<Vec<u8>, CipherError> {
    let block = key.algorithm().block_len();
    if key.algorithm() == EncryptAlgorithm::None {
        done(plain);
        return Ok(plain.to_vec());
    }
    let mut longest = [0; LONGEST_BLOCK];
    let iv = longest.get_mut(..block).unwrap_or_default();
    match form.iv {
        IvSource::Prepended => random.fill(iv),
        IvSource::Zero => {}
        IvSource::KeyObject => {
            let given = key
                .iv()
                .filter(|given| given.len() == block)
                .ok_or(CipherError::NoIv(block))?;
            iv.copy_from_slice(given);
        }
    }
    let iv = &*iv;
    let lead = if form.iv == IvSource::Prepended { block } else { 0 };
    let mut out = Vec::with_capacity(lead + plain.len() + block);
    out.extend_from_slice(iv.get(..lead).unwrap_or_default());
    done(&out);
    out.extend_from_slice(plain);
    let fill = match form.padding {
        Padding::ZeroFill => (0, (block - plain.len() % block) % block),
        Padding::Pkcs7 => {
            let count = block - plain.len() % block;
            // A block has at most 16 octets.
            (count as u8, count)
        }
        Padding::Residual => (0, 0),
    };
    out.resize(out.len() + fill.1, fill.0);
    let body = &mut out[lead..];
    match key.algorithm() {
        EncryptAlgorithm::None => {}
        EncryptAlgorithm::Des64Cbc => encrypt_cbc::<Des>(key, iv, body, done)?,
        EncryptAlgorithm::TripleDes192Cbc => encrypt_cbc::<TdesEde3>(key, iv, body, done)?,
        EncryptAlgorithm::Aes128Cbc => encrypt_cbc::<Aes128>(key, iv, body, done)?,
        EncryptAlgorithm::Aes256Cbc => encrypt_cbc::<Aes256>(key, iv, body, done)?,
    }
    Ok(out)
}

/// Decrypts what was delivered. With [`Padding::ZeroFill`] the zero octets stay; decoding stops before them.
///
/// # Errors
/// [`CipherError`]. A wrong key is noticed only where the pad says so.
pub fn decrypt(delivered: &[u8], key: &FileKey, form: FileForm) -> Result<Vec<u8>, CipherError> {
    let block = key.algorithm().block_len();
    if key.algorithm() == EncryptAlgorithm::None {
        return Ok(delivered.to_vec());
    }
    let wrong = CipherError::Length {
        found: delivered.len(),
        block,
    };
    let (iv, body) = match form.iv {
        IvSource::Prepended => {
            let (iv, body) = delivered.split_at_checked(block).ok_or_else(|| wrong.clone())?;
            (iv.to_vec(), body)
        }
        IvSource::Zero => (vec![0; block], delivered),
        IvSource::KeyObject => (key.iv().ok_or(CipherError::NoIv(block))?.to_vec(), delivered),
    };
    if form.padding != Padding::Residual && body.len() % block != 0 {
        return Err(wrong);
    }
    let mut plain = body.to_vec();
    match key.algorithm() {
        EncryptAlgorithm::None => {}
        EncryptAlgorithm::Des64Cbc => decrypt_cbc::<Des>(key, &iv, &mut plain)?,
        EncryptAlgorithm::TripleDes192Cbc => decrypt_cbc::<TdesEde3>(key, &iv, &mut plain)?,
        EncryptAlgorithm::Aes128Cbc => decrypt_cbc::<Aes128>(key, &iv, &mut plain)?,
        EncryptAlgorithm::Aes256Cbc => decrypt_cbc::<Aes256>(key, &iv, &mut plain)?,
    }
    if form.padding == Padding::Pkcs7 {
        let count = pkcs7_len(&plain, block).ok_or(CipherError::Pad)?;
        plain.truncate(plain.len() - count);
    }
    Ok(plain)
}

fn pkcs7_len(plain: &[u8], block: usize) -> Option<usize> {
    let &last = plain.last()?;
    let count = usize::from(last);
    let pad = plain.len().checked_sub(count).and_then(|at| plain.get(at..))?;
    (1..=block).contains(&count).then_some(())?;
    pad.iter().all(|&octet| octet == last).then_some(count)
}

fn key_error(key: &FileKey) -> CipherError {
    CipherError::KeyLength {
        algorithm: key.algorithm(),
        found: key.octets().len(),
    }
}

/// CBC in place; octets that fill no block are terminated as a residual block.
fn encrypt_cbc<C: BlockCipherEncrypt + KeyInit>(
    key: &FileKey,
    iv: &[u8],
    body: &mut [u8],
    mut done: impl FnMut(&[u8]),
) -> Result<(), CipherError> {
    let mut mode = Encryptor::<C>::new_from_slices(key.octets().expose(), iv).map_err(|_| key_error(key))?;
    let whole = body.len() - body.len() % iv.len();
    let (blocks, residual) = body.split_at_mut(whole);
    for piece in blocks.chunks_mut(PIECE) {
        let (chunks, _) = Array::slice_as_chunks_mut(piece);
        mode.encrypt_blocks(chunks);
        done(piece);
    }
    if !residual.is_empty() {
        let before = blocks.last_chunk_of(iv.len()).unwrap_or(iv);
        mask_residual::<C>(key, before, residual)?;
        done(residual);
    }
    Ok(())
}

fn decrypt_cbc<C: BlockCipherEncrypt + BlockCipherDecrypt + KeyInit>(
    key: &FileKey,
    iv: &[u8],
    body: &mut [u8],
) -> Result<(), CipherError> {
    let mut mode = Decryptor::<C>::new_from_slices(key.octets().expose(), iv).map_err(|_| key_error(key))?;
    let whole = body.len() - body.len() % iv.len();
    let (blocks, residual) = body.split_at_mut(whole);
    if !residual.is_empty() {
        // The mask comes from the last ciphertext block, so before that is decrypted.
        let before = blocks.last_chunk_of(iv.len()).unwrap_or(iv);
        mask_residual::<C>(key, before, residual)?;
    }
    let (chunks, _) = Array::slice_as_chunks_mut(blocks);
    mode.decrypt_blocks(chunks);
    Ok(())
}

/// Combines fewer octets than a block with the encryption of the ciphertext block (or IV) before them.
fn mask_residual<C: BlockCipherEncrypt + KeyInit>(
    key: &FileKey,
    before: &[u8],
    residual: &mut [u8],
) -> Result<(), CipherError> {
    let cipher = C::new_from_slice(key.octets().expose()).map_err(|_| key_error(key))?;
    let mut mask = Array::try_from(before).map_err(|_| key_error(key))?;
    cipher.encrypt_block(&mut mask);
    residual
        .iter_mut()
        .zip(mask.iter())
        .for_each(|(octet, mask)| *octet ^= mask);
    Ok(())
}

/// The last octets of a slice, where it has so many.
trait LastChunk {
    fn last_chunk_of(&self, count: usize) -> Option<&[u8]>;
}

impl LastChunk for [u8] {
    fn last_chunk_of(&self, count: usize) -> Option<&[u8]> {
        self.len().checked_sub(count).and_then(|at| self.get(at..))
    }
}

#[cfg(test)]
mod tests;
