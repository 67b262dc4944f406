//! Which accounts, and in which order.

use clap::ValueEnum;
use entity::refresh_token::Column;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::base::error::{Error, FieldError, Result};

/// How an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[schema(as = AccountState)]
pub enum State {
    /// Never refreshed with its present refresh token.
    New,
    /// The last refresh succeeded.
    Ok,
    /// The last refresh failed, and will be tried again.
    Failing,
    /// The refresh token is refused for good.
    Dead,
    /// A refresh was begun, and nobody knows how it ended.
    Uncertain,
}

impl State {
    /// As the database has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ok => "ok",
            Self::Failing => "failing",
            Self::Dead => "dead",
            Self::Uncertain => "uncertain",
        }
    }
}

/// Which accounts: those that fit every member that is given.
#[derive(Clone, Debug, Default, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(example = json!({"tag": "team", "enabled": true}))]
pub struct AccountFilter {
    /// The whole `biz_id`.
    #[param(nullable = false, example = "team-a")]
    #[schema(nullable = false)]
    pub biz_id: Option<String>,
    /// The whole e-mail address, in upper or lower case.
    #[param(nullable = false, example = "ann@example.org")]
    #[schema(nullable = false)]
    pub email: Option<String>,
    /// The whole tag, in upper or lower case.
    #[param(nullable = false, example = "team")]
    #[schema(nullable = false)]
    pub tag: Option<String>,
    /// The plan: `free`, `plus`, …
    #[serde(rename = "type")]
    #[param(nullable = false, example = "plus")]
    #[schema(nullable = false)]
    pub account_type: Option<String>,
    /// How it stands.
    #[param(nullable = false, inline)]
    #[schema(nullable = false)]
    pub state: Option<State>,
    /// Whether it is enabled.
    #[param(nullable = false)]
    #[schema(nullable = false)]
    pub enabled: Option<bool>,
    /// Name of the provider.
    #[param(nullable = false, example = "openai-ios")]
    #[schema(nullable = false)]
    pub provider: Option<String>,
    /// The access token lives, and ends within this many seconds.
    #[param(nullable = false, example = 3600)]
    #[schema(nullable = false)]
    pub expiring_within: Option<u32>,
    /// Part of biz_id, e-mail address, user name, tag or memo, in upper or lower case.
    #[param(nullable = false, example = "ann")]
    #[schema(nullable = false)]
    pub search: Option<String>,
}

/// The members of [`AccountFilter`].
const MEMBERS: &[&str] =
    &["biz_id", "email", "tag", "type", "state", "enabled", "provider", "expiring_within", "search"];

/// The filter in a body, where a member that is not one is refused: a slip of the pen must not select everything.
#[derive(Clone, Debug, Default)]
pub struct StrictFilter(pub AccountFilter);

impl<'de> Deserialize<'de> for StrictFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let members = Map::<String, Value>::deserialize(deserializer)?;
        if let Some(unknown) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(de::Error::unknown_field(unknown, MEMBERS));
        }
        serde_json::from_value(Value::Object(members)).map(Self).map_err(de::Error::custom)
    }
}

/// In which order accounts are listed: the name of a member, `-` before it for descending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[schema(as = AccountSort)]
pub enum Sort {
    /// Oldest first.
    #[serde(rename = "created_at")]
    Created,
    /// Newest first.
    #[default]
    #[serde(rename = "-created_at")]
    CreatedDown,
    /// The access token that ends first.
    #[serde(rename = "access_expires_at")]
    Expires,
    /// The access token that ends last.
    #[serde(rename = "-access_expires_at")]
    ExpiresDown,
    /// Due first.
    #[serde(rename = "next_refresh_at")]
    Next,
    /// Due last.
    #[serde(rename = "-next_refresh_at")]
    NextDown,
    /// Refreshed longest ago.
    #[serde(rename = "last_refresh_at")]
    Last,
    /// Refreshed last.
    #[serde(rename = "-last_refresh_at")]
    LastDown,
    /// By address.
    #[serde(rename = "email")]
    Email,
    /// By address, from the end.
    #[serde(rename = "-email")]
    EmailDown,
}

impl Sort {
    /// The column, and whether it descends.
    #[must_use]
    pub const fn parts(self) -> (Column, bool) {
        match self {
            Self::Created => (Column::CreatedAt, false),
            Self::CreatedDown => (Column::CreatedAt, true),
            Self::Expires => (Column::AccessExpiresAt, false),
            Self::ExpiresDown => (Column::AccessExpiresAt, true),
            Self::Next => (Column::NextRefreshAt, false),
            Self::NextDown => (Column::NextRefreshAt, true),
            Self::Last => (Column::LastRefreshAt, false),
            Self::LastDown => (Column::LastRefreshAt, true),
            Self::Email => (Column::Email, false),
            Self::EmailDown => (Column::Email, true),
        }
    }
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Order {
    /// What to sort by; `-` before it for descending. Accounts without a value count as smaller than all others.
    #[param(nullable = false, inline, example = "-created_at")]
    pub sort: Option<Sort>,
}

/// Most accounts of one batch.
pub const MOST: usize = 10_000;

/// The accounts of a batch.
#[derive(Clone, Debug)]
pub enum Selection {
    /// These, each once, in this order.
    Ids(Vec<i64>),
    /// Those that fit.
    Filter(AccountFilter),
}

impl Selection {
    /// Reads the two members of a body, of which there must be one.
    ///
    /// # Errors
    /// 422 when there is none or both, or the ids cannot be.
    pub fn of(ids: Option<Vec<i64>>, filter: Option<StrictFilter>) -> Result<Self> {
        let wrong =
            |code: &'static str, message: String| Err(Error::invalid(vec![FieldError::new("ids", code, message)]));
        match (ids, filter) {
            (None, Some(filter)) => Ok(Self::Filter(filter.0)),
            (Some(ids), None) if ids.is_empty() || ids.len() > MOST => {
                wrong("length", format!("must be 1 to {MOST} numbers"))
            }
            (Some(ids), None) if ids.iter().any(|id| *id <= 0) => wrong("range", "must be positive numbers".to_owned()),
            (Some(ids), None) => {
                let mut seen = std::collections::HashSet::new();
                Ok(Self::Ids(ids.into_iter().filter(|id| seen.insert(*id)).collect()))
            }
            (None, None) => wrong("required", "or 'filter' is required".to_owned()),
            (Some(_), Some(_)) => wrong("exclusive", "must not be given together with 'filter'".to_owned()),
        }
    }
}
