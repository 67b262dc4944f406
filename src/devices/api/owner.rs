//! Handlers of `/devices`.

use actix_web::{HttpRequest, HttpResponse, delete, get, http::header, post, put, web};
use entity::device::Model;
use sea_orm::DatabaseTransaction;
use serde_json::json;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    admin::{self, Actor, Scope, audit},
    base::{
        error::{Error, Problem, Result},
        input::path_segment,
        secret::Secret,
        state::State,
    },
    devices::{
        device,
        dto::{
            DeviceView, NewDevice, NewPassword, PresentPassword, Rename, Verdict, check_password, check_uuid,
            clean_name,
        },
        extract::Call,
        install,
        password::{self, Toll, require_password},
    },
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(create)
        .service(get)
        .service(rename)
        .service(set_password)
        .service(delete_password)
        .service(verify_password)
        .service(delete);
}

/// The device a path names, and proof that the caller may manage it: its password if it has one, or an admin.
async fn managed(
    state: &State,
    req: &HttpRequest,
    toll: &Toll,
    given: Option<&Secret>,
) -> Result<(Model, Option<Actor>)> {
    let device = named(state, req).await?;
    let admin = admin::optional(req, Scope::AppsWrite).await?;
    if admin.is_none() {
        let header = Call::device_password(req)?;
        require_password(toll, &device, given.or(header.as_ref())).await?;
    }
    Ok((device, admin))
}

async fn named(state: &State, req: &HttpRequest) -> Result<Model> {
    let uuid = path_segment(req, 2)?;
    check_uuid(&uuid)?;
    device::require(state.db.orm(), &uuid).await
}

/// Register a device
///
/// Devices are also made by their first authorize.
#[utoipa::path(operation_id = "createDevice", tag = "devices", request_body = NewDevice,
    responses((status = 201, description = "Registered", body = DeviceView, headers(("Location" = String, description = "Path of the device"))),
        (status = 409, description = "`DEVICE_EXISTS`", body = Problem, content_type = "application/problem+json")),
    security(("SiteKey" = [])))]
#[post("/devices")]
async fn create(state: State, toll: Toll, call: Call, req: HttpRequest) -> Result<HttpResponse> {
    toll.pay().await?;
    let outcome = async {
        let new: NewDevice = call.json(&req)?;
        check_uuid(&new.uuid)?;
        let name = clean_name("The name", new.name.as_deref())?;
        let now = state.clock.now();
        let device = state.writer.write(async move |tx| device::create(tx, &new.uuid, name.clone(), now).await).await?;
        let path = percent_encoding::utf8_percent_encode(device.uuid.as_str(), percent_encoding::NON_ALPHANUMERIC);
        let location = (header::LOCATION, format!("/devices/{path}"));
        Ok(HttpResponse::Created().insert_header(location).json(DeviceView::from(device)))
    };
    toll.tell(outcome.await)
}

