//! `kv`: the store's limits.

use serde::{Deserialize, Serialize};

use super::Secret;
use super::kind::Kind;
use super::table::Key;

/// The key-value store.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Kv {
    /// When set, every call to the store has to carry it. Default none.
    pub site_key: Secret,
    /// Largest value in bytes. Default 1 048 576.
    pub max_value_bytes: usize,
    /// Most keys a device may hold. Default 100 000.
    pub max_keys_per_device: u32,
    /// Most bytes a device may hold. Default 1 073 741 824.
    pub max_device_bytes: u64,
    /// Origins whose pages may call the store; `*` is any. Default any.
    pub cors_origins: Vec<String>,
    /// Reads a minute and token; 0 is unlimited. Default 1024.
    pub rate_read: u32,
    /// Writes a minute and token; 0 is unlimited. Default 512.
    pub rate_write: u32,
    /// Deletions a minute and token; 0 is unlimited. Default 256.
    pub rate_delete: u32,
    /// Batch calls a minute and token; 0 is unlimited. Default 128.
    pub rate_batch: u32,
    /// Authorizations, new devices and password checks a minute and address; 0 is unlimited. Default 50.
    pub rate_address: u32,
}

/// A limit of calls a minute.
const RATE: Kind = Kind::integer(0, 1_000_000);

pub(super) const KEYS: &[Key] = &[
    Key::new("kv.site_key", Kind::Secret, "\"\"", "When set, every call to the store has to carry it."),
    Key::new("kv.max_value_bytes", Kind::integer(1, 67_108_864), "1048576", "Largest value in bytes."),
    Key::new("kv.max_keys_per_device", Kind::integer(1, 1_000_000_000), "100000", "Most keys a device may hold."),
    Key::new("kv.max_device_bytes", Kind::integer(1, 1 << 50), "1073741824", "Most bytes a device may hold."),
    Key::new("kv.cors_origins", Kind::Texts, "[\"*\"]", "Origins whose pages may call the store; `*` is any."),
    Key::new("kv.rate_read", RATE, "1024", "Reads a minute and token; 0 is unlimited."),
    Key::new("kv.rate_write", RATE, "512", "Writes a minute and token; 0 is unlimited."),
    Key::new("kv.rate_delete", RATE, "256", "Deletions a minute and token; 0 is unlimited."),
    Key::new("kv.rate_batch", RATE, "128", "Batch calls a minute and token; 0 is unlimited."),
    Key::new(
        "kv.rate_address",
        RATE,
        "50",
        "Authorizations, new devices and password checks a minute and address; 0 is unlimited.",
    ),
];
