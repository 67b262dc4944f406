//! What is done to many accounts at once.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::filter::{AccountFilter, Selection, StrictFilter};
use crate::{
    base::{
        error::{Kind, Result},
        input::Patch,
        secret::Secret,
    },
    scheduler::TaskView,
};

macro_rules! selecting {
    ($($name:ident)*) => {$(
        impl $name {
            /// The accounts it is about.
            ///
            /// # Errors
            /// 422 unless there is one of `ids` and `filter`.
            pub fn selection(&self) -> Result<Selection> {
                Selection::of(self.ids.clone(), self.filter.clone())
            }
        }
    )*};
}

selecting! { BatchDelete BatchRefresh BatchUpdate }

/// Accounts to delete: `ids` or `filter`.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ids": [7, 8]}))]
pub struct BatchDelete {
    /// 1 to 10 000 numbers of accounts.
    #[schema(nullable = false, min_items = 1, max_items = 10000)]
    pub ids: Option<Vec<i64>>,
    /// All that fit, up to 10 000. An empty filter fits every account.
    #[schema(value_type = Option<AccountFilter>, nullable = false)]
    pub filter: Option<StrictFilter>,
}

/// Accounts to refresh: `ids` or `filter`.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"filter": {"tag": "team"}}))]
pub struct BatchRefresh {
    /// 1 to 10 000 numbers of accounts.
    #[schema(nullable = false, min_items = 1, max_items = 10000)]
    pub ids: Option<Vec<i64>>,
    /// All that fit, up to 10 000. An empty filter fits every account.
    #[schema(value_type = Option<AccountFilter>, nullable = false)]
    pub filter: Option<StrictFilter>,
}

/// Accounts to change: `ids` or `filter`, and what to set.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ids": [7, 8], "set": {"tag": "team", "enabled": true}}))]
pub struct BatchUpdate {
    /// 1 to 10 000 numbers of accounts.
    #[schema(nullable = false, min_items = 1, max_items = 10000)]
    pub ids: Option<Vec<i64>>,
    /// All that fit, up to 10 000. An empty filter fits every account.
    #[schema(value_type = Option<AccountFilter>, nullable = false)]
    pub filter: Option<StrictFilter>,
    /// What every one of them gets.
    pub set: AccountSet,
}

/// What may be set of many accounts (JSON merge patch): absent stays, null clears.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountSet {
    /// Name of the provider; cannot be cleared.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 64)]
    pub provider: Patch<String>,
    /// The OAuth client; null: that of the provider.
    #[serde(default)]
    #[schema(value_type = Option<String>, required = false, max_length = 255)]
    pub client_id: Patch<String>,
    /// `http`, `https`, `socks5` or `socks5h` URL; null: as the settings choose.
    #[serde(default)]
    #[schema(value_type = Option<String>, required = false, max_length = 1000)]
    pub proxy: Patch<Secret>,
    /// Up to 191 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, required = false, max_length = 191)]
    pub tag: Patch<String>,
    /// Up to 10 000 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, required = false, max_length = 10000)]
    pub memo: Patch<String>,
    /// Whether they are refreshed and served; cannot be cleared.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    pub enabled: Patch<bool>,
}

/// What came of it, one by one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AccountsDone {
    /// In the order of `ids`, or by number.
    pub results: Vec<AccountDone>,
}

/// What came of one account.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 7, "status": 200, "code": null}))]
pub struct AccountDone {
    /// Number of the account.
    pub id: i64,
    /// HTTP status that it would have been answered with by itself.
    pub status: u16,
    /// Code of the problem, if there was one.
    pub code: Option<&'static str>,
}

impl AccountDone {
    /// It was done.
    #[must_use]
    pub const fn done(id: i64, status: u16) -> Self {
        Self { id, status, code: None }
    }

    /// It was not.
    #[must_use]
    pub fn failed(id: i64, kind: &'static Kind) -> Self {
        Self { id, status: kind.class.status().as_u16(), code: Some(kind.code) }
    }
}

/// A batch that goes on in the background.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefreshStarted {
    /// The task to follow it by.
    #[schema(format = Uuid, example = "0198f1b2-5f0a-7c3e-9a51-3f6f0c2b7d11")]
    pub task_id: String,
    /// The task.
    #[serde(flatten)]
    pub task: TaskView,
}
