//! The table of settings, and their values.

use serde_json::Value;

use crate::{
    base::error::FieldError,
    config::{self, Config, Key, Kind},
};

/// What holds now: settings over configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// Reads a minute and token; 0 is unlimited.
    pub kv_rate_read: u32,
    /// Writes a minute and token; 0 is unlimited.
    pub kv_rate_write: u32,
    /// Deletions a minute and token; 0 is unlimited.
    pub kv_rate_delete: u32,
    /// Batch calls a minute and token; 0 is unlimited.
    pub kv_rate_batch: u32,
    /// Authorizations, new devices and password checks a minute and address; 0 is unlimited.
    pub kv_rate_address: u32,
}

impl Values {
    /// As configured.
    #[must_use]
    pub fn configured(config: &Config) -> Self {
        Self {
            kv_rate_read: config.kv.rate_read,
            kv_rate_write: config.kv.rate_write,
            kv_rate_delete: config.kv.rate_delete,
            kv_rate_batch: config.kv.rate_batch,
            kv_rate_address: config.kv.rate_address,
        }
    }
}

/// A row of the table. To add a setting: a field above, its default, and a row below.
pub(super) struct Entry {
    /// Dotted name, as in the configuration.
    pub(super) name: &'static str,
    field: fn(&mut Values) -> &mut u32,
}

/// Every setting, in the order in which they are listed.
pub(super) static ENTRIES: &[Entry] = &[
    Entry { name: "kv.rate_read", field: |values| &mut values.kv_rate_read },
    Entry { name: "kv.rate_write", field: |values| &mut values.kv_rate_write },
    Entry { name: "kv.rate_delete", field: |values| &mut values.kv_rate_delete },
    Entry { name: "kv.rate_batch", field: |values| &mut values.kv_rate_batch },
    Entry { name: "kv.rate_address", field: |values| &mut values.kv_rate_address },
];

/// The setting of this name.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

impl Entry {
    /// Its row in the table of configuration values.
    pub(super) fn key(&self) -> Option<&'static Key> {
        config::all_keys().find(|key| key.name == self.name)
    }

    /// Smallest and largest value.
    pub(super) fn range(&self) -> (u32, u32) {
        let Some(Kind::Integer { min, max }) = self.key().map(|key| key.kind) else { return (0, 0) };
        (u32::try_from(min).unwrap_or(0), u32::try_from(max).unwrap_or(u32::MAX))
    }

    /// The value in JSON, if it is one.
    ///
    /// # Errors
    /// Field errors `type` or `range`.
    pub(super) fn read(&self, value: &Value) -> Result<u32, FieldError> {
        let (min, max) = self.range();
        let whole = value.as_i64().or_else(|| value.is_u64().then_some(i64::MAX));
        let whole = whole.ok_or_else(|| FieldError::new(self.name, "type", "must be a whole number"))?;
        let fitting = u32::try_from(whole).ok().filter(|whole| (min..=max).contains(whole));
        fitting.ok_or_else(|| FieldError::new(self.name, "range", format!("must be {min} to {max}")))
    }

    /// Its value among these.
    pub(super) fn get(&self, values: &Values) -> u32 {
        *(self.field)(&mut values.clone())
    }

    /// Puts a value in its place.
    pub(super) fn set(&self, values: &mut Values, value: u32) {
        *(self.field)(values) = value;
    }
}
