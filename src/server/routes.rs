//! The whole API, one line a room.
//!
//! actix tries routes one after the other, and a template costs more than a tenth of a microsecond to refuse. So the
//! store comes first, and each other room stands behind a look at the path's beginning.

use actix_web::guard::{Guard, GuardContext};
use utoipa_actix_web::{scope, service_config::ServiceConfig};

use super::{pages, problems as problem_pages, watch};
use crate::{
    admin, apps,
    base::{
        error::{self, Kind},
        idempotency,
    },
    devices, kv, notify, outbox, providers, scheduler, settings, sinks, tokens,
};

/// Registers every documented route.
pub fn api(cfg: &mut ServiceConfig) {
    cfg.configure(kv::routes);
    for (prefixes, routes) in ROOMS {
        cfg.service(scope::scope("").guard(Prefixes(prefixes)).configure(routes));
    }
}

type Routes = fn(&mut ServiceConfig);

/// The rooms but the store, each with the beginnings of its paths.
const ROOMS: &[(&[&str], Routes)] = &[
    (&["/apps", "/public-api/apps"], apps::routes),
    (&["/devices", "/public-api/devices"], devices::routes),
    (&["/auth", "/public-api/secrets", "/public-api/audit"], admin::routes),
    (&["/public-api/jobs", "/public-api/tasks"], scheduler::routes),
    (&["/public-api/refresh", "/public-api/get-at"], tokens::public_routes),
    (&["/public-api/providers"], providers::routes),
    (&["/public-api/settings"], settings::routes),
    (&["/public-api/sinks"], sinks::routes),
    (&["/public-api/notifications"], notify::routes),
    (&["/public-api/tokens"], tokens::routes),
    (&["/health", "/ready", "/metrics"], watch::routes),
    (&["/openapi.json"], pages::routes),
    (&["/errors"], problem_pages::routes),
];

/// Paths of pages, which the document leaves out.
pub const PAGES: &[&str] = &["/", "/swagger-ui", "/swagger-ui/", "/swagger-ui/{file}"];

/// The document's tags, in order.
pub const TAGS: &[(&str, &str)] = &[
    ("kv", "The store of a device: JSON values by key, for the app that holds a token."),
    ("apps", "Apps, and how a device's owner lets one in."),
    ("devices", "Devices, for their owners."),
    ("auth", "Signing in to administer."),
    ("admin: apps", "Apps, for administrators."),
    ("admin: devices", "Devices and their stores, for administrators."),
    ("tokens", "Access tokens that are kept alive, handed out."),
    ("providers", "Where refresh tokens are exchanged."),
    ("accounts", "Refresh tokens: stored, imported, refreshed, shown on purpose."),
    ("secrets", "Named secrets with scopes, for programs that administer."),
    ("audit", "What administrators did."),
    ("sinks", "Where fresh access tokens are pushed: channels of One-API and New-API, webhooks, files."),
    ("settings", "What may be changed while the service runs."),
    ("notifications", "Where people are told what happened."),
    ("jobs", "What runs on a schedule, and what goes on in the background."),
    ("operations", "Watching the service, and its documentation."),
];

/// Every problem the service answers, the common ones first.
#[must_use]
pub fn problems() -> Vec<&'static Kind> {
    [
        error::PROBLEMS,
        idempotency::PROBLEMS,
        kv::PROBLEMS,
        apps::PROBLEMS,
        devices::PROBLEMS,
        admin::PROBLEMS,
        providers::PROBLEMS,
        tokens::PROBLEMS,
        scheduler::PROBLEMS,
        settings::PROBLEMS,
        outbox::PROBLEMS,
        sinks::PROBLEMS,
        notify::PROBLEMS,
        watch::PROBLEMS,
    ]
    .concat()
}

/// Lets a request into a room's routes when its path begins like one of the room's.
struct Prefixes(&'static [&'static str]);

impl Guard for Prefixes {
    fn check(&self, ctx: &GuardContext<'_>) -> bool {
        let path = ctx.head().uri.path();
        self.0.iter().any(|prefix| path.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use utoipa_actix_web::AppExt;

    use super::*;

    #[test]
    fn every_path_of_a_room_begins_like_the_room() {
        for (prefixes, routes) in ROOMS {
            let (_, api) = App::new().into_utoipa_app().configure(routes).split_for_parts();
            assert!(!api.paths.paths.is_empty());
            for path in api.paths.paths.keys() {
                assert!(prefixes.iter().any(|prefix| path.starts_with(prefix)), "{path} is out of reach");
            }
        }
    }
}
