//! Apps.

use entity::{UtcMillis, app};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use crate::base::{
    error::{Error, Result},
    input::{Patch, invalid, printable, trimmed},
};

/// An app, as its users see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"id": 1, "name": "Classworks", "description": "Homework board", "developerName": "ZeroCat", "developerLink": "https://example.org", "homepageLink": null, "iconHash": null, "repositoryUrl": null, "metadata": null, "createdAt": "2026-11-21T04:31:00.000Z", "updatedAt": "2026-11-21T04:31:00.000Z"}))]
pub struct App {
    /// Number of the app.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Who makes it.
    pub developer_name: String,
    /// Their page.
    pub developer_link: Option<String>,
    /// Its page.
    pub homepage_link: Option<String>,
    /// Hash of its icon.
    pub icon_hash: Option<String>,
    /// Where its source is.
    pub repository_url: Option<String>,
    /// Any JSON.
    pub metadata: Value,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: UtcMillis,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: UtcMillis,
}

impl From<app::Model> for App {
    fn from(row: app::Model) -> Self {
        let metadata = row.metadata.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            developer_name: row.developer_name,
            developer_link: row.developer_link,
            homepage_link: row.homepage_link,
            icon_hash: row.icon_hash,
            repository_url: row.repository_url,
            metadata,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// An app, as admins see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 1, "name": "Classworks", "description": "Homework board", "developer_name": "ZeroCat", "developer_link": "https://example.org", "homepage_link": null, "icon_hash": null, "repository_url": null, "metadata": null, "created_at": "2026-11-21T04:31:00.000Z", "updated_at": "2026-11-21T04:31:00.000Z"}))]
pub struct AdminApp {
    /// Number of the app.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Who makes it.
    pub developer_name: String,
    /// Their page.
    pub developer_link: Option<String>,
    /// Its page.
    pub homepage_link: Option<String>,
    /// Hash of its icon.
    pub icon_hash: Option<String>,
    /// Where its source is.
    pub repository_url: Option<String>,
    /// Any JSON.
    pub metadata: Value,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: UtcMillis,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: UtcMillis,
}

impl From<app::Model> for AdminApp {
    fn from(row: app::Model) -> Self {
        let App {
            id,
            name,
            description,
            developer_name,
            developer_link,
            homepage_link,
            icon_hash,
            repository_url,
            metadata,
            created_at,
            updated_at,
        } = row.into();
        Self {
            id,
            name,
            description,
            developer_name,
            developer_link,
            homepage_link,
            icon_hash,
            repository_url,
            metadata,
            created_at,
            updated_at,
        }
    }
}

/// An app to register.
#[derive(Clone, Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Classworks", "developer_name": "ZeroCat", "description": "Homework board"}))]
pub struct NewApp {
    /// 1 to 191 characters.
    #[serde(deserialize_with = "trimmed")]
    #[validate(length(min = 1, max = 191), custom(function = printable))]
    #[schema(min_length = 1, max_length = 191)]
    pub name: String,
    /// 1 to 191 characters.
    #[serde(deserialize_with = "trimmed")]
    #[validate(length(min = 1, max = 191), custom(function = printable))]
    #[schema(min_length = 1, max_length = 191)]
    pub developer_name: String,
    /// Up to 2000 characters.
    #[validate(length(max = 2000), custom(function = printable_lines))]
    #[schema(max_length = 2000)]
    pub description: Option<String>,
    /// Up to 500 characters.
    #[validate(length(max = 500), custom(function = printable))]
    #[schema(max_length = 500)]
    pub developer_link: Option<String>,
    /// Up to 500 characters.
    #[validate(length(max = 500), custom(function = printable))]
    #[schema(max_length = 500)]
    pub homepage_link: Option<String>,
    /// Up to 191 characters.
    #[validate(length(max = 191), custom(function = printable))]
    #[schema(max_length = 191)]
    pub icon_hash: Option<String>,
    /// Up to 500 characters.
    #[validate(length(max = 500), custom(function = printable))]
    #[schema(max_length = 500)]
    pub repository_url: Option<String>,
    /// Any JSON.
    pub metadata: Option<Value>,
}

/// Changes to an app (JSON merge patch): absent stays, null clears.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"description": "Homework board for classrooms", "homepage_link": null}))]
pub struct AppPatch {
    /// 1 to 191 characters; cannot be cleared.
    #[serde(default)]
    #[schema(value_type = String, min_length = 1, max_length = 191)]
    pub name: Patch<String>,
    /// 1 to 191 characters; cannot be cleared.
    #[serde(default)]
    #[schema(value_type = String, min_length = 1, max_length = 191)]
    pub developer_name: Patch<String>,
    /// Up to 2000 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2000)]
    pub description: Patch<String>,
    /// Up to 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub developer_link: Patch<String>,
    /// Up to 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub homepage_link: Patch<String>,
    /// Up to 191 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 191)]
    pub icon_hash: Patch<String>,
    /// Up to 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub repository_url: Patch<String>,
    /// Any JSON.
    #[serde(default)]
    #[schema(value_type = Option<Value>)]
    pub metadata: Patch<Value>,
}

/// Descriptions may have lines.
fn printable_lines(text: &str) -> Result<(), validator::ValidationError> {
    printable(&text.replace(['\n', '\r', '\t'], " "))
}

/// Checks an app by the same rules wherever it comes from: a request or the command line.
///
/// # Errors
/// 422 listing the fields.
pub fn clean(mut app: NewApp) -> Result<NewApp> {
    for name in [&mut app.name, &mut app.developer_name] {
        *name = name.trim().to_owned();
    }
    app.validate().map_err(|errors| invalid(&errors))?;
    Ok(app)
}

/// Which apps.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AppQuery {
    /// How many, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 20, example = 20, nullable = false)]
    pub limit: Option<String>,
    /// How many to leave out.
    #[param(value_type = u64, default = 0, example = 0, nullable = false)]
    pub skip: Option<String>,
    /// Part of name, description or developer's name.
    #[param(nullable = false, example = "class")]
    pub search: Option<String>,
}

/// A page by number of rows, as ClassworksKV's clients ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many.
    pub limit: u64,
    /// How many to leave out.
    pub skip: u64,
}

impl Window {
    /// Reads `limit` (1 to 1000) and `skip`.
    ///
    /// # Errors
    /// 400 when they are no such numbers.
    pub fn parse(limit: Option<&str>, skip: Option<&str>) -> Result<Self> {
        let number = |name: &str, text: Option<&str>, default: u64, least: u64, most: u64| match text.map(str::parse) {
            None => Ok(default),
            Some(Ok(number)) if (least..=most).contains(&number) => Ok(number),
            Some(_) => Err(Error::malformed(format!("'{name}' must be a number of {least} to {most}."))),
        };
        let most = u64::try_from(i64::MAX).unwrap_or_default();
        Ok(Self { limit: number("limit", limit, 20, 1, 1000)?, skip: number("skip", skip, 0, 0, most)? })
    }
}

/// A page of apps.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AppList {
    /// Newest first.
    pub apps: Vec<App>,
    /// How many there are.
    #[schema(example = 1)]
    pub total: u64,
    /// How many were asked for.
    #[schema(example = 20)]
    pub limit: u64,
    /// How many were left out.
    #[schema(example = 0)]
    pub skip: u64,
}
