//! What crosses the wire. The members are the rows of the table.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use entity::{UtcMillis, setting::Model};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, SchemaType, Type},
    },
};
use validator::{Validate, ValidationErrors};

use super::{
    store,
    table::{ENTRIES, Entry, Given, Kind},
    values::Values,
};
use crate::{base::secret::Sealer, config::Config};

/// The settings: what holds, by name, and in `settings` what there is to know of each.
#[derive(Clone, Debug, Serialize)]
pub struct SettingsView {
    #[serde(flatten)]
    values: Map<String, Value>,
    settings: Vec<SettingView>,
}

/// A setting.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SettingView {
    /// Its name.
    #[schema(example = "refresh_concurrency")]
    name: &'static str,
    /// What it means.
    #[schema(example = "Refreshes at once: of those that are due, and of batches.")]
    about: &'static str,
    /// `switch`, `number`, `choice` or `proxies`.
    #[schema(example = "number")]
    kind: &'static str,
    /// What holds.
    #[schema(schema_with = any_value)]
    value: Value,
    /// What holds without the setting.
    #[schema(schema_with = any_value)]
    default: Value,
    /// Smallest value of a number.
    #[schema(required, example = 1)]
    minimum: Option<u32>,
    /// Largest value of a number.
    #[schema(required, example = 1024)]
    maximum: Option<u32>,
    /// What may be chosen.
    #[schema(required, example = json!(null))]
    choices: Option<&'static [&'static str]>,
    /// Where the value comes from: `setting` when an admin set it, else `configuration` where the configuration has
    /// such a value, else `default`.
    #[schema(example = "setting")]
    source: &'static str,
    /// The configuration value that it outranks.
    #[schema(required, example = "refresh.concurrency")]
    configuration: Option<&'static str>,
    /// When an admin set it.
    #[schema(required, value_type = Option<String>, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    updated_at: Option<UtcMillis>,
}

impl SettingsView {
    pub(super) fn new(config: &Config, rows: &[Model], sealer: &Sealer) -> Self {
        let configured = Values::configured(config);
        let view = |entry: &'static Entry| {
            let row = rows.iter().find(|row| row.name == entry.name);
            let set = row.and_then(|row| Some((store::read(row, sealer)?.1, row.updated_at)));
            SettingView::new(entry, &entry.get(&configured), set)
        };
        Self::of(ENTRIES.iter().map(view).collect())
    }

    fn of(settings: Vec<SettingView>) -> Self {
        let values = settings.iter().map(|one| (one.name.to_owned(), one.value.clone())).collect();
        Self { values, settings }
    }

    /// As they are before anybody sets or configures anything.
    fn example() -> Self {
        let values = Values::configured(&Config::default());
        Self::of(ENTRIES.iter().map(|entry| SettingView::new(entry, &entry.get(&values), None)).collect())
    }
}

impl SettingView {
    fn new(entry: &'static Entry, default: &Given, set: Option<(Given, UtcMillis)>) -> Self {
        let (kind, minimum, maximum, choices) = match entry.kind {
            Kind::Switch(_) => ("switch", None, None, None),
            Kind::Number(min, max, _) => ("number", Some(min), Some(max), None),
            Kind::Word(words, ..) => ("choice", None, None, Some(words)),
            Kind::Proxies(_) => ("proxies", None, None, None),
        };
        let without = if entry.key.is_some() { "configuration" } else { "default" };
        Self {
            name: entry.name,
            about: entry.about,
            kind,
            value: set.as_ref().map_or(default, |(given, _)| given).shown(),
            default: default.shown(),
            minimum,
            maximum,
            choices,
            source: if set.is_some() { "setting" } else { without },
            configuration: entry.key,
            updated_at: set.map(|(_, updated_at)| updated_at),
        }
    }
}

/// A merge patch: names and values; null goes back to the configuration. Its values may be secret.
#[derive(Clone, Deserialize)]
pub struct SettingsPatch(pub BTreeMap<String, Value>);

impl fmt::Debug for SettingsPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The names and ranges are in the table of settings; it checks them.
impl Validate for SettingsPatch {
    fn validate(&self) -> Result<(), ValidationErrors> {
        Ok(())
    }
}

impl ToSchema for SettingsPatch {
    fn name() -> Cow<'static, str> {
        "SettingsPatch".into()
    }
}

impl PartialSchema for SettingsPatch {
    fn schema() -> RefOr<Schema> {
        let about = "Settings by name; what is absent stays, null goes back to the configuration.";
        let object = ENTRIES.iter().fold(ObjectBuilder::new().description(Some(about)), |object, entry| {
            object.property(entry.name, entry.schema(true))
        });
        object.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false))).into()
    }
}

impl ToSchema for SettingsView {
    fn name() -> Cow<'static, str> {
        "SettingsView".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((SettingView::name().into(), SettingView::schema()));
        SettingView::schemas(schemas);
    }
}

impl PartialSchema for SettingsView {
    fn schema() -> RefOr<Schema> {
        let about = "The settings: what holds, by name, and in `settings` what there is to know of each.";
        let list = ArrayBuilder::new()
            .items(RefOr::Ref(utoipa::openapi::Ref::from_schema_name(SettingView::name())))
            .description(Some("Each setting, in the order of this list of members."));
        let object = ENTRIES.iter().fold(ObjectBuilder::new().description(Some(about)), |object, entry| {
            object.property(entry.name, entry.schema(false)).required(entry.name)
        });
        object.property("settings", list).required("settings").examples([json!(Self::example())]).into()
    }
}

impl Entry {
    fn schema(&self, or_null: bool) -> RefOr<Schema> {
        if let Kind::Proxies(_) = self.kind {
            let url =
                ObjectBuilder::new().schema_type(Type::String).examples([json!("socks5://***@proxy.example:1080")]);
            let kind = if or_null { SchemaType::from_iter([Type::Array, Type::Null]) } else { Type::Array.into() };
            return ArrayBuilder::new().schema_type(kind).items(url).description(Some(self.about)).into();
        }
        let of = |kind| if or_null { SchemaType::from_iter([kind, Type::Null]) } else { kind.into() };
        let object = ObjectBuilder::new().description(Some(self.about));
        match self.kind {
            Kind::Number(min, max, _) => {
                object.schema_type(of(Type::Integer)).minimum(Some(min)).maximum(Some(max)).into()
            }
            Kind::Word(words, ..) => {
                let words = words.iter().map(|word| json!(word)).chain(or_null.then_some(Value::Null));
                object.schema_type(of(Type::String)).enum_values(Some(words)).into()
            }
            _ => object.schema_type(of(Type::Boolean)).into(),
        }
    }
}

/// A boolean, a number, a word or a list of URLs.
fn any_value() -> Schema {
    let kinds = SchemaType::from_iter([Type::Boolean, Type::Integer, Type::String, Type::Array]);
    let about = "`true` or `false`, a number, a word, or a list of URLs, by `kind`.";
    ObjectBuilder::new().schema_type(kinds).description(Some(about)).examples([json!(32)]).into()
}
