//! Accounts.

use entity::{UtcMillis, refresh_token};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::rules::Rules;
use crate::base::{
    error::FieldError,
    http_client::{HttpClient, without_credentials},
    sealed::Place,
    secret::{Sealer, Secret},
};

/// Of accounts that name no provider.
pub const DEFAULT_PROVIDER: &str = "openai-ios";

/// An account. Its tokens are not part of it: `POST /public-api/tokens/{id}/reveal` shows one.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 7, "biz_id": "team-a", "provider": "openai-ios", "email": "ann@example.org", "user_name": "Ann", "type": "plus", "account_id": "user-8Yz", "refresh_token_last6": "x7Qf2a", "has_access_token": true, "has_previous_refresh_token": false, "access_expires_at": "2026-12-01T04:31:00.000Z", "client_id": null, "proxy": "socks5h://proxy.example:1080", "tag": "team", "memo": null, "enabled": true, "state": "ok", "failure_class": null, "failure_detail": null, "failure_count": 0, "retry_after": null, "last_refresh_at": "2026-11-21T04:31:00.000Z", "next_refresh_at": "2026-11-30T04:31:00.000Z", "version": 3, "created_at": "2026-11-01T04:31:00.000Z", "updated_at": "2026-11-21T04:31:00.000Z"}))]
pub struct AccountView {
    /// Number of the account.
    pub id: i64,
    /// The name you gave it; unique, compared byte by byte.
    pub biz_id: String,
    /// Name of the provider that exchanges its refresh token.
    pub provider: String,
    /// From the provider's tokens, or as entered.
    pub email: Option<String>,
    /// From the provider's tokens, or as entered.
    pub user_name: Option<String>,
    /// The plan: `free`, `plus`, `pro`, `team`, …
    #[serde(rename = "type")]
    pub account_type: Option<String>,
    /// The provider's own id of the account.
    pub account_id: Option<String>,
    /// The end of the refresh token, to tell it from others.
    pub refresh_token_last6: String,
    /// Whether there is an access token, be it expired.
    pub has_access_token: bool,
    /// Whether the refresh token before the present one is kept.
    pub has_previous_refresh_token: bool,
    /// When the access token ends.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub access_expires_at: Option<UtcMillis>,
    /// The OAuth client that issued the refresh token; null: that of the provider.
    pub client_id: Option<String>,
    /// The proxy for its calls, without credentials; null: as the settings choose.
    pub proxy: Option<String>,
    /// To find it by.
    pub tag: Option<String>,
    /// Notes.
    pub memo: Option<String>,
    /// Whether it is refreshed and served.
    pub enabled: bool,
    /// `new`, `ok`, `failing`, `dead` or `uncertain`.
    pub state: String,
    /// How the last refresh failed: `permanent.expired`, `transient.timeout`, …
    pub failure_class: Option<String>,
    /// The same in words.
    pub failure_detail: Option<String>,
    /// Failures in a row.
    pub failure_count: i64,
    /// No attempt before: the provider asked for it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub retry_after: Option<UtcMillis>,
    /// The last refresh that succeeded.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_refresh_at: Option<UtcMillis>,
    /// When it is refreshed by itself; null: not before somebody asks.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_refresh_at: Option<UtcMillis>,
    /// Moves with every new token.
    pub version: i64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: UtcMillis,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: UtcMillis,
}

