//! Handlers about installs and their tokens.

use actix_web::{HttpRequest, HttpResponse, delete, get, http::header, put};
use entity::device;
use sea_orm::DatabaseTransaction;
use serde_json::json;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    admin::{self, Scope, audit},
    apps::{
        app as registry,
        dto::{AppQuery, InstallationList, Note, TokenList, TokenView, Window},
        installs,
    },
    base::{
        error::{Error, Problem, Result, UNAUTHENTICATED},
        input::{Query, path_id, path_segment},
        state::State,
    },
    devices::{self, Call, Toll, check_text, check_uuid, install, install::Which, require_password},
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(installations).service(device_tokens).service(revoke).service(set_note);
}

/// List an app's installs
///
/// An admin sees them all; with `x-device-uuid` (and `x-device-password`, once the device has one) only that device's
/// are listed. Tokens are masked.
#[utoipa::path(operation_id = "listInstallations", tag = "apps",
    params(("id" = i64, Path, description = "Number of the app", example = 1, minimum = 1),
        ("limit" = Option<u64>, Query, description = "How many, 1 to 1000", example = 20, minimum = 1, maximum = 1000, nullable = false),
        ("skip" = Option<u64>, Query, description = "How many to leave out", example = 0, nullable = false),
        ("x-device-uuid" = Option<String>, Header, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3", nullable = false),
        ("x-device-password" = Option<String>, Header, description = "The device's password, percent-encoded", nullable = false)),
    responses((status = 200, description = "A page of installs", body = InstallationList),
        (status = 404, description = "`APP_NOT_FOUND` or `DEVICE_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("SiteKey" = []), ("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/apps/{id}/installations")]
async fn installations(
    state: State,
    _call: Call,
    toll: Toll,
    query: Query<AppQuery>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let list = async {
        let app_id = path_id(&req, "id")?;
        let window = Window::parse(query.0.limit.as_deref(), query.0.skip.as_deref())?;
        let device = owner_or_admin(&state, &toll, &req).await?;
        registry::require(state.db.orm(), app_id).await?;
        installs::of_app(state.db.orm(), app_id, device.as_ref(), window).await
    };
    toll.tell(list.await.map(|list| HttpResponse::Ok().json(list)))
}

/// The device whose owner asks; none for an admin who names none.
async fn owner_or_admin(state: &State, toll: &Toll, req: &HttpRequest) -> Result<Option<device::Model>> {
    let is_admin = admin::optional(req, Scope::AppsWrite).await?.is_some();
    let Some(uuid) = Call::device_uuid(req)? else {
        let who = "Only an admin, or a device's owner (x-device-uuid), may list installs.";
        let refused = || UNAUTHENTICATED.error(who).header(header::WWW_AUTHENTICATE, "Bearer");
        return if is_admin { Ok(None) } else { Err(refused()) };
    };
    let device = devices::require(state.db.orm(), &uuid).await?;
    if !is_admin {
        require_password(toll, &device, Call::device_password(req)?.as_ref()).await?;
    }
    Ok(Some(device))
}

/// List a device's tokens
///
/// Needs the device's password once it has one, or an admin. Tokens are masked.
#[utoipa::path(operation_id = "listDeviceTokens", tag = "apps",
    params(("deviceUuid" = String, Path, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3"),
        ("x-device-password" = Option<String>, Header, description = "The device's password, percent-encoded", nullable = false)),
    responses((status = 200, description = "Its tokens", body = TokenList),
        (status = 404, description = "`DEVICE_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("SiteKey" = []), ("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/apps/devices/{deviceUuid}/tokens")]
async fn device_tokens(state: State, _call: Call, toll: Toll, req: HttpRequest) -> Result<HttpResponse> {
    let list = async {
        let uuid = path_segment(&req, 3)?;
        check_uuid(&uuid)?;
        let device = devices::require(state.db.orm(), &uuid).await?;
        if admin::optional(&req, Scope::AppsWrite).await?.is_none() {
            require_password(&toll, &device, Call::device_password(&req)?.as_ref()).await?;
        }
        installs::of_device(state.db.orm(), device).await
    };
    toll.tell(list.await.map(|list| HttpResponse::Ok().json(list)))
}

/// Revoke a token
///
/// Takes the token itself, which is the right to do so; or the number of an install, from its device's owner
/// (`x-device-uuid`, and `x-device-password` once it has one) or an admin. The token fails from the next call on, and
/// its open change streams end.
#[utoipa::path(operation_id = "revokeToken", tag = "apps",
    params(("token" = String, Path, description = "The token, or the number of the install", example = "5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592"),
        ("x-device-uuid" = Option<String>, Header, description = "The device's uuid, percent-encoded", nullable = false),
        ("x-device-password" = Option<String>, Header, description = "The device's password, percent-encoded", nullable = false)),
    responses((status = 204, description = "It is revoked"),
        (status = 404, description = "`INSTALL_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("SiteKey" = []), ("ApiSecret" = []), ("AdminJwt" = [])))]
#[delete("/apps/tokens/{token}")]
async fn revoke(state: State, _call: Call, toll: Toll, req: HttpRequest) -> Result<HttpResponse> {
    let revoked = end_install(&state, &toll, &req).await;
    toll.tell(revoked.map(|()| HttpResponse::NoContent().finish()))
}

async fn end_install(state: &State, toll: &Toll, req: &HttpRequest) -> Result<()> {
    let which = Which::parse(&path_segment(req, 3)?);
    let admin = admin::optional(req, Scope::AppsWrite).await?;
    let found = installs::managed(state, req, &which, admin.is_some(), toll).await?;
    let (install_id, device_id, now) = (found.id, found.device_id, state.clock.now());
    state
        .writer
        .write(async move |tx| {
            install::revoke(tx, install_id).await?;
            audit::record_if_admin(tx, admin.as_ref(), "delete", "app_install", install_id, json!({}), now).await
        })
        .await?;
    state.wakeups.wake(device_id);
    Ok(())
}

/// Change a token's note
///
/// The same rights as to revoke it.
#[utoipa::path(operation_id = "setTokenNote", tag = "apps", request_body = Note,
    params(("token" = String, Path, description = "The token, or the number of the install", example = "5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592"),
        ("x-device-uuid" = Option<String>, Header, description = "The device's uuid, percent-encoded", nullable = false),
        ("x-device-password" = Option<String>, Header, description = "The device's password, percent-encoded", nullable = false)),
    responses((status = 200, description = "The install", body = TokenView),
        (status = 404, description = "`INSTALL_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("SiteKey" = []), ("ApiSecret" = []), ("AdminJwt" = [])))]
#[put("/apps/tokens/{token}/note")]
async fn set_note(state: State, call: Call, toll: Toll, req: HttpRequest) -> Result<HttpResponse> {
    let noted = note_install(&state, &call, &toll, &req).await;
    toll.tell(noted.map(|view| HttpResponse::Ok().json(view)))
}

async fn note_install(state: &State, call: &Call, toll: &Toll, req: &HttpRequest) -> Result<TokenView> {
    let note: Note = call.json(req)?;
    check_text("The note", &note.note)?;
    let which = Which::parse(&path_segment(req, 3)?);
    let admin = admin::optional(req, Scope::AppsWrite).await?;
    let found = installs::managed(state, req, &which, admin.is_some(), toll).await?;
    let app = registry::require(state.db.orm(), found.app_id).await.map_err(|_| gone())?;
    let now = state.clock.now();
    let work = async move |tx: &DatabaseTransaction| {
        let install = install::set_note(tx, found.clone(), note.note.clone(), now).await?;
        let changes = json!({ "note": install.note });
        audit::record_if_admin(tx, admin.as_ref(), "update", "app_install", install.id, changes, now).await?;
        Ok(install)
    };
    Ok(TokenView::new(state.writer.write(work).await?, app))
}

fn gone() -> Error {
    devices::INSTALL_NOT_FOUND.error("There is no such install.")
}
