//! The admin endpoints.

mod audit;
mod auth;
mod secrets;

use utoipa_actix_web::service_config::ServiceConfig;

/// The routes of this room.
pub fn routes(cfg: &mut ServiceConfig<'_>) {
    cfg.service(auth::login).service(auth::logout).service(auth::me).service(auth::change_password);
    cfg.service(secrets::list)
        .service(secrets::create)
        .service(secrets::get)
        .service(secrets::change)
        .service(secrets::revoke);
    cfg.service(audit::list);
}
