//! Many accounts at once.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use validator::Validate;

use super::account::NewAccount;
use crate::base::{
    error::{Error, Result},
    secret::Secret,
};

/// The form of what is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ImportFormat {
    /// A refresh token a line, as `rt`, `email----rt` or `rt,email,biz_id,memo`.
    Text,
    /// A table with a header.
    Csv,
    /// A list of refresh tokens, or of objects.
    Json,
}

/// Accounts to import.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"format": "text", "content": "ann@example.org----rt_5f0c2b7d1193\nrt=rt_4a518c3e0198", "defaults": {"provider": "openai-ios", "tag": "team"}, "refresh": false}))]
pub struct AccountImport {
    /// The form of `content`.
    pub format: ImportFormat,
    /// Up to 10 000 lines, each up to 16 KiB: a text, or, for `json`, the list itself.
    #[schema(value_type = Value)]
    pub content: Content,
    /// For what a line leaves out.
    #[serde(default)]
    pub defaults: ImportDefaults,
    /// Whether the new accounts are refreshed for the first time, in the background. Needs the scope `tokens:refresh`
    /// too.
    #[serde(default)]
    pub refresh: bool,
}

/// What is imported, as it came. May hold tokens.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Content(Box<RawValue>);

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Content {
    /// A text, out of a file.
    ///
    /// # Errors
    /// Never: every text is a JSON string.
    pub fn of_text(text: &str) -> Result<Self> {
        serde_json::value::to_raw_value(text).map(Self).map_err(Error::internal)
    }

    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        serde_json::from_str(self.0.get()).ok()
    }

    /// JSON: that in the text, if it is one, else the content itself.
    #[must_use]
    pub fn json(&self) -> Cow<'_, str> {
        self.text().map_or(Cow::Borrowed(self.0.get()), Cow::Owned)
    }
}

/// What a new account gets where its line says nothing.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportDefaults {
    /// Name of the provider. Default `openai-ios`.
    #[schema(max_length = 64)]
    pub provider: Option<String>,
    /// The OAuth client.
    #[schema(max_length = 255)]
    pub client_id: Option<String>,
    /// The proxy.
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub proxy: Option<Secret>,
    /// The tag.
    #[schema(max_length = 191)]
    pub tag: Option<String>,
    /// Whether it is enabled. Default true.
    pub enabled: Option<bool>,
}

impl ImportDefaults {
    /// Fills what the line left out.
    #[must_use]
    pub fn fill(&self, new: NewAccount) -> NewAccount {
        NewAccount {
            provider: new.provider.or_else(|| self.provider.clone()),
            client_id: new.client_id.or_else(|| self.client_id.clone()),
            proxy: new.proxy.or_else(|| self.proxy.clone()),
            tag: new.tag.or_else(|| self.tag.clone()),
            enabled: new.enabled.or(self.enabled),
            ..new
        }
    }
}

/// What came of an import.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({"results": [{"line": 1, "status": "created", "reason": null, "id": 7}, {"line": 3, "status": "duplicate", "reason": "line 1 has the same refresh token", "id": null}], "created": 1, "duplicate": 1, "invalid": 0, "task_id": null}))]
pub struct ImportDone {
    /// Each line that is not blank, in order.
    pub results: Vec<ImportResult>,
    /// New accounts.
    pub created: usize,
    /// Lines whose refresh token is stored already, or stands in an earlier line.
    pub duplicate: usize,
    /// Lines that cannot be an account.
    pub invalid: usize,
    /// The task of the first refresh, if one was asked for.
    pub task_id: Option<String>,
}

/// What came of one line.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ImportResult {
    /// Number of the line, from 1; in a JSON list, of the element.
    pub line: usize,
    /// What came of it.
    pub status: ImportStatus,
    /// Why it is no new account; never a token.
    pub reason: Option<String>,
    /// Number of the new account.
    pub id: Option<i64>,
}

/// What can come of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImportStatus {
    /// A new account.
    Created,
    /// The refresh token is known.
    Duplicate,
    /// It cannot be an account.
    Invalid,
}
