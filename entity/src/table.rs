//! Table names with the prefix of `database.table_prefix`.

use std::{
    collections::HashMap,
    sync::{OnceLock, PoisonError, RwLock},
};

static PREFIX: OnceLock<String> = OnceLock::new();

/// Sets the prefix. To be called once, before the first query; later calls change nothing.
pub fn set_prefix(prefix: &str) {
    let _ = PREFIX.set(prefix.to_owned());
}

/// The table's name in the database: prefix and base name. Each is made once and kept for the process's life,
/// since sea-orm asks for a static string.
#[must_use]
pub fn name(base: &'static str) -> &'static str {
    static NAMES: OnceLock<RwLock<HashMap<&'static str, &'static str>>> = OnceLock::new();
    let Some(prefix) = PREFIX.get().filter(|prefix| !prefix.is_empty()) else { return base };
    let names = NAMES.get_or_init(RwLock::default);
    if let Some(name) = names.read().unwrap_or_else(PoisonError::into_inner).get(base) {
        return name;
    }
    let mut names = names.write().unwrap_or_else(PoisonError::into_inner);
    names.entry(base).or_insert_with(|| Box::leak(format!("{prefix}{base}").into_boxed_str()))
}
