//! `/devices`: what owners do with their devices.

mod admin;
mod owner;

use utoipa_actix_web::service_config::ServiceConfig;

/// The room's routes.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(owner::create)
        .service(owner::get)
        .service(owner::rename)
        .service(owner::set_password)
        .service(owner::delete_password)
        .service(owner::verify_password)
        .service(owner::delete);
    admin::routes(cfg);
}
