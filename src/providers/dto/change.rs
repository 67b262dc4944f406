//! A provider to make, and changes to one: both are checked and applied by the same rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationErrors};

use crate::base::{
    input::{Patch, trimmed},
    secret::Secret,
};

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$about])* $variant,)* }

        impl $name {
            /// As the column holds it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }
    };
}

names! {
    /// How the body is encoded.
    BodyFormat {
        /// `application/json`
        Json = "json",
        /// `application/x-www-form-urlencoded`, as RFC 6749 has it.
        Form = "form",
    }
}

names! {
    /// How client and secret are sent.
    AuthMethod {
        /// As parameters of the body.
        Body = "body",
        /// As HTTP Basic authentication, when there is a secret.
        Basic = "basic",
    }
}

/// A provider to make. What is absent or null has its default, or follows the settings.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "acme", "token_url": "https://auth.example.com/oauth/token", "client_id": "my-client",
    "client_secret": "s3cret", "extra_params": {"scope": "offline_access"}, "error_map": {"token_frozen": "permanent.account_disabled"}}))]
pub struct NewProvider {
    /// Unique: lower-case letters, digits, hyphens. It never changes.
    #[serde(deserialize_with = "trimmed")]
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9][a-z0-9-]*$", example = "acme")]
    pub name: String,
    /// Where refresh tokens are exchanged: https, a public host.
    #[serde(deserialize_with = "trimmed")]
    #[schema(max_length = 500, example = "https://auth.example.com/oauth/token")]
    pub token_url: String,
    /// Default `form`.
    pub body_format: Option<BodyFormat>,
    /// Default `body`.
    pub auth_method: Option<AuthMethod>,
    /// Client of the accounts that have none of their own.
    #[schema(min_length = 1, max_length = 255)]
    pub client_id: Option<String>,
    /// Sealed, and never shown.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 4096)]
    pub client_secret: Option<Secret>,
    /// More parameters of the body. Sealed; only their names are shown.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub extra_params: Option<BTreeMap<String, Secret>>,
    /// Headers of the request; they outrank those of the service. Sealed; only their names are shown.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub headers: Option<BTreeMap<String, Secret>>,
    /// Seconds an access token is taken to live where the provider tells nothing. Default 3600.
    #[schema(minimum = 60, maximum = 31_536_000)]
    pub expires_in_default: Option<i64>,
    /// Seconds before its end at which an access token is due, at least. Default: setting `refresh_margin_s`.
    #[schema(minimum = 0, maximum = 604_800)]
    pub refresh_margin_s: Option<i64>,
    /// Days after which a refresh token is used even though nothing is due. Default none.
    #[schema(minimum = 1, maximum = 365)]
    pub keepalive_days: Option<i64>,
    /// Longest time for an answer, in milliseconds. Default: setting `provider_timeout_ms`.
    #[schema(minimum = 100, maximum = 120_000)]
    pub timeout_ms: Option<i64>,
    /// Calls at once, from each process. Default: setting `provider_max_concurrency`.
    #[schema(minimum = 1, maximum = 1024)]
    pub max_concurrency: Option<i64>,
    /// Milliseconds between the beginnings of two calls, in each process. Default: setting
    /// `provider_min_interval_ms`.
    #[schema(minimum = 0, maximum = 60_000)]
    pub min_interval_ms: Option<i64>,
    /// Whether a refresh ends the refresh token that was used. Default true.
    pub rotates: Option<bool>,
    /// Error codes of this provider and their classes; they outrank what is known of codes.
    pub error_map: Option<BTreeMap<String, String>>,
}

/// Changes to a provider (JSON merge patch): absent stays, null goes back to the default or to
/// what the settings say. In `extra_params`, `headers`
/// and `error_map` members are merged by name, and null takes one away.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"timeout_ms": 30000, "headers": {"User-Agent": "my-agent/1.0", "X-Old": null}}))]
pub struct ProviderPatch {
    /// Where refresh tokens are exchanged: https, a public host. Cannot be cleared.
    #[serde(default)]
    #[schema(value_type = String, required = false, max_length = 500)]
    pub token_url: Patch<String>,
    /// Default `form`.
    #[serde(default)]
    #[schema(value_type = Option<BodyFormat>)]
    pub body_format: Patch<BodyFormat>,
    /// Default `body`.
    #[serde(default)]
    #[schema(value_type = Option<AuthMethod>)]
    pub auth_method: Patch<AuthMethod>,
    /// Client of the accounts that have none of their own.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    pub client_id: Patch<String>,
    /// Sealed, and never shown.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 4096)]
    pub client_secret: Patch<Secret>,
    /// More parameters of the body. Sealed; only their names are shown.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, Option<String>>>)]
    pub extra_params: Patch<BTreeMap<String, Option<Secret>>>,
    /// Headers of the request. Sealed; only their names are shown.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, Option<String>>>)]
    pub headers: Patch<BTreeMap<String, Option<Secret>>>,
    /// Seconds an access token is taken to live where the provider tells nothing. Default 3600.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 60, maximum = 31_536_000)]
    pub expires_in_default: Patch<i64>,
    /// Seconds before its end at which an access token is due, at least. Default: setting `refresh_margin_s`.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 604_800)]
    pub refresh_margin_s: Patch<i64>,
    /// Days after which a refresh token is used even though nothing is due. Default none.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 365)]
    pub keepalive_days: Patch<i64>,
    /// Longest time for an answer, in milliseconds. Default: setting `provider_timeout_ms`.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 100, maximum = 120_000)]
    pub timeout_ms: Patch<i64>,
    /// Calls at once, from each process. Default: setting `provider_max_concurrency`.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1024)]
    pub max_concurrency: Patch<i64>,
    /// Milliseconds between the beginnings of two calls, in each process. Default: setting
    /// `provider_min_interval_ms`.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 60_000)]
    pub min_interval_ms: Patch<i64>,
    /// Whether a refresh ends the refresh token that was used. Default true.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    pub rotates: Patch<bool>,
    /// Error codes of this provider and their classes; they outrank what is known of codes.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, Option<String>>>)]
    pub error_map: Patch<BTreeMap<String, Option<String>>>,
}

/// The rules need to know which addresses may be called: see `edit`.
impl Validate for NewProvider {
    fn validate(&self) -> Result<(), ValidationErrors> {
        Ok(())
    }
}

/// The same.
impl Validate for ProviderPatch {
    fn validate(&self) -> Result<(), ValidationErrors> {
        Ok(())
    }
}
