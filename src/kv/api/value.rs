//! Handlers of one key.

use std::time::{Duration, UNIX_EPOCH};

use actix_web::{HttpRequest, HttpResponse, delete, get, http::header, post, put, web};
use entity::UtcMillis;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{Gate, ttl};
use crate::{
    base::{
        error::{Problem, Result},
        input::{Query, require_json},
        rate::Quota,
        state::State,
    },
    devices::{Call, Grant, Meter, Use, install::claim},
    kv::{
        KEY_NOT_FOUND, Store,
        dto::{KeyView, TtlQuery, Written},
        etag::{self, Precondition, etag},
        key::Key,
        list,
        plan::{Action, Change, Op},
        value::Value,
    },
    settings::Settings,
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(get).service(post).service(put).service(delete).service(metadata);
}

/// Read a value
///
/// The JSON text comes back byte for byte as it was stored. With `If-None-Match` and a known ETag: 304.
#[utoipa::path(operation_id = "getValue", tag = "kv",
    params(("key" = String, Path, description = "The key, percent-encoded", example = "homework-2026-11-21"),
        ("If-None-Match" = Option<String>, Header, description = "ETag of a value the client has", example = "\"41\"", nullable = false)),
    responses((status = 200, description = "The value: any JSON", body = serde_json::Value, headers(("ETag" = String, description = "Revision of the key, quoted"), ("Last-Modified" = String, description = "When it was last written"), ("RateLimit" = String, description = "Calls left")), example = json!({"math": "p. 12"})),
        (status = 304, description = "The client has this value already"),
        (status = 404, description = "`KEY_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("AppToken" = [])))]
#[get("/kv/{key}")]
async fn get(
    state: State,
    store: web::Data<Store>,
    meter: web::Data<Meter>,
    settings: web::Data<Settings>,
    call: Call,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let token = claim(&call)?;
    let key = Key::from_path(&req, 2)?;
    let (grant, found) = store.read(&state, token, &key).await?;
    let quota = Gate { state: &state, meter: &meter, settings: &settings }.count(&grant, Use::Read).await?;
    let outcome = match found {
        None => Err(KEY_NOT_FOUND.error("There is no such key.")),
        Some(found) if etag::is_known(&req, found.revision) => {
            Ok(stamped(HttpResponse::NotModified(), found.revision, found.updated_at).finish())
        }
        Some(found) => Ok(stamped(HttpResponse::Ok(), found.revision, found.updated_at)
            .content_type("application/json")
            .body(found.value)),
    };
    Quota::tell(quota, outcome)
}

/// The headers of a value. Without `Cache-Control` browsers would guess a lifetime from `Last-Modified`.
fn stamped(
    mut response: actix_web::HttpResponseBuilder,
    revision: i64,
    updated_at: UtcMillis,
) -> actix_web::HttpResponseBuilder {
    let updated = UNIX_EPOCH + Duration::from_millis(u64::try_from(updated_at.0).unwrap_or_default());
    response
        .insert_header((header::ETAG, etag(revision)))
        .insert_header(header::LastModified(updated.into()))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    response
}

/// Store a value
///
/// Any JSON: objects, arrays, strings, numbers, booleans, null. A write without `ttl` never expires, whatever the one
/// before it said.
#[utoipa::path(operation_id = "setValue", tag = "kv",
    request_body(content = serde_json::Value, description = "Any JSON", example = json!({"math": "p. 12"})),
    params(("key" = String, Path, description = "The key, percent-encoded", example = "homework-2026-11-21"), TtlQuery,
        ("If-Match" = Option<String>, Header, description = "Only if the key has this ETag", example = "\"41\"", nullable = false),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if the key is absent", example = "*", nullable = false)),
    responses((status = 200, description = "Stored", body = Written, headers(("ETag" = String, description = "Revision of the key, quoted"), ("RateLimit" = String, description = "Calls left"))),
        (status = 403, description = "`READ_ONLY`", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "`PRECONDITION_FAILED`", body = Problem, content_type = "application/problem+json")),
    security(("AppToken" = [])))]
#[post("/kv/{key}")]
async fn post(
    state: State,
    store: web::Data<Store>,
    meter: web::Data<Meter>,
    settings: web::Data<Settings>,
    call: Call,
    req: HttpRequest,
    query: Query<TtlQuery>,
) -> Result<HttpResponse> {
    set(&state, &store, &meter, &settings, &call, &req, &query.0).await
}

/// Store a value
///
/// The same as POST.
#[utoipa::path(operation_id = "putValue", tag = "kv",
    request_body(content = serde_json::Value, description = "Any JSON", example = json!({"math": "p. 12"})),
    params(("key" = String, Path, description = "The key, percent-encoded", example = "homework-2026-11-21"), TtlQuery,
        ("If-Match" = Option<String>, Header, description = "Only if the key has this ETag", example = "\"41\"", nullable = false),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if the key is absent", example = "*", nullable = false)),
    responses((status = 200, description = "Stored", body = Written, headers(("ETag" = String, description = "Revision of the key, quoted"), ("RateLimit" = String, description = "Calls left"))),
        (status = 403, description = "`READ_ONLY`", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "`PRECONDITION_FAILED`", body = Problem, content_type = "application/problem+json")),
    security(("AppToken" = [])))]
