//! Changes to accounts.

use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::{AccountSet, rules::Rules};
use crate::base::{error::FieldError, http_client::HttpClient, input::Patch, secret::Secret};

/// Changes to an account (JSON merge patch): absent stays, null clears.
#[derive(Clone, Debug, Default, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"tag": "team", "memo": null, "enabled": true}))]
pub struct AccountPatch {
    /// A new refresh token, which the account starts anew with: state `new`, nothing of its failures, and not due
    /// before somebody asks for a refresh. The old one is kept as the previous one. Cannot be cleared.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 16384)]
    pub refresh_token: Patch<Secret>,
    /// Cannot be cleared.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 191)]
    pub biz_id: Patch<String>,
    /// Name of the provider; cannot be cleared.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 64)]
    pub provider: Patch<String>,
    /// Up to 191 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, required = false, max_length = 191)]
    pub email: Patch<String>,
    /// Up to 191 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, required = false, max_length = 191)]
    pub user_name: Patch<String>,
    /// Up to 64 characters.
    #[serde(default, rename = "type")]
    #[schema(value_type = Option<String>, required = false, max_length = 64)]
    pub account_type: Patch<String>,
    /// A refresh token works only with the client that issued it. Null: that of the provider.
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
    /// Whether it is refreshed and served; cannot be cleared.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    pub enabled: Patch<bool>,
}

/// What becomes of an account's columns; `None` leaves one alone, an inner `None` clears it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// The new refresh token.
    pub refresh_token: Option<Secret>,
    /// The new name.
    pub biz_id: Option<String>,
    /// Name of the new provider.
    pub provider: Option<String>,
    /// The new address.
    pub email: Option<Option<String>>,
    /// The new name of its user.
    pub user_name: Option<Option<String>>,
    /// The new plan.
    pub account_type: Option<Option<String>>,
    /// The new OAuth client.
    pub client_id: Option<Option<String>>,
    /// The new proxy, to be sealed.
    pub proxy: Option<Option<Secret>>,
    /// The new tag.
    pub tag: Option<Option<String>>,
    /// The new notes.
    pub memo: Option<Option<String>>,
    /// Whether it is to be refreshed and served.
    pub enabled: Option<bool>,
}

impl AccountPatch {
    /// Holds it against the rules of a new account.
    ///
    /// # Errors
    /// Every field that breaks one, or that cannot be cleared.
    pub fn checked(self, http: &HttpClient) -> Result<Edit, Vec<FieldError>> {
        let mut rules = Rules::new(http);
        let token = match self.refresh_token {
            Patch::Absent => None,
            Patch::Null => Some(rules.token(&Secret::default())),
            Patch::Value(token) => Some(rules.token(&token)),
        };
        let edit = Edit {
            refresh_token: token,
            biz_id: rules.required("biz_id", self.biz_id, 191),
            provider: rules.required("provider", self.provider, 64),
            email: rules.change("email", self.email, 191),
            user_name: rules.change("user_name", self.user_name, 191),
            account_type: rules.change("type", self.account_type, 64),
            client_id: rules.change("client_id", self.client_id, 255),
            proxy: self.proxy.into_change().map(|proxy| rules.proxy(proxy)),
            tag: rules.change("tag", self.tag, 191),
            memo: rules.memo_change(self.memo),
            enabled: rules.switch("enabled", &self.enabled),
        };
        rules.end(edit)
    }
}

impl AccountSet {
    /// The same for what may be set of many at once.
    ///
    /// # Errors
    /// Every field that breaks a rule, each below `set`; that nothing is to be set.
    pub fn checked(self, http: &HttpClient) -> Result<Edit, Vec<FieldError>> {
        let Self { provider, client_id, proxy, tag, memo, enabled } = self;
        let patch = AccountPatch { provider, client_id, proxy, tag, memo, enabled, ..AccountPatch::default() };
        let below = |error: FieldError| FieldError { field: format!("set.{}", error.field), ..error };
        match patch.checked(http) {
            Err(wrong) => Err(wrong.into_iter().map(below).collect()),
            Ok(edit) if edit == Edit::default() => Err(vec![FieldError::new("set", "required", "sets nothing")]),
            Ok(edit) => Ok(edit),
        }
    }
}
