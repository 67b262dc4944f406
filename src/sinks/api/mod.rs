//! `/public-api/sinks`.

mod deliveries;
mod links;
mod sinks;

use utoipa_actix_web::service_config::ServiceConfig;

/// The room's routes.
pub fn routes(cfg: &mut ServiceConfig) {
    deliveries::routes(cfg);
    sinks::routes(cfg);
    links::routes(cfg);
}