#[put("/kv/{key}")]
async fn put(
    state: State,
    store: web::Data<Store>,
    meter: web::Data<Meter>,
    settings: web::Data<Settings>,
    call: Call,
    req: HttpRequest,
    query: Query<TtlQuery>,
) -> Result<HttpResponse> {
    set(&state, &store, &meter, &settings, &call, &req, &query.0).await
}

async fn set(
    state: &State,
    store: &Store,
    meter: &Meter,
    settings: &Settings,
    call: &Call,
    req: &HttpRequest,
    query: &TtlQuery,
) -> Result<HttpResponse> {
    let gate = Gate { state, meter, settings };
    let work = async |grant: Grant| {
        grant.require_write()?;
        let key = Key::from_path(req, 2)?;
        if !call.body.is_empty() {
            require_json(req)?;
        }
        let value = Value::new(&call.body, state.config.kv.max_value_bytes)?;
        let action = Action::Set { value, ttl: ttl(query.ttl.as_deref())? };
        let done = store.write(one(grant, call, key.clone(), action, req)).await?;
        let (revision, created) =
            done.applied.first().map_or((done.revision, false), |one| (one.revision, one.changed));
        let written = Written {
            device_id: grant.device_id,
            key: key.as_str().to_owned(),
            created,
            updated_at: done.at,
            revision,
        };
        Ok(HttpResponse::Ok().insert_header((header::ETAG, etag(revision))).json(written))
    };
    gate.pass(store, call, Use::Write, work).await
}

/// An op of one change under the request's preconditions.
fn one(grant: Grant, call: &Call, key: Key, action: Action, req: &HttpRequest) -> Op {
    let changes = vec![Change { key, action, precondition: Precondition::of(req) }];
    let (device_id, install_id) = (grant.device_id, Some(grant.install_id));
    Op { device_id, install_id, ip: call.ip.to_string(), changes, is_batch: false, record: None }
}

/// Delete a key
///
/// With `If-Match` only the revision that was read. A deleted key and one that never was are both 404 afterwards.
#[utoipa::path(operation_id = "deleteKey", tag = "kv",
    params(("key" = String, Path, description = "The key, percent-encoded", example = "homework-2026-11-21"),
        ("If-Match" = Option<String>, Header, description = "Only if the key has this ETag", example = "\"41\"", nullable = false)),
    responses((status = 204, description = "It is gone"),
        (status = 403, description = "`READ_ONLY`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`KEY_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "`PRECONDITION_FAILED`", body = Problem, content_type = "application/problem+json")),
    security(("AppToken" = [])))]
#[delete("/kv/{key}")]
async fn delete(
    state: State,
    store: web::Data<Store>,
    meter: web::Data<Meter>,
    settings: web::Data<Settings>,
    call: Call,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let gate = Gate { state: &state, meter: &meter, settings: &settings };
    let work = async |grant: Grant| {
        grant.require_write()?;
        let key = Key::from_path(&req, 2)?;
        store.write(one(grant, &call, key, Action::DeleteExisting, &req)).await?;
        Ok(HttpResponse::NoContent().finish())
    };
    gate.pass(&store, &call, Use::Delete, work).await
}

/// Show what is known of a key
///
/// Size, revision, times and the addresses that wrote it; not its value.
#[utoipa::path(operation_id = "getMetadata", tag = "kv",
    params(("key" = String, Path, description = "The key, percent-encoded", example = "homework-2026-11-21")),
    responses((status = 200, description = "Its metadata", body = KeyView),
        (status = 404, description = "`KEY_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("AppToken" = [])))]
#[get("/kv/{key}/metadata")]
async fn metadata(
    state: State,
    store: web::Data<Store>,
    meter: web::Data<Meter>,
    settings: web::Data<Settings>,
    call: Call,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let gate = Gate { state: &state, meter: &meter, settings: &settings };
    let work = async |grant: Grant| {
        let key = Key::from_path(&req, 2)?;
        let view = list::metadata(state.db.orm(), grant.device_id, &key, state.clock.now()).await?;
        Ok(HttpResponse::Ok().json(view))
    };
    gate.pass(&store, &call, Use::Read, work).await
}
