//! The table of settings: what each is called, may be, and where it is among the values.

use serde_json::{Value, json};

use super::{
    proxies::{Proxies, ProxyChoice},
    values::{Language, Values},
};
use crate::base::{error::FieldError, http_client::HttpClient};

/// A row of the table. To add a setting: a field of [`Values`], its default there, and a row here.
pub(super) struct Entry {
    /// Unique, up to 64 characters.
    pub(super) name: &'static str,
    /// One sentence.
    pub(super) about: &'static str,
    /// The configuration value that it outranks, if there is one.
    pub(super) key: Option<&'static str>,
    pub(super) kind: Kind,
}

/// What a setting may be.
pub(super) enum Kind {
    Switch(fn(&mut Values) -> &mut bool),
    /// From the smallest to the largest one.
    Number(u32, u32, fn(&mut Values) -> &mut u32),
    /// One of these.
    Word(&'static [&'static str], fn(&Values) -> &'static str, fn(&mut Values, &str)),
    /// URLs, which are sealed.
    Proxies(fn(&mut Values) -> &mut Proxies),
}

/// A value that fits its setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    Switch(bool),
    Number(u32),
    Word(String),
    Proxies(Proxies),
}

const fn rate(name: &'static str, about: &'static str, field: fn(&mut Values) -> &mut u32) -> Entry {
    Entry { name, about, key: Some(name), kind: Kind::Number(0, 1_000_000, field) }
}

const fn new(name: &'static str, about: &'static str, kind: Kind) -> Entry {
    Entry { name, about, key: None, kind }
}

/// Every setting, in the order in which they are listed.
pub(super) static ENTRIES: &[Entry] = &[
    rate("kv.rate_read", "Reads a minute and token; 0 is unlimited.", |values| &mut values.kv_rate_read),
    rate("kv.rate_write", "Writes a minute and token; 0 is unlimited.", |values| &mut values.kv_rate_write),
    rate("kv.rate_delete", "Deletions a minute and token; 0 is unlimited.", |values| &mut values.kv_rate_delete),
    rate("kv.rate_batch", "Batch calls a minute and token; 0 is unlimited.", |values| &mut values.kv_rate_batch),
    rate(
        "kv.rate_address",
        "Authorizations, new devices and password checks a minute and address; 0 is unlimited.",
        |values| &mut values.kv_rate_address,
    ),
    new(
        "auto_refresh",
        "Whether accounts that are due are refreshed by themselves; by hand it works either way.",
        Kind::Switch(|values| &mut values.auto_refresh),
    )
    .over("refresh.enabled"),
    new(
        "refresh_concurrency",
        "Refreshes at once: of those that are due, and of batches.",
        Kind::Number(1, 1024, |values| &mut values.refresh_concurrency),
    )
    .over("refresh.concurrency"),
    new(
        "refresh_margin_s",
        "Seconds before its end at which an access token is due, at least, where its provider has no number of its own; \
         from an account's next refresh on.",
        Kind::Number(900, 604_800, |values| &mut values.refresh_margin_s),
    ),
    new(
        "provider_timeout_ms",
        "Longest time for an answer of a provider that has none of its own, in milliseconds.",
        Kind::Number(100, 120_000, |values| &mut values.provider_timeout_ms),
    ),
    new(
        "provider_max_concurrency",
        "Calls at once from each process to a provider that has no number of its own.",
        Kind::Number(1, 1024, |values| &mut values.provider_max_concurrency),
    ),
    new(
        "provider_min_interval_ms",
        "Milliseconds between the beginnings of two calls of a process to a provider that has no number of its own.",
        Kind::Number(0, 60_000, |values| &mut values.provider_min_interval_ms),
    ),
    new(
        "proxy_list",
        "Proxies for accounts that have none of their own. Sealed; shown with `***` for credentials, which stay when it \
         is sent back so.",
        Kind::Proxies(|values| &mut values.proxy_list),
    ),
    new(
        "proxy_choice",
        "Which proxy of the list a call goes through: the first (`fixed`), always the same for an account (`hash`), or \
         the next one with every call (`round_robin`).",
        Kind::Word(
            ProxyChoice::WORDS,
            |values| values.proxy_choice.as_str(),
            |values, word| values.proxy_choice = ProxyChoice::of(word),
        ),
    ),
    new(
        "language",
        "The language of notifications.",
        Kind::Word(
            Language::WORDS,
            |values| values.language.as_str(),
            |values, word| values.language = Language::of(word),
        ),
    ),
    new(
        "log_retention_days",
        "Days for which events of accounts, and deliveries that are over, are kept.",
        Kind::Number(1, 36_500, |values| &mut values.log_retention_days),
    ),
];

/// The setting of this name.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

impl Entry {
    const fn over(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    /// The value in JSON, if it fits. `http` knows which proxies may be called.
    ///
    /// # Errors
    /// Field errors `type`, `range`, `choice`, `length`, `format`.
    pub(super) fn check(&self, value: &Value, http: &HttpClient) -> Result<Given, Vec<FieldError>> {
        let wrong = |code, message: String| vec![FieldError::new(self.name, code, message)];
        match &self.kind {
            Kind::Switch(_) => {
                value.as_bool().map(Given::Switch).ok_or_else(|| wrong("type", "must be true or false".to_owned()))
            }
            Kind::Number(min, max, _) => {
                let whole = value.as_i64().or_else(|| value.is_u64().then_some(i64::MAX));
                let whole = whole.ok_or_else(|| wrong("type", "must be a whole number".to_owned()))?;
                let fitting = u32::try_from(whole).ok().filter(|whole| (min..=max).contains(&whole));
                fitting.map(Given::Number).ok_or_else(|| wrong("range", format!("must be {min} to {max}")))
            }
            Kind::Word(words, ..) => {
                let word = value.as_str().ok_or_else(|| wrong("type", "must be a text".to_owned()))?;
                let known = words.contains(&word).then(|| Given::Word(word.to_owned()));
                known.ok_or_else(|| wrong("choice", format!("must be one of {}", words.join(", "))))
            }
            Kind::Proxies(_) => {
                let urls = value.as_array().and_then(|urls| urls.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
                let urls = urls.ok_or_else(|| wrong("type", "must be a list of texts".to_owned()))?;
                Proxies::check(self.name, &urls, http).map(Given::Proxies)
            }
        }
    }

    /// Its value among these.
    pub(super) fn get(&self, values: &Values) -> Given {
        let mut values = values.clone();
        match &self.kind {
            Kind::Switch(field) => Given::Switch(*field(&mut values)),
            Kind::Number(.., field) => Given::Number(*field(&mut values)),
            Kind::Word(_, get, _) => Given::Word(get(&values).to_owned()),
            Kind::Proxies(field) => Given::Proxies(field(&mut values).clone()),
        }
    }

    /// Puts a value in its place.
    pub(super) fn put(&self, values: &mut Values, given: Given) {
        match (&self.kind, given) {
            (Kind::Switch(field), Given::Switch(on)) => *field(values) = on,
            (Kind::Number(.., field), Given::Number(number)) => *field(values) = number,
            (Kind::Word(_, _, set), Given::Word(word)) => set(values, &word),
            (Kind::Proxies(field), Given::Proxies(proxies)) => *field(values) = proxies,
            _ => {}
        }
    }
}

impl Given {
    /// As it may be shown.
    pub(super) fn shown(&self) -> Value {
        match self {
            Self::Switch(on) => json!(on),
            Self::Number(number) => json!(number),
            Self::Word(word) => json!(word),
            Self::Proxies(proxies) => json!(proxies.shown()),
        }
    }
}
