//! Links of a sink.

use actix_web::{
    HttpRequest, HttpResponse, delete, get, post,
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
        dto::{LinkView, NewLink},
        link,
    },
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list).service(create).service(get).service(delete);
}

/// List the links of a sink
///
/// In the order they were made.
#[utoipa::path(operation_id = "listSinkLinks", tag = "sinks",
    params(("id" = i64, Path, description = "Number of the sink.", minimum = 1, example = 3), PageQuery),
    responses((status = 200, description = "A page of links.", body = Page<LinkView>),
        (status = 404, description = "`SINK_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/sinks/{id}/links")]
async fn list(_: Admin, state: State, page: Query<PageQuery>, req: HttpRequest) -> Result<HttpResponse> {
    let rows = link::list(state.db.orm(), path_id(&req, "id")?, &page.0).await?;
    Ok(rows.map(LinkView::from).respond(&req))
}

/// Link an account to a target of a sink
///
/// The account's access token is pushed there at once, if it has one that is good and the sink is switched on, and from
/// then on whenever there is a new one. A target gets the token of one account.
#[utoipa::path(operation_id = "createSinkLink", tag = "sinks", request_body = NewLink,
    params(("id" = i64, Path, description = "Number of the sink.", minimum = 1, example = 3),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters: a repetition gets the first answer", nullable = false)),
    responses((status = 201, description = "Linked.", body = LinkView, headers(("Location" = String, description = "Path of the link."))),
        (status = 404, description = "`SINK_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`CHANNEL_LINKED`, or the first request with this Idempotency-Key is still running", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/sinks/{id}/links")]
async fn create(
    admin: Admin,
    state: State,
    sinks: Data<Sinks>,
    payload: Payload,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let sink_id = path_id(&req, "id")?;
    let body = read_body(&req, payload.into_inner(), BODY_LIMIT, Sender::Known).await?;
    let Json(new) = Json::<NewLink>::parse(&req, &body)?;
    let (now, actor) = (state.clock.now(), admin.into_actor());
    let caller = actor.caller();
    let answer = once(&state, &caller, &req, &body, async move |tx: &DatabaseTransaction| {
        let row = link::create(tx, sink_id, new.clone(), now).await?;
        let changes = json!({ "sink_id": sink_id, "token_id": row.token_id, "channel_id": row.channel_id });
        audit::record(tx, &actor, "create", "sink_link", row.id, changes, now).await?;
        Answer::created(format!("/public-api/sinks/{sink_id}/links/{}", row.id), &LinkView::from(row))
    });
    let answer = answer.await?;
    sinks.outbox.nudge();
    Ok(answer)
}

/// Show a link
///
/// `delivered_version` and `delivered_at` tell what arrived last.
#[utoipa::path(operation_id = "getSinkLink", tag = "sinks",
    params(("id" = i64, Path, description = "Number of the sink.", minimum = 1, example = 3),
        ("link_id" = i64, Path, description = "Number of the link.", minimum = 1, example = 5)),
    responses((status = 200, description = "The link.", body = LinkView),
        (status = 404, description = "`LINK_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/sinks/{id}/links/{link_id}")]
async fn get(_: Admin, state: State, req: HttpRequest) -> Result<web::Json<LinkView>> {
    let (sink_id, id) = (path_id(&req, "id")?, path_id(&req, "link_id")?);
    Ok(web::Json(link::require(state.db.orm(), sink_id, id).await?.into()))
}

/// End a link
///
/// What waits to be delivered there is not delivered. What was pushed stays where it is.
#[utoipa::path(operation_id = "deleteSinkLink", tag = "sinks",
    params(("id" = i64, Path, description = "Number of the sink.", minimum = 1, example = 3),
        ("link_id" = i64, Path, description = "Number of the link.", minimum = 1, example = 5)),
    responses((status = 204, description = "Ended."),
        (status = 404, description = "`LINK_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[delete("/public-api/sinks/{id}/links/{link_id}")]
async fn delete(admin: Admin, state: State, req: HttpRequest) -> Result<HttpResponse> {
    let (sink_id, id) = (path_id(&req, "id")?, path_id(&req, "link_id")?);
    let (now, actor) = (state.clock.now(), admin.into_actor());
    let written = state.writer.write(async move |tx| {
        let row = link::delete(tx, sink_id, id, now).await?;
        let changes = json!({ "sink_id": sink_id, "token_id": row.token_id, "channel_id": row.channel_id });
        audit::record(tx, &actor, "delete", "sink_link", id, changes, now).await
    });
    written.await?;
    Ok(HttpResponse::NoContent().finish())
}
