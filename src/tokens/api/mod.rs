//! `/public-api/tokens`.

mod accounts;
mod batches;
mod looks;
mod shown;
mod transfer;

use actix_web::guard::GuardContext;
use utoipa_actix_web::service_config::ServiceConfig;

/// The routes of this room.
pub fn routes(cfg: &mut ServiceConfig) {
    transfer::routes(cfg);
    batches::routes(cfg);
    looks::routes(cfg);
    shown::routes(cfg);
    accounts::routes(cfg);
}

/// What stands in the place of an account's number and is a path of its own.
const WORDS: &[&str] = &["batch-delete", "batch-refresh", "batch-update", "export", "import", "stats"];

/// Whether the path may be an account's: those of words answer other methods with 405.
fn is_account(ctx: &GuardContext<'_>) -> bool {
    let last = ctx.head().uri.path().split('/').nth(3);
    last.is_none_or(|last| !WORDS.contains(&last))
}
