//! Scoped secrets.

use entity::{UtcMillis, api_secret};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use crate::{
    admin::{scope, scope::Scope, secrets},
    base::{
        error::{Error, FieldError, Result},
        input::{Patch, printable, trimmed},
    },
};

/// A secret to make.
#[derive(Clone, Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewSecret {
    /// Unique name.
    #[serde(deserialize_with = "trimmed")]
    #[validate(length(min = 1, max = 64), custom(function = "printable"))]
    #[schema(min_length = 1, max_length = 64, example = "gateway")]
    pub name: String,
    /// What it may do; at least one.
    #[validate(length(min = 1, max = 64))]
    #[schema(min_items = 1, max_items = 64, example = json!(["keys:verify", "usage:write"]))]
    pub scopes: Vec<Scope>,
    /// From when it is refused; null or absent: never. In the future.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime, example = "2027-11-21T04:31:00.000Z")]
    pub expires_at: Option<UtcMillis>,
}

impl NewSecret {
    /// Refuses an end that is past.
    ///
    /// # Errors
    /// 422.
    pub fn check(&self, now: UtcMillis) -> Result<()> {
        match self.expires_at {
            Some(end) if end <= now => Err(Error::invalid(vec![past()])),
            _ => Ok(()),
        }
    }
}

fn past() -> FieldError {
    FieldError::new("expires_at", "past", "must be in the future")
}

/// What to change about a secret.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SecretPatch {
    /// Unique name.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 64, example = "gateway")]
    pub name: Patch<String>,
    /// What it may do; at least one.
    #[serde(default)]
    #[schema(value_type = Vec<Scope>, required = false, min_items = 1, max_items = 64, example = json!(["keys:verify"]))]
    pub scopes: Patch<Vec<Scope>>,
    /// From when it is refused; null: never. In the future.
    #[serde(default)]
    #[schema(value_type = Option<String>, required = false, format = DateTime, example = "2027-11-21T04:31:00.000Z")]
    pub expires_at: Patch<UtcMillis>,
}

/// A patch that was checked: what each column becomes, if it changes.
#[derive(Clone, Debug)]
pub struct SecretChange {
    /// The new name.
    pub name: Option<String>,
    /// The new scopes.
    pub scopes: Option<Vec<Scope>>,
    /// The new end; the inner `None`: no end.
    pub expires_at: Option<Option<UtcMillis>>,
}

impl SecretPatch {
    /// The same rules as for a new secret; name and scopes cannot be cleared.
    ///
    /// # Errors
    /// 422 with every field that breaks a rule.
    pub fn checked(self, now: UtcMillis) -> Result<SecretChange> {
        let mut wrong = Vec::new();
        let mut refuse = |field: &str, code: &'static str, message: &'static str| {
            wrong.push(FieldError::new(field, code, message));
        };
        let Self { name, scopes, expires_at } = self;
        let name = name.into_change().map(|name| name.map(|name| name.trim().to_owned()));
        match &name {
            Some(None) => refuse("name", "required", "cannot be cleared"),
            Some(Some(name)) if !(1..=64).contains(&name.chars().count()) => {
                refuse("name", "length", "must be 1 to 64 (length)");
            }
            Some(Some(name)) if printable(name).is_err() => {
                refuse("name", "control_character", "must not hold control characters");
            }
            _ => {}
        }
        let scopes = scopes.into_change();
        match &scopes {
            Some(None) => refuse("scopes", "required", "cannot be cleared"),
            Some(Some(scopes)) if !(1..=64).contains(&scopes.len()) => {
                refuse("scopes", "length", "must be 1 to 64 (length)");
            }
            _ => {}
        }
        if expires_at.value().is_some_and(|end| *end <= now) {
            wrong.push(past());
        }
        if wrong.is_empty() {
            Ok(SecretChange { name: name.flatten(), scopes: scopes.flatten(), expires_at: expires_at.into_change() })
        } else {
            Err(Error::invalid(wrong))
        }
    }
}

/// A secret; the secret itself is not kept.
#[derive(Serialize, ToSchema)]
pub struct SecretView {
    /// Identifier.
    #[schema(example = 7)]
    pub id: i64,
    /// Unique name among those that are not revoked.
    #[schema(example = "gateway")]
    pub name: String,
    /// Last four characters, to tell it from others.
    #[schema(example = "a1b2")]
    pub last4: String,
    /// What it may do.
    #[schema(example = json!(["keys:verify", "usage:write"]))]
    pub scopes: Vec<Scope>,
    /// From when it is refused; null: never.
    #[schema(required, value_type = Option<String>, format = DateTime, example = "2027-11-21T04:31:00.000Z")]
    pub expires_at: Option<UtcMillis>,
    /// When it was revoked.
    #[schema(required, value_type = Option<String>, format = DateTime, example = json!(null))]
    pub revoked_at: Option<UtcMillis>,
    /// Last use, to the minute.
    #[schema(required, value_type = Option<String>, format = DateTime, example = "2026-11-22T10:05:00.000Z")]
    pub last_used_at: Option<UtcMillis>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    pub created_at: UtcMillis,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime, example = "2026-11-21T04:31:00.000Z")]
    pub updated_at: UtcMillis,
}

impl From<api_secret::Model> for SecretView {
    fn from(row: api_secret::Model) -> Self {
        Self {
            id: row.id,
            name: secrets::shown_name(&row).to_owned(),
            last4: row.last4,
            scopes: scope::split(&row.scopes),
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A new secret, in clear this once.
#[derive(Serialize, ToSchema)]
pub struct CreatedSecret {
    /// What lists show from now on.
    #[serde(flatten)]
    pub view: SecretView,
    /// The secret itself, for `X-API-Secret`. It is not shown again.
    #[schema(example = "5f0c6c1e1b0d4a7b9f3e2d8c7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0fa1b2")]
    pub secret: String,
}

/// Which secrets to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SecretFilter {
    /// Whether revoked ones are listed too.
    #[param(nullable = false, default = false)]
    pub revoked: Option<bool>,
}
