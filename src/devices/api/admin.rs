//! Handlers of `/public-api/devices`.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, put, web};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    admin::{Allowed, audit, scope},
    base::{
        error::{Problem, Result},
        input::{Json, Query, path_segment},
        page::{Page, PageQuery},
        state::State,
    },
    devices::{
        device,
        directory::{self, DeviceQuery},
        dto::{AdminDevice, AdminPassword, DevicePatch, check_uuid, clean_name},
    },
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list).service(get).service(update).service(delete).service(set_password).service(delete_password);
}

/// The uuid of `/public-api/devices/{uuid}…`.
fn uuid_of(req: &HttpRequest) -> Result<String> {
    let uuid = path_segment(req, 3)?;
    check_uuid(&uuid)?;
    Ok(uuid)
}

/// List devices
///
/// Newest first. `search` looks into uuid and name.
#[utoipa::path(operation_id = "listDevices", tag = "admin: devices", params(PageQuery, DeviceQuery),
    responses((status = 200, description = "A page of devices", body = Page<AdminDevice>)),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/devices")]
async fn list(
    state: State,
    _admin: Allowed<scope::AppsWrite>,
    page: Query<PageQuery>,
    query: Query<DeviceQuery>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let page = directory::list(state.db.orm(), &page.0, &query.0).await?;
    Ok(page.respond(&req))
}

/// Show a device
///
/// With the number and size of its keys.
#[utoipa::path(operation_id = "adminGetDevice", tag = "admin: devices",
    params(("uuid" = String, Path, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3")),
    responses((status = 200, description = "The device", body = AdminDevice),
        (status = 404, description = "`DEVICE_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/devices/{uuid}")]
async fn get(state: State, _admin: Allowed<scope::AppsWrite>, req: HttpRequest) -> Result<web::Json<AdminDevice>> {
    let device = device::require(state.db.orm(), &uuid_of(&req)?).await?;
    Ok(web::Json(directory::describe(state.db.orm(), device).await?))
}

/// Rename a device
///
/// A JSON merge patch: null takes the name away.
#[utoipa::path(operation_id = "adminUpdateDevice", tag = "admin: devices", request_body = DevicePatch,
    params(("uuid" = String, Path, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3")),
    responses((status = 200, description = "The device", body = AdminDevice),
        (status = 404, description = "`DEVICE_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[patch("/public-api/devices/{uuid}")]
async fn update(
    state: State,
    admin: Allowed<scope::AppsWrite>,
    body: Json<DevicePatch>,
    req: HttpRequest,
) -> Result<web::Json<AdminDevice>> {
    let (uuid, now, actor) = (uuid_of(&req)?, state.clock.now(), admin.into_actor());
    let change = body.0.name.into_change();
    let name = change.map(|name| clean_name("The name", name.as_deref())).transpose()?;
    let device = state
        .writer
        .write(async move |tx| {
            let device = device::require(tx, &uuid).await?;
            let Some(name) = name.clone() else { return Ok(device) };
            audit::record(tx, &actor, "update", "device", &uuid, serde_json::json!({ "name": name }), now).await?;
            device::rename(tx, device, name, now).await
        })
        .await?;
    Ok(web::Json(directory::describe(state.db.orm(), device).await?))
}

/// Delete a device
///
/// Its tokens and keys go with it.
#[utoipa::path(operation_id = "adminDeleteDevice", tag = "admin: devices",
    params(("uuid" = String, Path, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3")),
    responses((status = 204, description = "It is gone"),
        (status = 404, description = "`DEVICE_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[delete("/public-api/devices/{uuid}")]
async fn delete(state: State, admin: Allowed<scope::AppsWrite>, req: HttpRequest) -> Result<HttpResponse> {
    let (uuid, now, actor) = (uuid_of(&req)?, state.clock.now(), admin.into_actor());
    let device_id = state
        .writer
        .write(async move |tx| {
            let device = device::require(tx, &uuid).await?;
            let device_id = device.id;
            device::delete(tx, device).await?;
            audit::record(tx, &actor, "delete", "device", &uuid, serde_json::json!({}), now).await?;
            Ok(device_id)
        })
        .await?;
    state.wakeups.wake(device_id);
    Ok(HttpResponse::NoContent().finish())
}

/// Set a device's password
///
/// Without knowing the present one. App tokens stay valid.
#[utoipa::path(operation_id = "adminSetDevicePassword", tag = "admin: devices", request_body = AdminPassword,
    params(("uuid" = String, Path, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3")),
    responses((status = 200, description = "The device", body = AdminDevice),
        (status = 404, description = "`DEVICE_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[put("/public-api/devices/{uuid}/password")]
async fn set_password(
    state: State,
    admin: Allowed<scope::AppsWrite>,
    body: Json<AdminPassword>,
    req: HttpRequest,
) -> Result<web::Json<AdminDevice>> {
    let hash = state.passwords.hash(body.0.password.expose()).await?;
    let (uuid, now, actor, hint) = (uuid_of(&req)?, state.clock.now(), admin.into_actor(), body.0.password_hint);
    let device = state
        .writer
        .write(async move |tx| {
            let device = device::require(tx, &uuid).await?;
            audit::record(tx, &actor, "set_password", "device", &uuid, serde_json::json!({}), now).await?;
            device::set_password(tx, device, Some(hash.clone()), hint.clone(), now).await
        })
        .await?;
    Ok(web::Json(directory::describe(state.db.orm(), device).await?))
}

/// Take a device's password away
///
/// Without knowing it. Anybody who knows the uuid may then let apps in.
#[utoipa::path(operation_id = "adminDeleteDevicePassword", tag = "admin: devices",
    params(("uuid" = String, Path, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3")),
    responses((status = 204, description = "It has no password now"),
        (status = 404, description = "`DEVICE_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[delete("/public-api/devices/{uuid}/password")]
async fn delete_password(state: State, admin: Allowed<scope::AppsWrite>, req: HttpRequest) -> Result<HttpResponse> {
    let (uuid, now, actor) = (uuid_of(&req)?, state.clock.now(), admin.into_actor());
    state
        .writer
        .write(async move |tx| {
            let device = device::require(tx, &uuid).await?;
            audit::record(tx, &actor, "delete_password", "device", &uuid, serde_json::json!({}), now).await?;
            device::set_password(tx, device, None, None, now).await
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
