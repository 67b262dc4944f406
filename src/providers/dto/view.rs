//! A provider, without its secrets.

use std::collections::BTreeMap;

use entity::{UtcMillis, provider::Model};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::ProviderPatch;
use crate::{
    base::error::{Error, Result},
    providers::{
        fields,
        pace::{Pace, inherited},
        provider::Desk,
        sealed::Secrets,
    },
    settings::Values,
};

/// A provider. What is secret about it is not shown: of headers and extra parameters only the names are.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProviderView {
    /// Unique name, by which accounts refer to it.
    #[schema(example = "acme")]
    pub name: String,
    /// Where refresh tokens are exchanged.
    #[schema(example = "https://auth.example.com/oauth/token")]
    pub token_url: String,
    /// How the body is encoded: `json`, `form`.
    #[schema(example = "form")]
    pub body_format: String,
    /// How client and secret are sent: `body`, `basic`.
    #[schema(example = "body")]
    pub auth_method: String,
    /// Client of the accounts that have none of their own.
    #[schema(required, example = "my-client")]
    pub client_id: Option<String>,
    /// Whether there is a client secret.
    #[schema(example = true)]
    pub has_client_secret: bool,
    /// Names of the extra parameters of the body.
    #[schema(example = json!(["scope"]))]
    pub extra_param_names: Vec<String>,
    /// Names of the headers, in lower case.
    #[schema(example = json!(["user-agent"]))]
    pub header_names: Vec<String>,
    /// Seconds an access token is taken to live where the provider tells nothing.
    #[schema(example = 3600)]
    pub expires_in_default: i64,
    /// Seconds before its end at which an access token is due, at least.
    #[schema(example = 900)]
    pub refresh_margin_s: i64,
    /// Days after which a refresh token is used even though nothing is due; null: never.
    #[schema(required, example = 30)]
    pub keepalive_days: Option<i64>,
    /// Longest time for an answer, in milliseconds.
    #[schema(example = 20_000)]
    pub timeout_ms: i64,
    /// Calls at once, from each process.
    #[schema(example = 8)]
    pub max_concurrency: i64,
    /// Milliseconds between the beginnings of two calls, in each process.
    #[schema(example = 0)]
    pub min_interval_ms: i64,
    /// Those of the numbers that the provider has not of its own: they follow the settings.
    #[schema(example = json!(["timeout_ms"]))]
    pub inherited: Vec<&'static str>,
    /// Whether a refresh ends the refresh token that was used.
    #[schema(example = true)]
    pub rotates: bool,
    /// Error codes of this provider and their classes.
    #[schema(example = json!({"token_frozen": "permanent.account_disabled"}))]
    pub error_map: BTreeMap<String, String>,
    /// `active`; `paused`: nothing is sent to it.
    #[schema(example = "active")]
    pub state: String,
    /// Why it is paused.
    #[schema(required, example = json!(null))]
    pub paused_reason: Option<String>,
    /// Moves with every edit.
    #[schema(example = 0)]
    pub version: i64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    pub created_at: UtcMillis,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    pub updated_at: UtcMillis,
}

impl ProviderView {
    /// Of a row, whose boxes are opened for the names in them.
    ///
    /// # Errors
    /// 500 when a box does not open.
    pub fn of(desk: &Desk, row: Model) -> Result<Self> {
        let secrets = Secrets::open(&desk.sealer, &row)?;
        Ok(Self::new(row, &secrets, &desk.settings))
    }

    /// Of a row whose boxes are open; the settings give the numbers that it has not of its own.
    pub fn new(row: Model, secrets: &Secrets, settings: &Values) -> Self {
        let (pace, inherited) = (Pace::of(&row, settings), inherited(&row));
        let error_map = fields::error_map(&row.error_map);
        Self {
            name: row.name,
            token_url: row.token_url,
            body_format: row.body_format,
            auth_method: row.auth_method,
            client_id: row.client_id,
            has_client_secret: secrets.client_secret.is_some(),
            extra_param_names: secrets.extra_params.keys().cloned().collect(),
            header_names: secrets.headers.keys().cloned().collect(),
            expires_in_default: row.expires_in_default,
            refresh_margin_s: pace.margin_s,
            keepalive_days: row.keepalive_days,
            timeout_ms: pace.timeout_ms,
            max_concurrency: pace.max_concurrency,
            min_interval_ms: pace.min_interval_ms,
            inherited,
            rotates: row.rotates,
            error_map: error_map.into_iter().map(|(code, class)| (code, class.as_str().to_owned())).collect(),
            state: row.state,
            paused_reason: row.paused_reason,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What an edit changed, for the audit: old and new values, and of secrets only that they were set anew.
///
/// # Errors
/// Never: a view has a JSON form.
pub fn changes(old: &ProviderView, new: &ProviderView, patch: &ProviderPatch) -> Result<Value> {
    let members = |view: &ProviderView| match serde_json::to_value(view) {
        Ok(Value::Object(members)) => Ok(members),
        other => Err(Error::internal(format!("a view is no object: {other:?}"))),
    };
    let (old, new) = (members(old)?, members(new)?);
    let differs = |(name, value): &(String, Value)| name != "updated_at" && old.get(name) != Some(value);
    let fields = new.into_iter().filter(differs);
    let mut changes: Map<_, _> =
        fields.map(|(name, value)| (name.clone(), json!({ "old": old.get(&name), "new": value }))).collect();
    changes.extend(patch.secrets_named().map(|name| (name.to_owned(), json!("set"))));
    Ok(Value::Object(changes))
}
