//! Handlers of `/public-api/apps`.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use sea_orm::DatabaseTransaction;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    admin::{Allowed, audit, scope},
    apps::{
        app as registry,
        dto::{AdminApp, AppPatch, NewApp},
    },
    base::{
        error::{Problem, Result},
        idempotency::{self, Answer},
        input::{BODY_LIMIT, Json, Query, Sender, parse_json, path_id, read_body, require_json},
        page::{Page, PageQuery},
        state::State,
    },
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list).service(create).service(get).service(update).service(delete);
}

/// Which apps.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AdminAppQuery {
    /// Part of name, description or developer's name.
    #[param(nullable = false, example = "class")]
    search: Option<String>,
}

/// List apps
///
/// Newest first.
#[utoipa::path(operation_id = "adminListApps", tag = "admin: apps", params(PageQuery, AdminAppQuery),
    responses((status = 200, description = "A page of apps", body = Page<AdminApp>)),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/apps")]
async fn list(
    state: State,
    _admin: Allowed<scope::AppsWrite>,
    page: Query<PageQuery>,
    query: Query<AdminAppQuery>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    Ok(registry::list(state.db.orm(), &page.0, query.0.search.as_deref()).await?.respond(&req))
}

/// Register an app
///
/// `metadata` may be any JSON.
#[utoipa::path(operation_id = "adminCreateApp", tag = "admin: apps", request_body = NewApp,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters: a repetition gets the first answer", nullable = false)),
    responses((status = 201, description = "Registered", body = AdminApp, headers(("Location" = String, description = "Path of the app"))),
        (status = 409, description = "The first request with this Idempotency-Key is still running", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/apps")]
async fn create(
    state: State,
    admin: Allowed<scope::AppsWrite>,
    payload: web::Payload,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let body = read_body(&req, payload.into_inner(), BODY_LIMIT, Sender::Known).await?;
    let Json(new) = Json::<NewApp>::parse(&req, &body)?;
    let (now, actor) = (state.clock.now(), admin.into_actor());
    let caller = actor.caller();
    idempotency::once(&state, &caller, &req, &body, async move |tx| {
        let app = registry::create(tx, new.clone(), now).await?;
        let changes = serde_json::json!({ "name": app.name });
        audit::record(tx, &actor, "create", "app", &app.id.to_string(), changes, now).await?;
        Answer::created(format!("/public-api/apps/{}", app.id), &AdminApp::from(app))
    })
    .await
}

/// Show an app
///
/// Everything that was registered of it, its metadata included.
#[utoipa::path(operation_id = "adminGetApp", tag = "admin: apps",
    params(("id" = i64, Path, description = "Number of the app", example = 1, minimum = 1)),
    responses((status = 200, description = "The app", body = AdminApp),
        (status = 404, description = "`APP_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/apps/{id}")]
async fn get(state: State, _admin: Allowed<scope::AppsWrite>, req: HttpRequest) -> Result<web::Json<AdminApp>> {
    Ok(web::Json(registry::require(state.db.orm(), path_id(&req, "id")?).await?.into()))
}

/// Change an app
///
/// A JSON merge patch: what is absent stays, null clears.
#[utoipa::path(operation_id = "adminUpdateApp", tag = "admin: apps", request_body = AppPatch,
    params(("id" = i64, Path, description = "Number of the app", example = 1, minimum = 1)),
    responses((status = 200, description = "The app", body = AdminApp),
        (status = 404, description = "`APP_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[patch("/public-api/apps/{id}")]
async fn update(
    state: State,
    admin: Allowed<scope::AppsWrite>,
    payload: web::Payload,
    req: HttpRequest,
) -> Result<web::Json<AdminApp>> {
    let id = path_id(&req, "id")?;
    let body = read_body(&req, payload.into_inner(), BODY_LIMIT, Sender::Known).await?;
    require_json(&req)?;
    let patch: AppPatch = parse_json(&body)?;
    patch.check()?;
    let changes: serde_json::Value = parse_json(&body)?;
    let (now, actor) = (state.clock.now(), admin.into_actor());
    let work = async move |tx: &DatabaseTransaction| {
        let app = registry::update(tx, id, patch.clone(), now).await?;
        audit::record(tx, &actor, "update", "app", id, changes.clone(), now).await?;
        Ok(app)
    };
    Ok(web::Json(state.writer.write(work).await?.into()))
}

/// Delete an app
///
/// Its installs end with it: their tokens fail from the next call on.
#[utoipa::path(operation_id = "adminDeleteApp", tag = "admin: apps",
    params(("id" = i64, Path, description = "Number of the app", example = 1, minimum = 1)),
    responses((status = 204, description = "It is gone"),
        (status = 404, description = "`APP_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[delete("/public-api/apps/{id}")]
async fn delete(state: State, admin: Allowed<scope::AppsWrite>, req: HttpRequest) -> Result<HttpResponse> {
    let (id, now, actor) = (path_id(&req, "id")?, state.clock.now(), admin.into_actor());
    state
        .writer
        .write(async move |tx| {
            registry::delete(tx, id).await?;
            audit::record(tx, &actor, "delete", "app", &id.to_string(), serde_json::json!({}), now).await
        })
        .await?;
    state.wakeups.wake_all();
    Ok(HttpResponse::NoContent().finish())
}
