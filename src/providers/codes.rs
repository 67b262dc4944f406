//! What the error codes of token endpoints mean: RFC 6749 §5.2, OpenAI, GitHub, Google, Microsoft.
//!
//! A code that is not here says nothing for certain, so it is no reason to bury a token or to pause a provider:
//! `invalid_request` and `invalid_scope` may be about one account only. A provider's `error_map` adds to this table and
//! outranks it.

use super::class::FailureClass::{
    self, AccountDisabled, Expired, InvalidClient, InvalidGrant, RateLimited, Region, Reused, Revoked, Server,
    UnauthorizedClient, UnsupportedGrant,
};

/// Codes and their classes. Those beginning with `AADSTS` are Microsoft's numbers.
const CODES: &[(&str, FailureClass)] = &[
    // RFC 6749, and what others say for the same.
    ("invalid_grant", InvalidGrant),
    ("invalid_refresh_token", InvalidGrant),
    ("bad_refresh_token", InvalidGrant),
    ("interaction_required", InvalidGrant),
    ("login_required", InvalidGrant),
    ("consent_required", InvalidGrant),
    ("invalid_client", InvalidClient),
    ("incorrect_client_credentials", InvalidClient),
    ("deleted_client", InvalidClient),
    ("disabled_client", InvalidClient),
    ("unauthorized_client", UnauthorizedClient),
    ("unsupported_grant_type", UnsupportedGrant),
    ("slow_down", RateLimited),
    ("rate_limit_exceeded", RateLimited),
    ("server_error", Server),
    ("temporarily_unavailable", Server),
    // OpenAI.
    ("refresh_token_reused", Reused),
    ("refresh_token_expired", Expired),
    ("refresh_token_invalidated", Revoked),
    ("app_session_terminated", Revoked),
    ("token_invalidated", Revoked),
    ("account_deactivated", AccountDisabled),
    ("deactivated_workspace", AccountDisabled),
    ("unsupported_country_region_territory", Region),
    // Microsoft: suberrors, then numbers.
    ("token_expired", Expired),
    ("bad_token", InvalidGrant),
    ("user_password_expired", Revoked),
    ("AADSTS70008", Expired),
    ("AADSTS70043", Expired),
    ("AADSTS700082", Expired),
    ("AADSTS700084", Expired),
    ("AADSTS50173", Revoked),
    ("AADSTS50076", InvalidGrant),
    ("AADSTS50079", InvalidGrant),
    ("AADSTS50057", AccountDisabled),
];

/// The class of a code, if it says one for certain.
pub(super) fn class(code: &str) -> Option<FailureClass> {
    CODES.iter().find(|(known, _)| *known == code).map(|(_, class)| *class)
}