/// Show a device
///
/// Anyone who knows the uuid may ask.
#[utoipa::path(operation_id = "getDevice", tag = "devices",
    params(("uuid" = String, Path, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3")),
    responses((status = 200, description = "The device", body = DeviceView),
        (status = 404, description = "`DEVICE_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("SiteKey" = [])))]
#[get("/devices/{uuid}")]
async fn get(state: State, _call: Call, req: HttpRequest) -> Result<web::Json<DeviceView>> {
    Ok(web::Json(named(&state, &req).await?.into()))
}

/// Rename a device
///
/// Needs the device's password once it has one.
#[utoipa::path(operation_id = "renameDevice", tag = "devices", request_body = Rename,
    params(("uuid" = String, Path, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3"),
        ("x-device-password" = Option<String>, Header, description = "The device's password, percent-encoded")),
    responses((status = 200, description = "The device", body = DeviceView),
        (status = 404, description = "`DEVICE_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The password changed at the same moment", body = Problem, content_type = "application/problem+json")),
    security(("SiteKey" = []), ("ApiSecret" = [])))]
#[put("/devices/{uuid}/name")]
async fn rename(state: State, toll: Toll, call: Call, req: HttpRequest) -> Result<HttpResponse> {
    let outcome = async {
        let change: Rename = call.json(&req)?;
        let name = clean_name("The name", change.name.as_deref())?;
        let (seen, admin) = managed(&state, &req, &toll, None).await?;
        let now = state.clock.now();
        let write = async move |tx: &DatabaseTransaction| {
            let device = device::lock(tx, &seen).await?;
            let (uuid, changes) = (device.uuid.as_str(), json!({ "name": name }));
            audit::record_if_admin(tx, admin.as_ref(), "update", "device", uuid, changes, now).await?;
            device::rename(tx, device, name.clone(), now).await
        };
        Ok(HttpResponse::Ok().json(DeviceView::from(state.writer.write(write).await?)))
    };
    toll.tell(outcome.await)
}

/// Set or change a device's password
///
/// A change needs the present password. The first password of a device that has given access to apps needs one of its
/// app tokens that may write. `revokeTokens` ends the tokens given before.
#[utoipa::path(operation_id = "setDevicePassword", tag = "devices", request_body = NewPassword,
    params(("uuid" = String, Path, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3"),
        ("x-device-password" = Option<String>, Header, description = "The present password, percent-encoded")),
    responses((status = 200, description = "The device", body = DeviceView),
        (status = 403, description = "`DEVICE_PROOF_REQUIRED`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`DEVICE_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The password changed at the same moment", body = Problem, content_type = "application/problem+json")),
    security(("SiteKey" = []), ("AppToken" = []), ("ApiSecret" = [])))]
#[put("/devices/{uuid}/password")]
async fn set_password(state: State, toll: Toll, call: Call, req: HttpRequest) -> Result<HttpResponse> {
    toll.pay().await?;
    let outcome = replace_password(&state, &toll, call, &req).await;
    toll.tell(outcome.map(|device| HttpResponse::Ok().json(DeviceView::from(device))))
}

async fn replace_password(state: &State, toll: &Toll, call: Call, req: &HttpRequest) -> Result<Model> {
    let new: NewPassword = call.json(req)?;
    check_password(&new.new_password)?;
    let hint = clean_name("The hint", new.password_hint.as_deref())?;
    let (seen, admin) = managed(state, req, toll, new.current_password.as_ref()).await?;
    let hash = state.passwords.hash(new.new_password.expose()).await?;
    let (now, device_id, claim, revoke) = (state.clock.now(), seen.id, call.claim, new.revoke_tokens);
    let write = async move |tx: &DatabaseTransaction| {
        let device = device::lock(tx, &seen).await?;
        if admin.is_none() {
            device::require_proof(tx, &device, claim.as_ref()).await?;
        }
        if revoke {
            install::revoke_all_of(tx, device.id).await?;
        }
        let (uuid, changes) = (device.uuid.as_str(), json!({ "revoke_tokens": revoke }));
        audit::record_if_admin(tx, admin.as_ref(), "set_password", "device", uuid, changes, now).await?;
        device::set_password(tx, device, Some(hash.clone()), hint.clone(), now).await
    };
    let device = state.writer.write(write).await?;
    state.wakeups.wake(device_id);
    Ok(device)
}

/// Take a device's password away
///
/// Needs the present password, in the body or as `x-device-password`.
#[utoipa::path(operation_id = "deleteDevicePassword", tag = "devices", request_body = Option<PresentPassword>,
    params(("uuid" = String, Path, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3"),
        ("x-device-password" = Option<String>, Header, description = "The present password, percent-encoded")),
    responses((status = 204, description = "It has no password now"),
        (status = 404, description = "`DEVICE_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The password changed at the same moment", body = Problem, content_type = "application/problem+json")),
    security(("SiteKey" = []), ("ApiSecret" = [])))]
#[delete("/devices/{uuid}/password")]
async fn delete_password(state: State, toll: Toll, call: Call, req: HttpRequest) -> Result<HttpResponse> {
    let outcome = async {
        let present: PresentPassword = call.optional_json(&req)?.unwrap_or_default();
        let (seen, admin) = managed(&state, &req, &toll, present.password.as_ref()).await?;
        let now = state.clock.now();
        let write = async move |tx: &DatabaseTransaction| {
            let device = device::lock(tx, &seen).await?;
            let uuid = device.uuid.as_str();
            audit::record_if_admin(tx, admin.as_ref(), "delete_password", "device", uuid, json!({}), now).await?;
            device::set_password(tx, device, None, None, now).await
        };
        state.writer.write(write).await?;
        Ok(HttpResponse::NoContent().finish())
    };
    toll.tell(outcome.await)
}

/// Ask whether a password is the right one
///
/// Counts as a try: five wrong ones in 15 minutes lock the address out of this device for 15 minutes.
#[utoipa::path(operation_id = "verifyDevicePassword", tag = "devices", request_body = Option<PresentPassword>,
    params(("uuid" = String, Path, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3"),
        ("x-device-password" = Option<String>, Header, description = "The password, percent-encoded")),
    responses((status = 200, description = "Whether it is", body = Verdict),
        (status = 404, description = "`DEVICE_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("SiteKey" = [])))]
#[post("/devices/{uuid}/password/verify")]
async fn verify_password(state: State, toll: Toll, call: Call, req: HttpRequest) -> Result<HttpResponse> {
    toll.pay().await?;
    let outcome = async {
        let present: PresentPassword = call.optional_json(&req)?.unwrap_or_default();
        let device = named(&state, &req).await?;
        let given = present.password.or(Call::device_password(&req)?);
        let given = given.ok_or_else(|| Error::malformed("A password is required."))?;
        let valid = password::is_password(&toll, &device, &given).await?;
        Ok(HttpResponse::Ok().json(Verdict { valid }))
    };
    toll.tell(outcome.await)
}

/// Delete a device
///
/// Deletes its tokens and keys as well. Needs its password if it has one; else, if it has given access to apps, one of
/// its app tokens that may write.
#[utoipa::path(operation_id = "deleteDevice", tag = "devices",
    params(("uuid" = String, Path, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3"),
        ("x-device-password" = Option<String>, Header, description = "The device's password, percent-encoded")),
    responses((status = 204, description = "It is gone"),
        (status = 403, description = "`DEVICE_PROOF_REQUIRED`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`DEVICE_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The password changed at the same moment", body = Problem, content_type = "application/problem+json")),
    security(("SiteKey" = []), ("AppToken" = []), ("ApiSecret" = [])))]
#[delete("/devices/{uuid}")]
async fn delete(state: State, toll: Toll, call: Call, req: HttpRequest) -> Result<HttpResponse> {
    let outcome = remove(&state, &toll, call, &req).await;
    toll.tell(outcome.map(|()| HttpResponse::NoContent().finish()))
}

async fn remove(state: &State, toll: &Toll, call: Call, req: &HttpRequest) -> Result<()> {
    let (seen, admin) = managed(state, req, toll, None).await?;
    let (device_id, claim, now) = (seen.id, call.claim, state.clock.now());
    let write = async move |tx: &DatabaseTransaction| {
        let device = device::lock(tx, &seen).await?;
        if admin.is_none() {
            device::require_proof(tx, &device, claim.as_ref()).await?;
        }
        let uuid = device.uuid.as_str();
        audit::record_if_admin(tx, admin.as_ref(), "delete", "device", uuid, json!({}), now).await?;
        device::delete(tx, device).await
    };
    state.writer.write(write).await?;
    state.wakeups.wake(device_id);
    Ok(())
}
