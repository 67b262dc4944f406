//! Sinks.

use entity::{UtcMillis, token_sink::Model};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::text_or_number;
use crate::{
    base::{
        error::{Error, FieldError, Result},
        input::{Patch, printable, trimmed},
    },
    sinks::config::{FileFormat, SinkKind, secret_members},
};

/// Longest delay, in seconds: a day.
const LONGEST_DELAY: i64 = 86_400;

/// What a sink has to know; which members it takes depends on its kind. Secret ones are never shown.
#[derive(ToSchema)]
#[schema(example = json!({"base_url": "https://one-api.example.com"}))]
#[expect(dead_code, reason = "describes the members for the document; config::Target reads them, by kind")]
pub struct SinkConfig {
    /// `one_api_http`, `new_api_http`, `codex_channel`: address of the relay, without `/api`. When it changes,
    /// `access_token` has to be given anew.
    #[schema(nullable = false, example = "https://one-api.example.com")]
    base_url: Option<String>,
    /// The same kinds, secret: access token of an administrator of the relay.
    #[schema(nullable = false, write_only)]
    access_token: Option<String>,
    /// The same kinds: number of that administrator, which New-API asks for in a header.
    #[schema(required = false, schema_with = text_or_number)]
    user_id: Option<String>,
    /// The same kinds: name of that header, which forks rename.
    #[schema(nullable = false, default = "New-Api-User", example = "New-Api-User")]
    user_id_header: Option<String>,
    /// The same kinds: whether the relay is to test the channel after each change, which spends a real request. The
    /// delivery has failed when the test does.
    #[schema(nullable = false, default = false)]
    test_after: Option<bool>,
    /// `one_api_db`, secret: `mysql://user:password@host:3306/database`, or One-API's own `SQL_DSN`.
    #[schema(nullable = false, write_only)]
    dsn: Option<String>,
    /// `one_api_db`: absolute path of One-API's SQLite file, instead of `dsn`.
    #[schema(nullable = false, example = "/data/one-api/one-api.db")]
    sqlite_file: Option<String>,
    /// `webhook`: where to call.
    #[schema(nullable = false, example = "https://hooks.example.com/tokens")]
    url: Option<String>,
    /// `webhook`, secret: `whsec_` and the base64 of 24 to 64 bytes, which sign the calls.
    #[schema(nullable = false, write_only)]
    secret: Option<String>,
    /// `webhook`: whether the body holds the access token; otherwise it only tells that there is a new one.
    #[schema(nullable = false, default = false)]
    include_access_token: Option<bool>,
    /// `file`: absolute path of the folder below which the files are.
    #[schema(nullable = false, example = "/run/tokens")]
    directory: Option<String>,
    /// `file`: what a file holds.
    #[schema(nullable = false, value_type = Option<FileFormat>)]
    format: Option<FileFormat>,
}

/// A sink to make.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewSink {
    /// Unique name.
    #[serde(deserialize_with = "trimmed")]
    #[validate(length(min = 1, max = 64), custom(function = "printable"))]
    #[schema(min_length = 1, max_length = 64, example = "One-API")]
    pub name: String,
    /// What kind of place it is; it stays that.
    pub kind: SinkKind,
    /// Whether anything is delivered.
    #[serde(default = "yes")]
    #[schema(default = true, example = true)]
    pub enabled: bool,
    /// What it has to know, by kind.
    #[schema(value_type = SinkConfig)]
    pub config: Map<String, Value>,
    /// How many seconds the target goes on with an old token; accounts are refreshed that much earlier. Default by
    /// kind: 600 for One-API (its `SYNC_FREQUENCY`), 60 for New-API, else 0.
    #[validate(range(min = 0, max = 86_400))]
    #[schema(nullable = false, minimum = 0, maximum = 86_400, example = 600)]
    pub sync_delay_s: Option<i64>,
}

fn yes() -> bool {
    true
}

/// What to change about a sink.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SinkPatch {
    /// Unique name.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 64, example = "One-API")]
    pub name: Patch<String>,
    /// Whether anything is delivered. When it is switched on, what was missed is pushed.
    #[serde(default)]
    #[schema(value_type = bool, required = false, example = true)]
    pub enabled: Patch<bool>,
    /// A merge patch of its own: members that are absent stay, secret ones too; null takes one away. After a change,
    /// everything is pushed anew.
    #[serde(default)]
    #[schema(value_type = SinkConfig, required = false)]
    pub config: Patch<Map<String, Value>>,
    /// How many seconds the target goes on with an old token; null: the default of its kind.
    #[serde(default)]
    #[schema(value_type = Option<i64>, required = false, minimum = 0, maximum = 86_400, example = 600)]
    pub sync_delay_s: Patch<i64>,
}

impl SinkPatch {
    /// The rules of a new sink, for what is given.
    ///
    /// # Errors
    /// 422 listing the fields.
    pub fn check(&mut self) -> Result<()> {
        let mut wrong = Vec::new();
        let mut refuse = |field: &str, code: &'static str, message: &'static str| {
            wrong.push(FieldError::new(field, code, message));
        };
        match &mut self.name {
            Patch::Null => refuse("name", "required", "cannot be cleared"),
            Patch::Value(name) => {
                *name = name.trim().to_owned();
                if !(1..=64).contains(&name.chars().count()) {
                    refuse("name", "length", "must be 1 to 64 (length)");
                } else if printable(name).is_err() {
                    refuse("name", "control_character", "must not hold control characters");
                }
            }
            Patch::Absent => {}
        }
        if self.enabled == Patch::Null {
            refuse("enabled", "required", "cannot be cleared");
        }
        if self.config == Patch::Null {
            refuse("config", "required", "cannot be cleared");
        }
        if self.sync_delay_s.value().is_some_and(|delay| !(0..=LONGEST_DELAY).contains(delay)) {
            refuse("sync_delay_s", "range", "must be 0 to 86400 (range)");
        }
        if wrong.is_empty() { Ok(()) } else { Err(Error::invalid(wrong)) }
    }
}

/// A sink.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SinkView {
    /// Identifier.
    #[schema(example = 3)]
    pub id: i64,
    /// Unique name.
    #[schema(example = "One-API")]
    pub name: String,
    /// What kind of place it is.
    pub kind: SinkKind,
    /// Whether anything is delivered.
    #[schema(example = true)]
    pub enabled: bool,
    /// What it knows, without secrets.
    #[schema(value_type = SinkConfig)]
    pub config: Value,
    /// Secret members of the configuration that are set.
    #[schema(value_type = Vec<String>, example = json!(["access_token"]))]
    pub secrets: Vec<&'static str>,
    /// How many seconds the target goes on with an old token.
    #[schema(example = 600)]
    pub sync_delay_s: i64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    pub created_at: UtcMillis,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    pub updated_at: UtcMillis,
}

impl TryFrom<Model> for SinkView {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let kind = SinkKind::parse(&row.kind)?;
        let config: Map<String, Value> = serde_json::from_str(&row.config).map_err(Error::internal)?;
        Ok(Self {
            id: row.id,
            name: row.name,
            kind,
            enabled: row.enabled,
            secrets: secret_members(kind, &config),
            config: json!(config),
            sync_delay_s: row.sync_delay_s,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Which sinks to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SinkFilter {
    /// Of this kind.
    #[param(nullable = false, inline)]
    pub kind: Option<SinkKind>,
    /// Switched on, or off.
    #[param(nullable = false)]
    pub enabled: Option<bool>,
}
