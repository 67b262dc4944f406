//! Handlers of what is done to many accounts at once.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    post,
    web::{self, Data},
};
use sea_orm::DatabaseTransaction;
use utoipa_actix_web::service_config::ServiceConfig;

use super::accounts::http;
use crate::{
    admin::{Allowed, scope},
    base::{
        error::{Error, Problem, Result},
        idempotency::{Answer, once},
        input::{BODY_LIMIT, Json, Sender, read_body},
        state::State,
    },
    tokens::{
        batch::{self, By},
        dto::{AccountsDone, BatchDelete, BatchRefresh, BatchUpdate, RefreshStarted},
        runner::Batches,
    },
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(delete).service(update).service(refresh);
}

/// Delete many accounts
///
/// Those of `ids`, or those that fit `filter`; up to 10 000, in one transaction.
#[utoipa::path(operation_id = "deleteAccounts", tag = "accounts", request_body = BatchDelete,
    responses((status = 200, description = "What came of each: 204, or 404 `ACCOUNT_NOT_FOUND`", body = AccountsDone,
        example = json!({"results": [{"id": 7, "status": 204, "code": null}, {"id": 8, "status": 404, "code": "ACCOUNT_NOT_FOUND"}]}))),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/tokens/batch-delete")]
async fn delete(
    state: State,
    writer: Allowed<scope::TokensWrite>,
    body: Json<BatchDelete>,
) -> Result<web::Json<AccountsDone>> {
    let (selection, now) = (body.0.selection()?, state.clock.now());
    let work = async move |tx: &DatabaseTransaction| batch::delete(tx, By { actor: &writer, now }, &selection).await;
    Ok(web::Json(AccountsDone { results: state.writer.write(work).await? }))
}

/// Change many accounts
///
/// Those of `ids`, or those that fit `filter`; up to 10 000, in one transaction. `set` is a merge patch.
#[utoipa::path(operation_id = "updateAccounts", tag = "accounts", request_body = BatchUpdate,
    responses((status = 200, description = "What came of each: 200, or 404 `ACCOUNT_NOT_FOUND`", body = AccountsDone,
        example = json!({"results": [{"id": 7, "status": 200, "code": null}, {"id": 8, "status": 404, "code": "ACCOUNT_NOT_FOUND"}]}))),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/tokens/batch-update")]
async fn update(
    state: State,
    writer: Allowed<scope::TokensWrite>,
    body: Json<BatchUpdate>,
) -> Result<web::Json<AccountsDone>> {
    let (selection, now) = (body.0.selection()?, state.clock.now());
    let edit = body.0.set.checked(&http(&state)).map_err(Error::invalid)?;
    let sealer = state.sealer.clone();
    let work = async move |tx: &DatabaseTransaction| {
        batch::update(tx, By { actor: &writer, now }, &sealer, &selection, &edit).await
    };
    Ok(web::Json(AccountsDone { results: state.writer.write(work).await? }))
}

/// Refresh many accounts
///
/// Those of `ids`, or those that fit `filter`, up to 10 000, in the background. `GET /public-api/tasks/{id}` shows how
/// far it has come and what came of each. It goes on when the client leaves, and after a restart.
#[utoipa::path(operation_id = "refreshAccounts", tag = "accounts", request_body = BatchRefresh,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters: a repetition gets the first answer", nullable = false)),
    responses((status = 202, description = "It has begun", body = RefreshStarted, headers(("Location" = String, description = "Path of the task"))),
        (status = 409, description = "The first request with this Idempotency-Key is still running", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/tokens/batch-refresh")]
async fn refresh(
    state: State,
    refresher: Allowed<scope::TokensRefresh>,
    batches: Data<Batches>,
    payload: web::Payload,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let body = read_body(&req, payload.into_inner(), BODY_LIMIT, Sender::Known).await?;
    let selection = Json::<BatchRefresh>::parse(&req, &body)?.0.selection()?;
    let (caller, now) = (refresher.caller(), state.clock.now());
    let effect = async move |tx: &DatabaseTransaction| {
        let task = batch::refresh(tx, By { actor: &refresher, now }, &selection).await?;
        let location = Some(format!("/public-api/tasks/{}", task.id));
        let started = RefreshStarted { task_id: task.id.clone(), task: task.into() };
        Ok(Answer { location, ..Answer::new(StatusCode::ACCEPTED, &started)? })
    };
    let answer = once(&state, &caller, &req, &body, effect).await;
    batches.nudge();
    answer
}
