//! Sinks themselves.

use actix_web::{
    HttpRequest, HttpResponse, delete, get, patch, post,
    web::{self, Data, Payload},
};
use sea_orm::DatabaseTransaction;
use serde_json::json;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    admin::{Admin, audit},
    base::{
        error::{Problem, Result},
        idempotency::{Answer, once},
        input::{BODY_LIMIT, Json, Query, Sender, path_id, read_body},
        page::{Page, PageQuery},
        state::State,
    },
    sinks::{
        Sinks,
        dto::{NewSink, SinkFilter, SinkPatch, SinkView},
        probe::{self, Findings},
        sink,
    },
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list).service(create).service(get).service(update).service(delete).service(test);
}

/// List sinks
///
/// In the order they were made. Secret members of their configuration are not part of the answer.
#[utoipa::path(operation_id = "listSinks", tag = "sinks", params(PageQuery, SinkFilter),
    responses((status = 200, description = "A page of sinks.", body = Page<SinkView>)),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/sinks")]
async fn list(
    _: Admin,
    state: State,
    filter: Query<SinkFilter>,
    page: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let rows = sink::list(state.db.orm(), &filter.0, &page.0).await?;
    let Page { items, next_cursor, total } = rows;
    let items: Vec<SinkView> = items.into_iter().map(SinkView::try_from).collect::<Result<_>>()?;
    Ok(Page { items, next_cursor, total }.respond(&req))
}

/// Make a sink
///
/// A place where fresh access tokens are pushed. Nothing is called yet: `POST /public-api/sinks/{id}/test` looks whether
/// it is there, and links say what goes where.
#[utoipa::path(operation_id = "createSink", tag = "sinks", 
    request_body(content = NewSink, example = json!({"name": "One-API", "kind": "one_api_http", "sync_delay_s": 600,
        "config": {"base_url": "https://one-api.example.com", "access_token": "0123456789abcdef0123456789abcdef"}})),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters: a repetition gets the first answer", nullable = false)),
    responses((status = 201, description = "Made.", body = SinkView, headers(("Location" = String, description = "Path of the sink."))),
        (status = 409, description = "`SINK_NAME_TAKEN`, or the first request with this Idempotency-Key is still running", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/sinks")]
async fn create(
    admin: Admin,
    state: State,
    sinks: Data<Sinks>,
    payload: Payload,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let body = read_body(&req, payload.into_inner(), BODY_LIMIT, Sender::Known).await?;
    let Json(new) = Json::<NewSink>::parse(&req, &body)?;
    let (now, actor, sealer, net) =
        (state.clock.now(), admin.into_actor(), state.sealer.clone(), sinks.ways.net.clone());
    let caller = actor.caller();
    once(&state, &caller, &req, &body, async move |tx: &DatabaseTransaction| {
        let row = sink::create(tx, &sealer, &net, new.clone(), now).await?;
        let changes = json!({ "name": row.name, "kind": row.kind });
        audit::record(tx, &actor, "create", "token_sink", row.id, changes, now).await?;
        Answer::created(format!("/public-api/sinks/{}", row.id), &SinkView::try_from(row)?)
    })
    .await
}

/// Show a sink
///
/// Secret members of its configuration are not part of the answer; `secrets` names those that are set.
#[utoipa::path(operation_id = "getSink", tag = "sinks",
    params(("id" = i64, Path, description = "Number of the sink.", minimum = 1, example = 3)),
    responses((status = 200, description = "The sink.", body = SinkView),
        (status = 404, description = "`SINK_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/sinks/{id}")]
async fn get(_: Admin, state: State, req: HttpRequest) -> Result<web::Json<SinkView>> {
    Ok(web::Json(sink::require(state.db.orm(), path_id(&req, "id")?).await?.try_into()?))
}

/// Change a sink
///
/// A JSON merge patch: what is absent stays, secret members of `config` too. After a change of `config` everything is
/// pushed anew, and after `enabled: true` what was missed. The kind cannot be changed.
#[utoipa::path(operation_id = "updateSink", tag = "sinks", 
    request_body(content = SinkPatch, example = json!({"enabled": true, "config": {"test_after": true}})),
    params(("id" = i64, Path, description = "Number of the sink.", minimum = 1, example = 3)),
    responses((status = 200, description = "The sink as it is now.", body = SinkView),
        (status = 404, description = "`SINK_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`SINK_NAME_TAKEN`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[patch("/public-api/sinks/{id}")]
async fn update(
    admin: Admin,
    state: State,
    sinks: Data<Sinks>,
    req: HttpRequest,
    body: Json<SinkPatch>,
) -> Result<web::Json<SinkView>> {
    let (id, now, mut patch) = (path_id(&req, "id")?, state.clock.now(), body.0);
    patch.check()?;
    let (actor, sealer, net) = (admin.into_actor(), state.sealer.clone(), sinks.ways.net.clone());
    let written = state.writer.write(async move |tx| {
        let (row, changes) = sink::update(tx, &sealer, &net, id, patch.clone(), now).await?;
        audit::record(tx, &actor, "update", "token_sink", id, changes, now).await?;
        Ok(row)
    });
    let row = written.await?;
    sinks.outbox.nudge();
    Ok(web::Json(row.try_into()?))
}

/// Delete a sink
///
/// Its links end with it, and what waits to be delivered is not delivered. What was pushed stays where it is.
#[utoipa::path(operation_id = "deleteSink", tag = "sinks",
    params(("id" = i64, Path, description = "Number of the sink.", minimum = 1, example = 3)),
    responses((status = 204, description = "Deleted."),
        (status = 404, description = "`SINK_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[delete("/public-api/sinks/{id}")]
async fn delete(admin: Admin, state: State, req: HttpRequest) -> Result<HttpResponse> {
    let (id, now, actor) = (path_id(&req, "id")?, state.clock.now(), admin.into_actor());
    let written = state.writer.write(async move |tx| {
        let row = sink::delete(tx, id, now).await?;
        audit::record(tx, &actor, "delete", "token_sink", id, json!({ "name": row.name }), now).await
    });
    written.await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Test a sink
///
/// Looks whether the place is there, lets us in, and has the targets of the links. Changes nothing there, and works for
/// a sink that is switched off too. What goes wrong is part of the answer.
#[utoipa::path(operation_id = "testSink", tag = "sinks",
    params(("id" = i64, Path, description = "Number of the sink.", minimum = 1, example = 3)),
    responses((status = 200, description = "What was found.", body = Findings),
        (status = 404, description = "`SINK_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/sinks/{id}/test")]
async fn test(_: Admin, state: State, sinks: Data<Sinks>, req: HttpRequest) -> Result<web::Json<Findings>> {
    let id = path_id(&req, "id")?;
    Ok(web::Json(probe::look(state.db.orm(), &state.sealer, &sinks.ways, id).await?))
}
