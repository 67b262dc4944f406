//! The problems this room answers.

use actix_web::http::header::WWW_AUTHENTICATE;

use crate::base::error::{Class, Error, Kind};

/// The credential is good, but lacks a scope.
pub static SCOPE_MISSING: Kind = Kind::new(
    Class::Forbidden,
    "SCOPE_MISSING",
    "The secret lacks a scope",
    "The secret is valid, but was not given the scope this request needs; the member 'scope' names it. Give the \
     secret that scope, or use another one.",
);
/// Name and password do not fit.
pub static LOGIN_FAILED: Kind = Kind::new(
    Class::Unauthenticated,
    "LOGIN_FAILED",
    "Name or password is wrong",
    "There is no admin with this name and password. Which of the two is wrong is not told.",
);
/// Too many wrong passwords.
pub static LOGIN_LOCKED: Kind = Kind::new(
    Class::TooMany,
    "LOGIN_LOCKED",
    "Too many wrong passwords",
    "Five wrong passwords in 15 minutes lock a name for the address they came from, for 15 minutes. After 60 wrong \
     ones in an hour, from wherever, only addresses that signed in before may try that name. Wait for the number of \
     seconds in Retry-After.",
);
/// The present password was given wrong when it was to be changed.
pub static CURRENT_PASSWORD_WRONG: Kind = Kind::new(
    Class::Forbidden,
    "CURRENT_PASSWORD_WRONG",
    "The current password is wrong",
    "A password is changed only by somebody who knows the present one. Wrong ones count as wrong sign-ins.",
);
/// The name of a secret is in use.
pub static SECRET_NAME_TAKEN: Kind = Kind::new(
    Class::Conflict,
    "SECRET_NAME_TAKEN",
    "Another secret has this name",
    "Names of secrets are unique among those that are not revoked. Choose another one.",
);

/// All of them.
pub static PROBLEMS: &[&Kind] =
    &[&SCOPE_MISSING, &LOGIN_FAILED, &LOGIN_LOCKED, &CURRENT_PASSWORD_WRONG, &SECRET_NAME_TAKEN];

/// With the challenge that a 401 has to carry (RFC 9110 §11.6.1).
#[must_use]
pub fn challenged(error: Error) -> Error {
    error.header(WWW_AUTHENTICATE, "Bearer realm=\"latchkey\"")
}
