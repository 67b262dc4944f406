//! `security`: encryption at rest and the guards of the service's own addresses.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Secret;
use super::kind::Kind;
use super::table::Key;

/// Encryption and guards.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Security {
    /// The key that encrypts stored credentials: 32 bytes as 64 hex digits or padded standard base64.
    /// Generated at the first start when empty.
    pub master_key: Secret,
    /// Whether addresses entered at run time may lead into private networks. Default false.
    pub allow_private_targets: bool,
    /// Bearer token that `/metrics` asks for. Default none.
    pub metrics_token: Secret,
}

impl Security {
    /// The bytes of `master_key`; `None` when it is empty. A loaded configuration holds no other kind.
    pub fn master_key_bytes(&self) -> Option<Zeroizing<[u8; 32]>> {
        self.master_key.key_bytes()
    }
}

/// Exactly 32 bytes, as 64 hex digits or as standard base64 with padding (RFC 4648 section 4).
pub(super) fn decode_key(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        return Some(key);
    }
    let bytes = Zeroizing::new(BASE64_STANDARD.decode(text).ok()?);
    (bytes.len() == key.len()).then(|| {
        key.copy_from_slice(&bytes);
        key
    })
}

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "security.master_key",
        Kind::Secret,
        "\"\"",
        "Encrypts stored credentials: 32 bytes as 64 hex digits or base64; generated at the first start when empty.",
    ),
    Key::new(
        "security.allow_private_targets",
        Kind::Bool,
        "false",
        "Allow providers, proxies, sinks and webhooks on private addresses; for development and closed networks.",
    ),
    Key::new(
        "security.metrics_token",
        Kind::Secret,
        "\"\"",
        "Bearer token that /metrics asks for, at least 32 characters in release mode; empty asks for none.",
    ),
];
