//! The table of keys: each section's rows put together. Files, environment, command line, `show` and the example are
//! all read off it, so none of them can know a key that another does not.

use std::collections::BTreeSet;

use super::kind::Kind;
use super::{auth, checkin, database, keys, kv, log, recharge, redis, refresh, security, server, wechat};

/// Environment variables of ours start with this.
pub const ENV_PREFIX: &str = "LATCHKEY__";

/// One configuration value.
#[derive(Debug)]
pub struct Key {
    /// Dotted name: `server.port`, or a bare name for the few values outside a section.
    pub name: &'static str,
    /// Type and range.
    pub kind: Kind,
    /// Default, as it is written in YAML.
    pub default: &'static str,
    /// One sentence for the operator.
    pub about: &'static str,
    /// The environment variable of an older system that sets it too.
    pub older: Option<Older>,
}

/// An older system's environment variable.
#[derive(Debug)]
pub struct Older {
    /// Its name.
    pub name: &'static str,
    /// The value is a number of milliseconds, where ours is a [`super::Span`].
    pub in_milliseconds: bool,
}

impl Key {
    /// A row of the table.
    pub const fn new(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Self {
        Self { name, kind, default, about, older: None }
    }

    /// Adds the older system's variable with the same meaning.
    pub const fn older(mut self, name: &'static str) -> Self {
        self.older = Some(Older { name, in_milliseconds: false });
        self
    }

    /// Adds the older system's variable that holds milliseconds.
    pub const fn older_in_milliseconds(mut self, name: &'static str) -> Self {
        self.older = Some(Older { name, in_milliseconds: true });
        self
    }

    /// Whether the value is redacted wherever it would be shown, and may come from a `…_FILE`.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret)
    }

    /// Section and name within it; the section is empty for a value outside all sections.
    pub fn path(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }

    /// The environment variable: `LATCHKEY__SERVER__PORT`.
    pub fn env(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.to_ascii_uppercase().replace('.', "__"))
    }
}

/// All keys, in the order in which they are documented.
pub fn all() -> impl Iterator<Item = &'static Key> {
    [
        server::KEYS,
        database::KEYS,
        auth::KEYS,
        security::KEYS,
        kv::KEYS,
        keys::KEYS,
        refresh::KEYS,
        wechat::KEYS,
        checkin::KEYS,
        recharge::KEYS,
        super::KEYS,
        redis::KEYS,
        log::KEYS,
    ]
    .into_iter()
    .flatten()
}

/// The key of this dotted name.
pub fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name)
}

/// Whether a section has this name.
pub fn is_section(name: &str) -> bool {
    !name.is_empty() && all().any(|key| key.path().0 == name)
}

/// What to say of an unknown dotted name: `is not a known key`, with the one that was probably meant.
pub fn unknown(name: &str) -> String {
    let (section, leaf) = name.split_once('.').unwrap_or(("", name));
    let misplaced = || all().find(|key| key.path().1 == leaf && key.path().0 != section).map(|key| key.name.to_owned());
    let meant = nearest(name, all().map(|key| key.name.to_owned())).or_else(misplaced);
    with_suggestion("is not a known key", meant)
}

/// What to say of an unknown section.
pub fn unknown_section(name: &str) -> String {
    let sections: BTreeSet<&str> = all().map(|key| key.path().0).filter(|section| !section.is_empty()).collect();
    let bare = all().filter(|key| key.path().0.is_empty()).map(|key| key.name);
    let meant = nearest(name, sections.into_iter().chain(bare).map(str::to_owned));
    let misplaced = || all().find(|key| key.path().1 == name).map(|key| key.name.to_owned());
    with_suggestion("is not a known section", meant.or_else(misplaced))
}

/// What to say of an unknown variable that starts with our prefix.
pub fn unknown_env(name: &str) -> String {
    let not_secret = |key: &Key| !key.is_secret() && name.strip_suffix("_FILE") == Some(&key.env());
    if let Some(key) = all().find(|key| not_secret(key)) {
        return format!("is not known: only secrets are read from files, {} is not one", key.name);
    }
    with_suggestion("is not a known variable", nearest(name, all().map(Key::env)))
}

fn with_suggestion(message: &str, meant: Option<String>) -> String {
    meant.map_or_else(|| message.to_owned(), |meant| format!("{message}; did you mean {meant}?"))
}

/// The candidate that differs least, if it differs little enough to be a slip.
fn nearest(name: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    let limit = 2.max(name.len() / 6);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, &candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}
