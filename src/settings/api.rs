//! `/public-api/settings`.

use actix_web::{HttpResponse, get, patch, web::Data};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    Settings,
    dto::{SettingsPatch, SettingsView},
};
use crate::{
    admin::Admin,
    base::{error::Result, input::Json},
};

/// The routes of this room.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(get_settings).service(update_settings);
}

/// Get the settings.
///
/// What may be changed while the service runs: what holds, by name as a change takes it, and in `settings` what is
/// configured and what is allowed. Credentials of proxies are shown as `***`.
#[utoipa::path(
    operation_id = "getSettings",
    tag = "settings",
    responses((status = 200, description = "The settings.", body = SettingsView)),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[get("/public-api/settings")]
async fn get_settings(_admin: Admin, settings: Data<Settings>) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(settings.list().await?))
}

/// Change settings.
///
/// A merge patch by name: what is absent stays, null goes back to the configuration. Either all changes are made or
/// none, and a 422 names each field that is wrong. They hold at once on this replica and within a second on every other
/// one. A proxy that is sent back as it was shown, with `***`, keeps its credentials.
#[utoipa::path(
    operation_id = "updateSettings",
    tag = "settings",
    request_body(content = SettingsPatch, example = json!({ "refresh_concurrency": 32, "proxy_list": ["socks5://user:password@proxy.example:1080"], "proxy_choice": "hash", "language": null })),
    responses((status = 200, description = "All settings as they are now.", body = SettingsView)),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[patch("/public-api/settings")]
async fn update_settings(admin: Admin, settings: Data<Settings>, patch: Json<SettingsPatch>) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(settings.change(admin.into_actor(), &patch.0.0).await?))
}
