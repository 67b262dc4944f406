//! `/devices`: what owners do with their devices.

mod admin;
mod owner;

use utoipa_actix_web::service_config::ServiceConfig;

/// The room's routes.
pub fn routes(cfg: &mut ServiceConfig) {
    owner::routes(cfg);
    admin::routes(cfg);
}
