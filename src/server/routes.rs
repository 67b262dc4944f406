//! The whole API, one line a room.
//!
//! actix tries routes one after the other, and a template costs about a tenth of a microsecond to refuse: the store
//! comes first, and each other room stands behind a look at the path's beginning ([`under`]).

use actix_web::guard::{Guard, GuardContext};
use utoipa_actix_web::{scope, service_config::ServiceConfig};

use super::{pages, problems as problem_pages, watch};
use crate::base::error::{self, Kind};

/// Registers every documented route.
pub fn api(cfg: &mut ServiceConfig) {
    // cfg.configure(kv::routes); stays first
    // under(cfg, &["/apps", "/devices"], |cfg| { apps::routes(cfg); devices::routes(cfg) });
    // under(cfg, &["/auth", "/public-api"], |cfg| { admin::routes(cfg); scheduler::routes(cfg); settings::routes(cfg) });
    under(cfg, &["/health", "/ready", "/metrics"], watch::routes);
    under(cfg, &["/openapi.json"], pages::routes);
    under(cfg, &["/errors"], problem_pages::routes);
}

/// Paths of pages, which the document leaves out.
pub const PAGES: &[&str] = &["/", "/swagger-ui", "/swagger-ui/", "/swagger-ui/{file}"];

/// The document's tags, in order.
pub const TAGS: &[(&str, &str)] = &[("Operation", "Watching the service, and its documentation.")];

/// Every problem the service answers, the common ones first.
#[must_use]
pub fn problems() -> Vec<&'static Kind> {
    [error::PROBLEMS, watch::PROBLEMS].concat()
}

/// Registers routes whose paths all begin with one of `prefixes`; other requests pass them at the price of comparing
/// the prefix.
fn under(cfg: &mut ServiceConfig, prefixes: &'static [&'static str], routes: fn(&mut ServiceConfig)) {
    cfg.service(scope::scope("").guard(Prefixes(prefixes)).configure(routes));
}

struct Prefixes(&'static [&'static str]);

impl Guard for Prefixes {
    fn check(&self, ctx: &GuardContext<'_>) -> bool {
        let path = ctx.head().uri.path();
        self.0.iter().any(|prefix| path.starts_with(prefix))
    }
}
