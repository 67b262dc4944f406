//! Secrets: tokens that can be shown once, hashes that can be stored, passwords. The sealer is in [`super::sealer`].

use std::{fmt, sync::Arc, time::Duration};

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use aws_lc_rs::{constant_time, digest, rand};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};
use zeroize::Zeroizing;

use super::error::{Error, Result};
pub use super::{
    master_key::MasterKey,
    sealer::{Sealer, Sealing},
};
pub use crate::config::Secret;

/// Lower-case hex digits of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// SHA-256 of `bytes` as 64 hex digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Whether two texts are equal, in a time that tells nothing about where they differ.
#[must_use]
pub fn same(a: &str, b: &str) -> bool {
    let (a, b) = (digest::digest(&digest::SHA256, a.as_bytes()), digest::digest(&digest::SHA256, b.as_bytes()));
    constant_time::verify_slices_are_equal(a.as_ref(), b.as_ref()).is_ok()
}

/// Bytes from the operating system's random source.
///
/// # Errors
/// When that source fails.
pub fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Error::internal("the random source of the operating system fails"))?;
    Ok(bytes)
}

/// A token in clear. It can be hashed and shown to its owner once, but not stored or logged.
#[derive(Clone)]
pub struct PlainToken(Zeroizing<String>);

impl PlainToken {
    /// 32 random bytes as 64 hex digits.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn generate() -> Result<Self> {
        Ok(Self(Zeroizing::new(hex(&random_bytes::<32>()?))))
    }

    /// A token somebody presents.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// What may be stored and looked up.
    #[must_use]
    pub fn hash(&self) -> HashedToken {
        HashedToken(sha256_hex(self.0.as_bytes()))
    }

    /// Its last four characters, to tell it from others in a list.
    #[must_use]
    pub fn last4(&self) -> String {
        let skip = self.0.chars().count().saturating_sub(4);
        self.0.chars().skip(skip).collect()
    }

    /// The token itself, for the one answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// SHA-256 of a token, 64 hex digits: what the database holds.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HashedToken(String);

impl HashedToken {
    /// The hex digits, for a query.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HashedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hashed]")
    }
}

/// How a token whose end is known is shown in lists: `…a1b2`.
#[must_use]
pub fn masked(last4: &str) -> String {
    format!("…{last4}")
}

/// Hashes and checks passwords with Argon2id (19 MiB, t = 2, p = 1), two at a time at most: a flood of guesses
/// must take neither all memory nor all cores.
#[derive(Clone, Debug)]
pub struct Passwords {
    permits: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(2)) }
    }
}

impl Passwords {
    /// The PHC string of a password.
    ///
    /// # Errors
    /// 429 when two others are being hashed for longer than 2 seconds.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = Zeroizing::new(password.to_owned());
        self.run(move || {
            let hash = Argon2::default().hash_password(password.as_bytes()).map_err(Error::internal)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether the password is the one that was hashed. With no hash the same work is done for nothing, so that an
    /// unknown name takes as long as a known one.
    ///
    /// # Errors
    /// 429 when two others are being checked for longer than 2 seconds.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool> {
        // Argon2id of a random text nobody knows.
        const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bGF0Y2hrZXktbm9ib2R5$\
                              eBkPrjTnzzAEPMMdnlDTMGQFUq7Z3UzbPKjF2cGNgqc";
        let password = Zeroizing::new(password.to_owned());
        let known = hash.is_some();
        let hash = hash.unwrap_or(NOBODY).to_owned();
        self.run(move || Ok(Argon2::default().verify_password(password.as_bytes(), hash.as_str()).is_ok() && known))
            .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let busy = |_| Error::too_many("Too many passwords are being checked at the moment.", 2);
        let permit = timeout(Duration::from_secs(2), Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(busy)?
            .map_err(Error::internal)?;
        let result = spawn_blocking(work).await.map_err(Error::internal)?;
        drop(permit);
        result
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn who_waits_too_long_for_a_password_check_is_told_to_come_back() {
        let passwords = Passwords::default();
        // More than two at a time can work off in two seconds.
        let outcomes = join_all((0..1000).map(|_| passwords.verify("guess", None))).await;
        assert!(outcomes.iter().any(Result::is_ok));
        let refused: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
        assert!(!refused.is_empty() && refused.iter().all(|error| error.status() == 429));
    }
}
