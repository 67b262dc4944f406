//! Changes to a channel.

use entity::notification_channel::Model;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use validator::Validate;

use super::{LONGEST_INTERVAL_S, by_default, each_once, hours};
use crate::{
    base::{
        error::{Error, FieldError, Result},
        event::EventKind,
        input::{Patch, invalid, printable},
    },
    notify::channel,
};

/// What to change about a channel.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"quiet_hours": null, "config": {"group": "latchkey"}}))]
pub struct ChannelPatch {
    /// Unique name.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 191)]
    pub name: Patch<String>,
    /// Whether it is used. Switching it on ends a pause.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    pub enabled: Patch<bool>,
    /// What is told here; null: everything but `token.refreshed`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<EventKind>>, required = false)]
    pub events: Patch<Vec<EventKind>>,
    /// When nothing is told; null: never.
    #[serde(default)]
    #[schema(value_type = Option<String>, required = false)]
    pub quiet_hours: Patch<String>,
    /// What is told all the same.
    #[serde(default)]
    #[schema(value_type = Option<Vec<EventKind>>, required = false)]
    pub break_through: Patch<Vec<EventKind>>,
    /// For how many seconds the same event of the same subject is not told again; null: 0.
    #[serde(default)]
    #[schema(value_type = Option<i64>, required = false, minimum = 0, maximum = 604_800)]
    pub min_interval_s: Patch<i64>,
    /// A merge patch of the configuration: a member that is absent stays, null takes it away. Any change ends a pause.
    #[serde(default)]
    #[schema(value_type = Object, required = false)]
    pub config: Patch<Map<String, Value>>,
}

/// A patch that was checked but for its configuration, which has to fit the channel.
#[derive(Clone, Debug)]
pub(in crate::notify) struct ChannelChange {
    name: Option<String>,
    enabled: Option<bool>,
    events: Option<Vec<EventKind>>,
    quiet_hours: Option<Option<String>>,
    break_through: Option<Vec<EventKind>>,
    min_interval_s: Option<i64>,
    pub(in crate::notify) config: Option<Map<String, Value>>,
}

impl ChannelPatch {
    /// The same rules as for a new channel.
    ///
    /// # Errors
    /// 422 with every field that breaks a rule.
    pub(in crate::notify) fn checked(self) -> Result<ChannelChange> {
        let mut wrong = Vec::new();
        for (name, is_null) in [
            ("name", self.name == Patch::Null),
            ("enabled", self.enabled == Patch::Null),
            ("config", self.config == Patch::Null),
        ] {
            if is_null {
                wrong.push(FieldError::new(name, "required", "cannot be cleared"));
            }
        }
        let name = self.name.into_change().flatten().map(|name| name.trim().to_owned());
        if let Some(Err(errors)) = name.as_ref().map(|name| Name { name: name.clone() }.validate()) {
            return Err(invalid(&errors));
        }
        let min_interval_s = self.min_interval_s.into_change().map(Option::unwrap_or_default);
        if min_interval_s.is_some_and(|seconds| !(0..=LONGEST_INTERVAL_S).contains(&seconds)) {
            wrong.push(FieldError::new("min_interval_s", "range", format!("must be 0 to {LONGEST_INTERVAL_S}")));
        }
        let quiet_hours = self.quiet_hours.into_change().map(|text| text.map(|text| hours(&text, &mut wrong)));
        if !wrong.is_empty() {
            return Err(Error::invalid(wrong));
        }
        Ok(ChannelChange {
            name,
            enabled: self.enabled.into_change().flatten(),
            events: self.events.into_change().map(|events| each_once(events.unwrap_or_else(by_default))),
            quiet_hours,
            break_through: self.break_through.into_change().map(|events| each_once(events.unwrap_or_default())),
            min_interval_s,
            config: self.config.into_change().flatten(),
        })
    }
}

#[derive(Validate)]
struct Name {
    #[validate(length(min = 1, max = 191), custom(function = "printable"))]
    name: String,
}

impl ChannelChange {
    /// The row as it becomes, but for its configuration.
    pub(in crate::notify) fn applied_to(&self, old: &Model) -> Model {
        let names = |events: &Option<Vec<EventKind>>, old: &str| match events {
            Some(events) if *events != channel::events(old) => json!(events).to_string(),
            _ => old.to_owned(),
        };
        Model {
            name: self.name.clone().unwrap_or_else(|| old.name.clone()),
            enabled: self.enabled.unwrap_or(old.enabled),
            events: names(&self.events, &old.events),
            quiet_hours: self.quiet_hours.clone().unwrap_or_else(|| old.quiet_hours.clone()),
            break_through: names(&self.break_through, &old.break_through),
            min_interval_s: self.min_interval_s.unwrap_or(old.min_interval_s),
            ..old.clone()
        }
    }
}
