//! What crosses the wire.

mod patch;

use entity::{UtcMillis, notification_channel::Model};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use validator::Validate;

pub(super) use self::patch::{ChannelChange, ChannelPatch};
use super::{channel, config::Config, kinds::ChannelKind, quiet::QuietHours};
use crate::base::{
    error::{Error, FieldError, Result},
    event::EventKind,
    http_client::HttpClient,
    input::{printable, trimmed},
    secret::Sealer,
};

/// Longest interval: a week.
const LONGEST_INTERVAL_S: i64 = 604_800;

/// A channel to make.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "ops", "kind": "bark", "events": ["token.dead", "provider.paused"], "quiet_hours": "22:00-08:00", "min_interval_s": 3600, "config": {"device_key": "ynJ5Ft4atkMkWeo2PAvFhF"}}))]
pub struct NewChannel {
    /// Unique name.
    #[serde(deserialize_with = "trimmed")]
    #[validate(length(min = 1, max = 191), custom(function = "printable"))]
    #[schema(min_length = 1, max_length = 191)]
    pub name: String,
    /// The service. It cannot be changed.
    pub kind: ChannelKind,
    /// Whether it is used. Default true.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub enabled: bool,
    /// What is told here. Null or absent: everything but `token.refreshed`.
    #[serde(default)]
    pub events: Option<Vec<EventKind>>,
    /// When nothing is told, in `server.timezone`, over midnight if it ends earlier than it begins. What falls into
    /// these hours is told in one message when they are over.
    #[serde(default)]
    pub quiet_hours: Option<String>,
    /// What is told all the same.
    #[serde(default)]
    pub break_through: Option<Vec<EventKind>>,
    /// For how many seconds the same event of the same subject is not told again. Default 0.
    #[serde(default)]
    #[validate(range(min = 0, max = "LONGEST_INTERVAL_S"))]
    #[schema(minimum = 0, maximum = 604_800, default = 0)]
    pub min_interval_s: i64,
    /// What the service has to know; the members depend on the kind.
    #[schema(value_type = Object)]
    pub config: Map<String, Value>,
}

fn yes() -> bool {
    true
}

/// A channel that may be made.
#[derive(Clone, Debug)]
pub(super) struct CheckedChannel {
    pub(super) name: String,
    pub(super) kind: ChannelKind,
    pub(super) enabled: bool,
    pub(super) events: Vec<EventKind>,
    pub(super) quiet_hours: Option<String>,
    pub(super) break_through: Vec<EventKind>,
    pub(super) min_interval_s: i64,
    pub(super) config: Config,
}

impl NewChannel {
    /// Checks what depends on the kind, and the hours.
    ///
    /// # Errors
    /// 422 with every field that is wrong.
    pub(super) fn checked(self, http: &HttpClient) -> Result<CheckedChannel> {
        let mut wrong = Vec::new();
        let quiet_hours = self.quiet_hours.map(|text| hours(&text, &mut wrong));
        let config = Config::check(&self.config, self.kind.fields(), http);
        let config = match (config, wrong.is_empty()) {
            (Ok(config), true) => config,
            (config, _) => {
                return Err(Error::invalid(config.err().unwrap_or_default().into_iter().chain(wrong).collect()));
            }
        };
        Ok(CheckedChannel {
            name: self.name,
            kind: self.kind,
            enabled: self.enabled,
            events: each_once(self.events.unwrap_or_else(by_default)),
            quiet_hours,
            break_through: each_once(self.break_through.unwrap_or_default()),
            min_interval_s: self.min_interval_s,
            config,
        })
    }
}

fn by_default() -> Vec<EventKind> {
    EventKind::ALL.iter().copied().filter(|kind| kind.is_default()).collect()
}

fn each_once(mut events: Vec<EventKind>) -> Vec<EventKind> {
    events.sort_unstable();
    events.dedup();
    events
}

/// The hours as they are kept.
fn hours(text: &str, wrong: &mut Vec<FieldError>) -> String {
    match QuietHours::parse(text) {
        Ok(hours) => hours.to_string(),
        Err(message) => {
            wrong.push(FieldError::new("quiet_hours", "format", message));
            String::new()
        }
    }
}

/// A channel, without its secrets.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 3, "name": "ops", "kind": "bark", "enabled": true, "events": ["token.dead", "provider.paused"], "quiet_hours": "22:00-08:00", "break_through": [], "min_interval_s": 3600, "config": {"device_key": "…FhFx"}, "paused_until": null, "created_at": "2026-11-21T04:31:00.000Z", "updated_at": "2026-11-21T04:31:00.000Z"}))]
pub struct ChannelView {
    /// Identifier.
    pub id: i64,
    /// Unique name.
    pub name: String,
    /// The service.
    pub kind: ChannelKind,
    /// Whether it is used.
    pub enabled: bool,
    /// What is told here.
    pub events: Vec<EventKind>,
    /// When nothing is told, in `server.timezone`.
    #[schema(required)]
    pub quiet_hours: Option<String>,
    /// What is told all the same.
    pub break_through: Vec<EventKind>,
    /// For how many seconds the same event of the same subject is not told again.
    pub min_interval_s: i64,
    /// Every member that is set. Secrets by their last four characters, short ones as `true`.
    #[schema(value_type = Object)]
    pub config: Map<String, Value>,
    /// Nothing is sent before: the service asked for it.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    pub paused_until: Option<UtcMillis>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: UtcMillis,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: UtcMillis,
}

impl ChannelView {
    /// What is shown of a row.
    ///
    /// # Errors
    /// 500 when its configuration does not open.
    pub(super) fn new(row: Model, sealer: &Sealer) -> Result<Self> {
        let kind = ChannelKind::parse(&row.kind).ok_or_else(|| Error::internal("a channel is of no kind"))?;
        Ok(Self {
            config: channel::config(&row, sealer)?.shown(kind.fields()),
            kind,
            events: channel::events(&row.events),
            break_through: channel::events(&row.break_through),
            id: row.id,
            name: row.name,
            enabled: row.enabled,
            quiet_hours: row.quiet_hours,
            min_interval_s: row.min_interval_s,
            paused_until: row.paused_until,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// How a test went.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({"delivered": false, "detail": "code 400: failed to get device token"}))]
pub struct TestResult {
    /// Whether the service has taken the message.
    pub delivered: bool,
    /// What the service, or the way to it, says.
    pub detail: String,
}
