//! The problems of this room.

use crate::base::error::{Class, Kind};

/// 404
pub static ACCOUNT_NOT_FOUND: Kind = Kind::new(
    Class::NotFound,
    "ACCOUNT_NOT_FOUND",
    "There is no such account",
    "No account has this id, biz_id or e-mail.",
);
/// 409
pub static EMAIL_AMBIGUOUS: Kind = Kind::new(
    Class::Conflict,
    "EMAIL_AMBIGUOUS",
    "Several accounts have this e-mail",
    "Name the account by its biz_id; the member biz_ids lists those with this e-mail.",
);
/// 409
pub static ACCOUNT_DISABLED: Kind = Kind::new(
    Class::Conflict,
    "ACCOUNT_DISABLED",
    "The account is disabled",
    "An administrator switched it off. It is neither refreshed nor served.",
);
/// 409
pub static ACCOUNT_DEAD: Kind = Kind::new(
    Class::Conflict,
    "ACCOUNT_DEAD",
    "The account's refresh token is no good any more",
    "The provider refused it for good; failure_class tells why. It is not sent again. Sign in anew and store the new one.",
);
/// 409
pub static ACCOUNT_CHANGED: Kind = Kind::new(
    Class::Conflict,
    "ACCOUNT_CHANGED",
    "The account was changed meanwhile",
    "While it was refreshed it was given another refresh token. Try again with that one.",
);
/// 503
pub static ACCOUNT_BUSY: Kind = Kind::new(
    Class::Unavailable,
    "ACCOUNT_BUSY",
    "The account is being refreshed elsewhere",
    "Another replica is at it and has not come to an end. Try again after Retry-After.",
);
/// 502
pub static PROVIDER_FAILED: Kind = Kind::new(
    Class::Upstream,
    "PROVIDER_FAILED",
    "The provider could not be asked",
    "The call failed or its answer made no sense; failure_class tells which. It is tried again by itself.",
);
/// 504
pub static PROVIDER_TIMEOUT: Kind = Kind::new(
    Class::UpstreamTimeout,
    "PROVIDER_TIMEOUT",
    "The provider did not answer in time",
    "The request was sent; whether it was carried out shows at the next attempt.",
);
/// 429
pub static RATE_LIMITED: Kind = Kind::new(
    Class::TooMany,
    "PROVIDER_RATE_LIMITED",
    "The provider asks for a pause",
    "Nothing is sent to it before Retry-After.",
);
/// 409
pub static NO_ACCESS_TOKEN: Kind = Kind::new(
    Class::Conflict,
    "NO_ACCESS_TOKEN",
    "The account has no access token yet",
    "It was never refreshed. Ask for a refresh, or give min_ttl.",
);
/// 409
pub static ACCESS_TOKEN_EXPIRED: Kind = Kind::new(
    Class::Conflict,
    "ACCESS_TOKEN_EXPIRED",
    "The access token has expired",
    "Ask for a refresh, or give min_ttl.",
);

/// All of them.
pub static PROBLEMS: &[&Kind] = &[
    &ACCOUNT_NOT_FOUND,
    &EMAIL_AMBIGUOUS,
    &ACCOUNT_DISABLED,
    &ACCOUNT_DEAD,
    &ACCOUNT_CHANGED,
    &ACCOUNT_BUSY,
    &PROVIDER_FAILED,
    &PROVIDER_TIMEOUT,
    &RATE_LIMITED,
    &NO_ACCESS_TOKEN,
    &ACCESS_TOKEN_EXPIRED,
];
