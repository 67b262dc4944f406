//! What crosses the wire.

use std::collections::BTreeMap;

use entity::{UtcMillis, setting::Model};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use validator::{Validate, ValidationErrors};

use super::{
    store,
    values::{Entry, Values},
};

/// The settings.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SettingsView {
    /// Each setting.
    pub settings: Vec<SettingView>,
}

/// A setting.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SettingView {
    /// Its name, as in the configuration.
    #[schema(example = "kv.rate_read")]
    pub name: &'static str,
    /// What it means.
    #[schema(example = "Reads a minute and token; 0 is unlimited.")]
    pub about: &'static str,
    /// What holds.
    #[schema(example = 2048)]
    pub value: u32,
    /// What is configured.
    #[schema(example = 1024)]
    pub default: u32,
    /// Smallest value.
    #[schema(example = 0)]
    pub minimum: u32,
    /// Largest value.
    #[schema(example = 1_000_000)]
    pub maximum: u32,
    /// Where the value comes from: `setting` when an admin set it, else `configuration`.
    #[schema(example = "setting")]
    pub source: &'static str,
    /// When an admin set it.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    pub updated_at: Option<UtcMillis>,
}

impl SettingsView {
    pub(super) fn new(entries: &'static [Entry], configured: &Values, rows: &[Model]) -> Self {
        let view = |entry: &'static Entry| {
            let set = rows.iter().find(|row| row.name == entry.name);
            let set = set.and_then(|row| Some((store::read(row)?.1, row.updated_at)));
            let (default, (minimum, maximum)) = (entry.get(configured), entry.range());
            SettingView {
                name: entry.name,
                about: entry.key().map_or("", |key| key.about),
                value: set.map_or(default, |(value, _)| value),
                default,
                minimum,
                maximum,
                source: if set.is_some() { "setting" } else { "configuration" },
                updated_at: set.map(|(_, updated_at)| updated_at),
            }
        };
        Self { settings: entries.iter().map(view).collect() }
    }
}

/// A merge patch: names and values; null goes back to the configuration.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(value_type = Object, example = json!({ "kv.rate_read": 2048, "kv.rate_write": null }))]
pub struct SettingsPatch(pub BTreeMap<String, Value>);

/// The names and ranges are in the table of settings; it checks them.
impl Validate for SettingsPatch {
    fn validate(&self) -> Result<(), ValidationErrors> {
        Ok(())
    }
}
