//! A token, shown on purpose.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

/// Which token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub enum TokenField {
    /// The present one.
    #[serde(rename = "refresh_token")]
    Refresh,
    /// The one last got.
    #[serde(rename = "access_token")]
    Access,
    /// The one last got.
    #[serde(rename = "id_token")]
    Id,
    /// The one before the present one.
    #[serde(rename = "previous_refresh_token")]
    Previous,
}

impl TokenField {
    /// Its name, which is that of its column.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refresh => "refresh_token",
            Self::Access => "access_token",
            Self::Id => "id_token",
            Self::Previous => "previous_refresh_token",
        }
    }
}

/// What to show.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"field": "refresh_token"}))]
pub struct RevealToken {
    /// Which token.
    pub field: TokenField,
}

/// A token in clear.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"id": 7, "field": "refresh_token", "value": "rt_5f0c2b7d11934a518c3e0198f1b25f0a"}))]
pub struct RevealedToken {
    /// Number of the account.
    pub id: i64,
    /// Which token it is.
    pub field: TokenField,
    /// The token itself.
    pub value: String,
}
