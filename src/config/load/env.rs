//! The values in the environment: `LATCHKEY__SECTION__KEY`, the older systems' names, and `…_FILE` for secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Found, Setting};
use crate::config::error::{ConfigError, Origin};
use crate::config::table::{self, ENV_PREFIX, Key};

/// Reads all values from `env`. Files named by `…_FILE` are relative to `dir`.
pub fn settings(env: &BTreeMap<String, String>, dir: &Path) -> Found {
    let mut found = Found::default();
    let mut known = BTreeSet::new();
    for key in table::all() {
        // The older name first, so that ours, which follows, outranks it.
        if let Some(older) = &key.older {
            read(&mut found, env, dir, key, older.name, older.in_milliseconds);
        }
        let name = key.env();
        read(&mut found, env, dir, key, &name, false);
        if key.is_secret() {
            known.insert(format!("{name}_FILE"));
        }
        known.insert(name);
    }
    for name in env.keys().filter(|name| name.to_ascii_uppercase().starts_with(ENV_PREFIX)) {
        if !known.contains(name) {
            found.errors.push(ConfigError::new(name, Origin::Env { name: name.clone() }, table::unknown_env(name)));
        }
    }
    found
}

/// Reads one variable, or for a secret the file that its `_FILE` twin names.
fn read(
    found: &mut Found,
    env: &BTreeMap<String, String>,
    dir: &Path,
    key: &'static Key,
    name: &str,
    in_milliseconds: bool,
) {
    let file_name = format!("{name}_FILE");
    let file = env.get(&file_name).filter(|_| key.is_secret());
    let (name, text) = match (env.get(name), file) {
        (None, None) => return,
        (Some(_), Some(_)) => (file_name, Err(format!("cannot be set while {name} is set too"))),
        (None, Some(path)) => (file_name, from_file(&dir.join(path))),
        (Some(text), None) if in_milliseconds => (name.to_owned(), seconds(text)),
        (Some(text), None) => (name.to_owned(), Ok(text.clone())),
    };
    let origin = Origin::Env { name };
    match text.and_then(|text| key.kind.read_text(&text)) {
        Ok(value) => found.settings.push(Setting { key, value, origin }),
        Err(message) => found.errors.push(ConfigError::new(key.name, origin, message)),
    }
}

/// A secret from its file, without the line end that editors add.
fn from_file(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("cannot be read from {}: {error}", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Milliseconds as our span, rounded up to whole seconds.
fn seconds(milliseconds: &str) -> Result<String, String> {
    match milliseconds.parse::<u32>() {
        Ok(number) if number > 0 => Ok(format!("{}s", number.div_ceil(1000))),
        _ => Err(format!("must be a whole number of milliseconds above 0, not {milliseconds:?}")),
    }
}
