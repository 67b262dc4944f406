//! Handlers of `/public-api/devices/{uuid}/kv/{key}`.

use actix_web::{HttpRequest, HttpResponse, delete, get, http::header, put, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::ttl;
use crate::{
    admin::{Actor, Allowed, Record, scope},
    base::{
        error::{Error, Problem, Result},
        input::{self, Query, Sender, path_segment, read_body, require_json},
        state::State,
    },
    devices::{self, check_uuid},
    kv::{
        Store,
        dto::{TtlQuery, Written},
        etag::{Precondition, etag},
        key::Key,
        plan::{Action, Change, Done, Op},
        value::Value,
    },
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(get).service(put).service(delete);
}

/// The device and key a path names.
async fn place(state: &State, req: &HttpRequest) -> Result<(entity::device::Model, Key)> {
    let uuid = path_segment(req, 3)?;
    check_uuid(&uuid)?;
    let key = Key::from_path(req, 5)?;
    Ok((devices::require(state.db.orm(), &uuid).await?, key))
}

/// Writes as an admin: under the preconditions of the request, and on record.
async fn write(
    state: &State,
    store: &Store,
    actor: Actor,
    req: &HttpRequest,
    action: Action,
    what: &'static str,
) -> Result<(i64, Key, Done)> {
    let (device, key) = place(state, req).await?;
    let change = Change { key: key.clone(), action, precondition: Precondition::of(req) };
    let (ip, record) = (actor.ip.clone(), Some(Record::new(actor, what, "device", device.uuid.as_str())));
    let op = Op { device_id: device.id, install_id: None, ip, changes: vec![change], is_batch: false, record };
    let done = store.write(op).await?;
    Ok((device.id, key, done))
}

/// Read a value of any device
///
/// As the device itself reads it: byte for byte, with an ETag.
#[utoipa::path(operation_id = "adminGetValue", tag = "admin: devices",
    params(("uuid" = String, Path, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3"),
        ("key" = String, Path, description = "The key, percent-encoded", example = "homework-2026-11-21")),
    responses((status = 200, description = "The value: any JSON", body = serde_json::Value, headers(("ETag" = String, description = "Revision of the key, quoted")), example = json!({"math": "p. 12"})),
        (status = 404, description = "`DEVICE_NOT_FOUND` or `KEY_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/devices/{uuid}/kv/{key}")]
async fn get(state: State, _admin: Allowed<scope::AppsWrite>, req: HttpRequest) -> Result<HttpResponse> {
    let (device, key) = place(&state, &req).await?;
    let row = crate::kv::read::row(state.db.orm(), device.id, &key, state.clock.now()).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, etag(row.revision)))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .content_type("application/json")
        .body(row.value))
}

/// Store a value for any device
///
/// Under the same limits and preconditions as the device itself. The write is an audit event.
#[utoipa::path(operation_id = "adminSetValue", tag = "admin: devices",
    request_body(content = serde_json::Value, description = "Any JSON", example = json!({"math": "p. 12"})),
    params(("uuid" = String, Path, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3"),
        ("key" = String, Path, description = "The key, percent-encoded", example = "homework-2026-11-21"), TtlQuery,
        ("If-Match" = Option<String>, Header, description = "Only if the key has this ETag", example = "\"41\"", nullable = false)),
    responses((status = 200, description = "Stored", body = Written, headers(("ETag" = String, description = "Revision of the key, quoted"))),
        (status = 404, description = "`DEVICE_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "`PRECONDITION_FAILED`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[put("/public-api/devices/{uuid}/kv/{key}")]
async fn put(
    state: State,
    store: web::Data<Store>,
    admin: Allowed<scope::AppsWrite>,
    query: Query<TtlQuery>,
    payload: web::Payload,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let most = state.config.kv.max_value_bytes;
    let body = read_body(&req, payload.into_inner(), most.max(input::BODY_LIMIT), Sender::Known).await?;
    if !body.is_empty() {
        require_json(&req)?;
    }
    let wrong = |_| Error::invalid_field("ttl", "range", "must be a number of seconds from 1 to 315360000");
    let ttl = ttl(query.0.ttl.as_deref()).map_err(wrong)?;
    let action = Action::Set { value: Value::new(&body, most)?, ttl };
    let (device_id, key, done) = write(&state, &store, admin.into_actor(), &req, action, "set_key").await?;
    let created = done.applied.first().is_some_and(|one| one.changed);
    let written =
        Written { device_id, key: key.as_str().to_owned(), created, updated_at: done.at, revision: done.revision };
    Ok(HttpResponse::Ok().insert_header((header::ETAG, etag(done.revision))).json(written))
}

/// Delete a key of any device
///
/// Under the same preconditions as the device itself. The write is an audit event.
#[utoipa::path(operation_id = "adminDeleteKey", tag = "admin: devices",
    params(("uuid" = String, Path, description = "The device's uuid, percent-encoded", example = "0f8b6c2e-classroom-3"),
        ("key" = String, Path, description = "The key, percent-encoded", example = "homework-2026-11-21"),
        ("If-Match" = Option<String>, Header, description = "Only if the key has this ETag", example = "\"41\"", nullable = false)),
    responses((status = 204, description = "It is gone"),
        (status = 404, description = "`DEVICE_NOT_FOUND` or `KEY_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "`PRECONDITION_FAILED`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[delete("/public-api/devices/{uuid}/kv/{key}")]
async fn delete(
    state: State,
    store: web::Data<Store>,
    admin: Allowed<scope::AppsWrite>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    write(&state, &store, admin.into_actor(), &req, Action::DeleteExisting, "delete_key").await?;
    Ok(HttpResponse::NoContent().finish())
}