impl AccountView {
    /// What may be shown of an account. The sealer is for the proxy's address.
    #[must_use]
    pub fn new(row: refresh_token::Model, sealer: &Sealer) -> Self {
        Self {
            proxy: shown_proxy(&row, sealer),
            id: row.id,
            biz_id: row.biz_id.0,
            provider: row.provider,
            email: row.email,
            user_name: row.user_name,
            account_type: row.account_type,
            account_id: row.account_id,
            refresh_token_last6: row.refresh_token_last6,
            has_access_token: row.access_token.is_some(),
            has_previous_refresh_token: row.previous_refresh_token.is_some(),
            access_expires_at: row.access_expires_at,
            client_id: row.client_id,
            tag: row.tag,
            memo: row.memo,
            enabled: row.enabled,
            state: row.state,
            failure_class: row.failure_class,
            failure_detail: row.failure_detail,
            failure_count: row.failure_count,
            retry_after: row.retry_after,
            last_refresh_at: row.last_refresh_at,
            next_refresh_at: row.next_refresh_at,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// An account's proxy without its credentials. One that does not open is told to be so, not hidden: without it the
/// account's calls fail.
pub fn shown_proxy(row: &refresh_token::Model, sealer: &Sealer) -> Option<String> {
    let place = Place { table: "refresh_token", id: row.id, column: "proxy" };
    let proxy = place.unseal(sealer, row.proxy.as_deref()?);
    Some(proxy.map_or_else(|_| "unreadable".to_owned(), |proxy| without_credentials(&proxy)))
}

/// An account to make.
#[derive(Clone, Debug, Default, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"refresh_token": "rt_5f0c2b7d11934a518c3e0198f1b25f0a", "biz_id": "team-a", "provider": "openai-ios", "tag": "team"}))]
pub struct NewAccount {
    /// 1 to 16 384 visible ASCII characters. The same one cannot be stored twice.
    #[schema(value_type = String, min_length = 1, max_length = 16384)]
    pub refresh_token: Secret,
    /// Your name for it, 1 to 191 characters, unique. Default: 32 random hex digits.
    #[schema(max_length = 191)]
    pub biz_id: Option<String>,
    /// Name of the provider. Default `openai-ios`.
    #[schema(max_length = 64)]
    pub provider: Option<String>,
    /// Up to 191 characters.
    #[schema(max_length = 191)]
    pub email: Option<String>,
    /// Up to 191 characters.
    #[schema(max_length = 191)]
    pub user_name: Option<String>,
    /// The plan, up to 64 characters.
    #[serde(rename = "type")]
    #[schema(max_length = 64)]
    pub account_type: Option<String>,
    /// The OAuth client that issued the refresh token. Default: that of the provider.
    #[schema(max_length = 255)]
    pub client_id: Option<String>,
    /// `http`, `https`, `socks5` or `socks5h` URL, with credentials if it wants any.
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub proxy: Option<Secret>,
    /// Up to 191 characters.
    #[schema(max_length = 191)]
    pub tag: Option<String>,
    /// Up to 10 000 characters.
    #[schema(max_length = 10000)]
    pub memo: Option<String>,
    /// Whether it is refreshed and served. Default true.
    pub enabled: Option<bool>,
}

/// An account that passed the rules and can be stored.
#[derive(Clone, Debug)]
pub struct Draft {
    /// To be sealed.
    pub refresh_token: Secret,
    /// The name, given or random.
    pub biz_id: String,
    /// A name that may be one of a provider.
    pub provider: String,
    /// As entered.
    pub email: Option<String>,
    /// As entered.
    pub user_name: Option<String>,
    /// As entered.
    pub account_type: Option<String>,
    /// As entered.
    pub client_id: Option<String>,
    /// To be sealed.
    pub proxy: Option<Secret>,
    /// As entered.
    pub tag: Option<String>,
    /// As entered.
    pub memo: Option<String>,
    /// As entered.
    pub enabled: bool,
}

impl NewAccount {
    /// Holds it against the rules.
    ///
    /// # Errors
    /// Every field that breaks one.
    pub fn checked(self, http: &HttpClient) -> Result<Draft, Vec<FieldError>> {
        let mut rules = Rules::new(http);
        let random = || uuid::Uuid::new_v4().simple().to_string();
        let draft = Draft {
            refresh_token: rules.token(&self.refresh_token),
            biz_id: rules.text("biz_id", self.biz_id, 191).unwrap_or_else(random),
            provider: rules.text("provider", self.provider, 64).unwrap_or_else(|| DEFAULT_PROVIDER.to_owned()),
            email: rules.text("email", self.email, 191),
            user_name: rules.text("user_name", self.user_name, 191),
            account_type: rules.text("type", self.account_type, 64),
            client_id: rules.text("client_id", self.client_id, 255),
            proxy: rules.proxy(self.proxy),
            tag: rules.text("tag", self.tag, 191),
            memo: rules.memo(self.memo),
            enabled: self.enabled.unwrap_or(true),
        };
        rules.end(draft)
    }
}
