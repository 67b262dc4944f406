//! AES-256-GCM, and the master key: it seals data keys and nothing else.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    error::{Error, Result},
    secret::random_bytes,
};
use crate::config::Secret;

/// What data keys are sealed for.
const DATA_KEY: &str = "data-key";

/// A 256-bit AES-GCM key. Cheap to clone.
#[derive(Clone)]
pub(super) struct Key(Arc<LessSafeKey>);

impl Key {
    pub(super) fn new(bytes: &[u8]) -> Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| Error::internal("a key is not 32 bytes long"))?;
        Ok(Self(Arc::new(LessSafeKey::new(key))))
    }

    /// Nonce and box, in base64. 96-bit random nonces are safe for 2^32 boxes of one key (NIST SP 800-38D §8.3).
    pub(super) fn seal(&self, purpose: &str, plain: &[u8]) -> Result<String> {
        let nonce = random_bytes::<NONCE_LEN>()?;
        let mut sealed = plain.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(purpose.as_bytes()), &mut sealed)
            .map_err(|_| Error::internal("sealing failed"))?;
        let mut whole = nonce.to_vec();
        whole.extend_from_slice(&sealed);
        Ok(STANDARD.encode(whole))
    }

    pub(super) fn open(&self, purpose: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let whole = STANDARD.decode(sealed).ok()?;
        let (nonce, boxed) = whole.split_first_chunk::<NONCE_LEN>()?;
        let mut plain = Zeroizing::new(boxed.to_vec());
        let aad = Aad::from(purpose.as_bytes());
        let length = self.0.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

/// The master key of `security.master_key`. Cheap to clone.
#[derive(Clone)]
pub struct MasterKey(Key);

impl MasterKey {
    /// From 64 hex digits or standard base64 of 32 bytes.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self> {
        let bytes = Secret::new(text).key_bytes();
        Ok(Self(Key::new(bytes.as_ref().map_or(&[], |bytes| bytes.as_slice()))?))
    }

    /// A new data key in its box.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn new_data_key(&self) -> Result<String> {
        let key = Zeroizing::new(random_bytes::<32>()?);
        self.0.seal(DATA_KEY, key.as_slice())
    }

    /// A data key in a box of this master key, out of the box of another one.
    ///
    /// # Errors
    /// When the box is not of `old`, or the random source fails.
    pub fn take_over(&self, old: &Self, sealed_key: &str) -> Result<String> {
        self.0.seal(DATA_KEY, &old.data_key(sealed_key)?)
    }

    /// The data key in a box.
    pub(super) fn open(&self, sealed_key: &str) -> Result<Key> {
        Key::new(&self.data_key(sealed_key)?)
    }

    fn data_key(&self, sealed_key: &str) -> Result<Zeroizing<Vec<u8>>> {
        self.0.open(DATA_KEY, sealed_key).ok_or_else(|| Error::internal("the master key is a wrong one"))
    }
}
