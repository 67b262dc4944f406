//! The problems of this room.

use crate::base::error::{Class, Kind};

/// There is no such account.
pub static ACCOUNT_NOT_FOUND: Kind = Kind::new(
    Class::NotFound,
    "ACCOUNT_NOT_FOUND",
    "There is no such account",
    "No account has this number, biz_id or e-mail address. GET /public-api/tokens lists them.",
);
/// The refresh token is stored already.
pub static TOKEN_EXISTS: Kind = Kind::new(
    Class::Conflict,
    "TOKEN_EXISTS",
    "The refresh token is stored already",
    "A refresh token belongs to one account: two that spend the same one would end each other's. The members 'id' and \
     'biz_id' name the account that has it.",
);
/// The `biz_id` is in use.
pub static BIZ_ID_TAKEN: Kind = Kind::new(
    Class::Conflict,
    "BIZ_ID_TAKEN",
    "Another account has this biz_id",
    "A biz_id names one account. The members 'id' and 'biz_id' name the account that has it.",
);
/// The account has no such secret.
pub static NOTHING_TO_REVEAL: Kind = Kind::new(
    Class::Conflict,
    "NOTHING_TO_REVEAL",
    "The account has none",
    "The account does not hold this kind of token yet. Refresh it first; a previous refresh token is there once the \
     provider has rotated one.",
);
/// The account is switched off.
pub static ACCOUNT_DISABLED: Kind = Kind::new(
    Class::Conflict,
    "ACCOUNT_DISABLED",
    "The account is disabled",
    "Nothing is served from a disabled account. Enable it with PATCH /public-api/tokens/{id} {\"enabled\": true}.",
);
/// The refresh token is of no use any more.
pub static ACCOUNT_DEAD: Kind = Kind::new(
    Class::Conflict,
    "ACCOUNT_DEAD",
    "The refresh token is dead",
    "The provider refused the refresh token for good; 'failure_class' says why. It is not sent again. Sign in anew and \
     store the new refresh token with PATCH /public-api/tokens/{id}.",
);
/// Somebody else refreshes it.
pub static ACCOUNT_BUSY: Kind = Kind::new(
    Class::Unavailable,
    "ACCOUNT_BUSY",
    "The account is being refreshed elsewhere",
    "Another replica has been refreshing this account for a long time. Try again after Retry-After.",
);
/// Several accounts have the e-mail address.
pub static EMAIL_AMBIGUOUS: Kind = Kind::new(
    Class::Conflict,
    "EMAIL_AMBIGUOUS",
    "Several accounts have this e-mail address",
    "The member 'biz_ids' lists them. Ask by biz_id.",
);
/// There is no access token yet.
pub static NO_ACCESS_TOKEN: Kind = Kind::new(
    Class::Conflict,
    "NO_ACCESS_TOKEN",
    "There is no access token yet",
    "The account has never been refreshed. POST /public-api/refresh gets the first access token.",
);
/// The access token has expired.
pub static ACCESS_TOKEN_EXPIRED: Kind = Kind::new(
    Class::Conflict,
    "ACCESS_TOKEN_EXPIRED",
    "The access token has expired",
    "The stored access token is over. POST /public-api/refresh gets a new one, or ask with 'min_ttl'.",
);
/// The account was changed while it was refreshed.
pub static ACCOUNT_CHANGED: Kind = Kind::new(
    Class::Conflict,
    "ACCOUNT_CHANGED",
    "The account was changed meanwhile",
    "While it was refreshed it was given another refresh token. Try again with that one.",
);
/// The provider's answer was no good.
pub static PROVIDER_FAILED: Kind = Kind::new(
    Class::Upstream,
    "PROVIDER_FAILED",
    "The provider could not be asked",
    "There was no connection to the provider, or its answer could not be used; 'failure_class' says which. The refresh \
     token is not lost.",
);
/// The provider did not answer in time.
pub static PROVIDER_TIMEOUT: Kind = Kind::new(
    Class::UpstreamTimeout,
    "PROVIDER_TIMEOUT",
    "The provider did not answer in time",
    "The provider may have acted all the same; the next refresh settles that.",
);
/// The provider wants fewer calls.
pub static RATE_LIMITED: Kind = Kind::new(
    Class::TooMany,
    "RATE_LIMITED",
    "The provider wants fewer calls",
    "The provider asked to wait. Nothing is sent for this account before Retry-After is over.",
);

/// All of them.
pub static PROBLEMS: &[&Kind] = &[
    &ACCOUNT_NOT_FOUND,
    &TOKEN_EXISTS,
    &BIZ_ID_TAKEN,
    &NOTHING_TO_REVEAL,
    &ACCOUNT_DISABLED,
    &ACCOUNT_DEAD,
    &ACCOUNT_BUSY,
    &EMAIL_AMBIGUOUS,
    &NO_ACCESS_TOKEN,
    &ACCESS_TOKEN_EXPIRED,
    &ACCOUNT_CHANGED,
    &PROVIDER_FAILED,
    &PROVIDER_TIMEOUT,
    &RATE_LIMITED,
];
