//! Accounts: refresh tokens, and the access tokens they give.

pub mod problems;
mod public;
pub mod refresh;

/// The table of accounts, as sealed places name it.
const TABLE: &str = "refresh_token";

/// The end of a token that may be shown.
fn last6(token: &str) -> String {
    let skip = token.chars().count().saturating_sub(6);
    token.chars().skip(skip).collect()
}

pub use problems::PROBLEMS;
pub use public::routes as public_routes;
