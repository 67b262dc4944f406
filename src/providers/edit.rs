//! What an edit may say, and what it does to a row. A new provider is an edit of the defaults.

use std::collections::BTreeMap;

use entity::{UtcMillis, provider::Model};

use super::{
    dto::{AuthMethod, BodyFormat, NewProvider, ProviderPatch},
    fields::Wrong,
    sealed::{Hidden, Secrets},
};
use crate::base::{
    error::{Error, Result},
    http_client::HttpClient,
    input::Patch,
    secret::Secret,
};

/// Seconds an access token is taken to live where nobody tells.
const EXPIRES_IN_S: i64 = 3600;

/// What addresses are checked against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Targets<'a> {
    /// Knows which addresses may be called.
    pub(super) client: &'a HttpClient,
    /// `security.allow_private_targets`: plain http will do.
    pub(super) allow_private: bool,
}

impl NewProvider {
    /// Its name, and the rest as an edit of the defaults.
    ///
    /// # Errors
    /// 422 with every field that breaks a rule.
    pub(super) fn checked(self, targets: Targets<'_>) -> Result<(String, ProviderPatch)> {
        let (name, patch) = self.into_patch();
        let mut wrong = Wrong::default();
        wrong.name(&name);
        patch.find_wrong(&mut wrong, targets);
        if wrong.0.is_empty() { Ok((name, patch)) } else { Err(Error::invalid(wrong.0)) }
    }

    fn into_patch(self) -> (String, ProviderPatch) {
        let patch = ProviderPatch {
            token_url: Patch::Value(self.token_url),
            body_format: given(self.body_format),
            auth_method: given(self.auth_method),
            client_id: given(self.client_id),
            client_secret: given(self.client_secret),
            extra_params: given(self.extra_params.map(members)),
            headers: given(self.headers.map(members)),
            expires_in_default: given(self.expires_in_default),
            refresh_margin_s: given(self.refresh_margin_s),
            keepalive_days: given(self.keepalive_days),
            timeout_ms: given(self.timeout_ms),
            max_concurrency: given(self.max_concurrency),
            min_interval_ms: given(self.min_interval_ms),
            rotates: given(self.rotates),
            error_map: given(self.error_map.map(members)),
        };
        (self.name, patch)
    }
}

fn given<T>(value: Option<T>) -> Patch<T> {
    value.map_or(Patch::Absent, Patch::Value)
}

fn members<V>(map: BTreeMap<String, V>) -> BTreeMap<String, Option<V>> {
    map.into_iter().map(|(name, value)| (name, Some(value))).collect()
}

impl ProviderPatch {
    /// Checks what is named.
    ///
    /// # Errors
    /// 422 with every field that breaks a rule.
    pub(super) fn check(&self, targets: Targets<'_>) -> Result<()> {
        let mut wrong = Wrong::default();
        self.find_wrong(&mut wrong, targets);
        if wrong.0.is_empty() { Ok(()) } else { Err(Error::invalid(wrong.0)) }
    }

    fn find_wrong(&self, wrong: &mut Wrong, targets: Targets<'_>) {
        match &self.token_url {
            Patch::Absent => {}
            Patch::Null => wrong.add("token_url", "required", "cannot be cleared"),
            Patch::Value(url) => wrong.token_url(url.trim(), targets.client, targets.allow_private),
        }
        if let Some(id) = self.client_id.value() {
            wrong.text("client_id", id, 1..=255);
        }
        if let Some(secret) = self.client_secret.value() {
            wrong.text("client_secret", secret.expose(), 1..=4096);
        }
        for (field, number, range) in [
            ("expires_in_default", &self.expires_in_default, 60..=31_536_000),
            ("refresh_margin_s", &self.refresh_margin_s, 0..=604_800),
            ("keepalive_days", &self.keepalive_days, 1..=365),
            ("timeout_ms", &self.timeout_ms, 100..=120_000),
            ("max_concurrency", &self.max_concurrency, 1..=1024),
            ("min_interval_ms", &self.min_interval_ms, 0..=60_000),
        ] {
            number.value().into_iter().for_each(|number| wrong.number(field, *number, range.clone()));
        }
        self.find_wrong_members(wrong);
    }

    fn find_wrong_members(&self, wrong: &mut Wrong) {
        if let Some(params) = self.extra_params.value() {
            wrong.members("extra_params", params.keys());
            params.iter().for_each(|(name, value)| wrong.param(name, value.as_ref().map(Secret::expose)));
        }
        if let Some(headers) = self.headers.value() {
            wrong.members("headers", headers.keys());
            headers.iter().for_each(|(name, value)| wrong.header(name, value.as_ref().map(Secret::expose)));
        }
        if let Some(map) = self.error_map.value() {
            wrong.members("error_map", map.keys());
            map.iter().for_each(|(code, class)| wrong.class(code, class.as_deref()));
        }
    }

    /// Whether it names no field at all: then it is no edit.
    pub(super) fn is_empty(&self) -> bool {
        let Self { token_url, body_format, auth_method, client_id, client_secret, extra_params, headers, .. } = self;
        let texts = is_absent(token_url) && is_absent(body_format) && is_absent(auth_method) && is_absent(client_id);
        let secrets = is_absent(client_secret) && is_absent(extra_params) && is_absent(headers);
        let Self { expires_in_default, refresh_margin_s, keepalive_days, timeout_ms, max_concurrency, .. } = self;
        let numbers = [expires_in_default, refresh_margin_s, keepalive_days, timeout_ms, max_concurrency];
        let numbers = numbers.into_iter().chain([&self.min_interval_ms]).all(is_absent);
        texts && secrets && numbers && is_absent(&self.rotates) && is_absent(&self.error_map)
    }

    /// The sealed fields that it names.
    pub(super) fn secrets_named(&self) -> impl Iterator<Item = &'static str> {
        let named = [
            ("client_secret", is_absent(&self.client_secret)),
            ("extra_params", is_absent(&self.extra_params)),
            ("headers", is_absent(&self.headers)),
        ];
        named.into_iter().filter(|(_, is_absent)| !is_absent).map(|(name, _)| name)
    }

    /// Does it. What is null gets its default, or is left to the settings.
    pub(super) fn apply(&self, row: &mut Model, secrets: &mut Secrets) -> Result<()> {
        if let Some(url) = self.token_url.value() {
            url.trim().clone_into(&mut row.token_url);
        }
        set(&mut row.body_format, &self.body_format, BodyFormat::Form, |it| it.as_str().to_owned());
        set(&mut row.auth_method, &self.auth_method, AuthMethod::Body, |it| it.as_str().to_owned());
        set_or_clear(&mut row.client_id, &self.client_id);
        set_or_clear(&mut secrets.client_secret, &self.client_secret);
        merge(&mut secrets.extra_params, &self.extra_params, str::to_owned);
        merge(&mut secrets.headers, &self.headers, str::to_ascii_lowercase);
        set(&mut row.expires_in_default, &self.expires_in_default, EXPIRES_IN_S, |it| it);
        set_or_clear(&mut row.refresh_margin_s, &self.refresh_margin_s);
        set_or_clear(&mut row.keepalive_days, &self.keepalive_days);
        set_or_clear(&mut row.timeout_ms, &self.timeout_ms);
        set_or_clear(&mut row.max_concurrency, &self.max_concurrency);
        set_or_clear(&mut row.min_interval_ms, &self.min_interval_ms);
        set(&mut row.rotates, &self.rotates, true, |it| it);
        let mut map: BTreeMap<String, String> = serde_json::from_str(&row.error_map).unwrap_or_default();
        merge(&mut map, &self.error_map, str::to_owned);
        row.error_map = serde_json::to_string(&map).map_err(Error::internal)?;
        too_many(&map, secrets)
    }
}

/// Merged, a map may have grown beyond what it may hold.
fn too_many(map: &BTreeMap<String, String>, secrets: &Secrets) -> Result<()> {
    let mut wrong = Wrong::default();
    let Secrets { extra_params, headers, .. } = secrets;
    wrong.members("error_map", map.keys());
    wrong.members("extra_params", Hidden::keys(extra_params));
    wrong.members("headers", Hidden::keys(headers));
    if wrong.0.is_empty() { Ok(()) } else { Err(Error::invalid(wrong.0)) }
}

fn is_absent<T>(patch: &Patch<T>) -> bool {
    matches!(patch, Patch::Absent)
}

fn set<T: Clone, C>(column: &mut C, patch: &Patch<T>, default: T, stored: impl Fn(T) -> C) {
    match patch {
        Patch::Absent => {}
        Patch::Null => *column = stored(default),
        Patch::Value(value) => *column = stored(value.clone()),
    }
}

fn set_or_clear<T: Clone>(column: &mut Option<T>, patch: &Patch<T>) {
    if let Some(value) = patch.clone().into_change() {
        *column = value;
    }
}

/// Merges by name (RFC 7396).
fn merge<V: Clone>(
    map: &mut BTreeMap<String, V>,
    patch: &Patch<BTreeMap<String, Option<V>>>,
    name: fn(&str) -> String,
) {
    match patch {
        Patch::Absent => {}
        Patch::Null => map.clear(),
        Patch::Value(changes) => {
            for (key, value) in changes {
                match value {
                    Some(value) => drop(map.insert(name(key), value.clone())),
                    None => drop(map.remove(&name(key))),
                }
            }
        }
    }
}

/// A row as a new one begins: all defaults, without a name and without an address.
pub(super) fn blank(name: String, now: UtcMillis) -> Model {
    Model {
        id: 0,
        name,
        token_url: String::new(),
        body_format: BodyFormat::Form.as_str().to_owned(),
        auth_method: AuthMethod::Body.as_str().to_owned(),
        client_id: None,
        client_secret: None,
        extra_params: None,
        headers: None,
        expires_in_default: EXPIRES_IN_S,
        refresh_margin_s: None,
        keepalive_days: None,
        timeout_ms: None,
        max_concurrency: None,
        min_interval_ms: None,
        rotates: true,
        error_map: "{}".to_owned(),
        state: super::provider::ACTIVE.to_owned(),
        paused_reason: None,
        version: 0,
        created_at: now,
        updated_at: now,
    }
}
