//! Handlers of accounts, one by one.

use actix_web::{
    HttpRequest, HttpResponse, delete, get, patch, post,
    web::{self, Data},
};
use sea_orm::DatabaseTransaction;
use serde_json::json;
use utoipa_actix_web::service_config::ServiceConfig;

use super::is_account;
use crate::{
    admin::{Actor, Allowed, audit, scope},
    base::{
        error::{Error, Problem, Result},
        http_client::HttpClient,
        idempotency::{Answer, once},
        input::{BODY_LIMIT, Json, Query, Sender, path_id, read_body},
        page::{Page, PageQuery},
        state::State,
    },
    tokens::{
        account,
        dto::{AccountFilter, AccountPatch, AccountView, Draft, NewAccount, Order},
        events, list,
        refresh::{Cause, Outcome, Refresher},
    },
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list_accounts).service(create).service(get).service(update).service(delete).service(refresh);
}

/// What knows which proxies may be called.
pub(super) fn http(state: &State) -> HttpClient {
    HttpClient::new(state.config.security.allow_private_targets)
}

/// List accounts
///
/// Newest first, unless `sort` says otherwise. No token is part of it.
#[utoipa::path(operation_id = "listAccounts", tag = "accounts", params(PageQuery, AccountFilter, Order),
    responses((status = 200, description = "A page of accounts", body = Page<AccountView>)),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/tokens")]
async fn list_accounts(
    state: State,
    _reader: Allowed<scope::TokensRead>,
    page: Query<PageQuery>,
    filter: Query<AccountFilter>,
    order: Query<Order>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let page = list::list(state.db.orm(), &filter.0, order.0, &page.0, state.clock.now()).await?;
    Ok(page.map(|row| AccountView::new(row, &state.sealer)).respond(&req))
}

/// Store an account
///
/// It is `new`, and not refreshed before somebody asks for it: `POST /public-api/tokens/{id}/refresh`.
#[utoipa::path(operation_id = "createAccount", tag = "accounts", request_body = NewAccount,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters: a repetition gets the first answer", nullable = false)),
    responses((status = 201, description = "Stored", body = AccountView, headers(("Location" = String, description = "Path of the account"))),
        (status = 409, description = "`TOKEN_EXISTS` or `BIZ_ID_TAKEN`, with `id` and `biz_id` of the other account; or the first request with this Idempotency-Key is still running", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/tokens")]
async fn create(
    state: State,
    writer: Allowed<scope::TokensWrite>,
    payload: web::Payload,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let body = read_body(&req, payload.into_inner(), BODY_LIMIT, Sender::Known).await?;
    let Json(new) = Json::<NewAccount>::parse(&req, &body)?;
    let draft = new.checked(&http(&state)).map_err(Error::invalid)?;
    let (actor, caller) = (writer.clone(), writer.caller());
    let (inner, now) = (state.clone(), state.clock.now());
    let effect = async move |tx: &DatabaseTransaction| {
        let view = store(tx, &inner, &actor, &draft, now).await?;
        Answer::created(format!("/public-api/tokens/{}", view.id), &view)
    };
    once(&state, &caller, &req, &body, effect).await
}

async fn store(
    tx: &DatabaseTransaction,
    state: &State,
    actor: &Actor,
    draft: &Draft,
    now: entity::UtcMillis,
) -> Result<AccountView> {
    let stored = account::insert(tx, &state.sealer, std::slice::from_ref(draft), "created", now).await?;
    let id = stored.into_iter().next().ok_or_else(|| Error::internal("nothing was stored"))?;
    let row = account::require(tx, id.map_err(|clash| clash.error())?).await?;
    let changes = json!({ "biz_id": row.biz_id.0, "provider": row.provider, "email": row.email, "tag": row.tag, "enabled": row.enabled });
    audit::record(tx, actor, "create", "refresh_token", row.id, changes, now).await?;
    Ok(AccountView::new(row, &state.sealer))
}

/// Show an account
///
/// Without its tokens, of which `POST /public-api/tokens/{id}/reveal` shows one.
#[utoipa::path(operation_id = "getAccount", tag = "accounts",
    params(("id" = i64, Path, description = "Number of the account", example = 1, minimum = 1)),
    responses((status = 200, description = "The account", body = AccountView),
        (status = 404, description = "`ACCOUNT_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/tokens/{id}", guard = "is_account")]
async fn get(state: State, _reader: Allowed<scope::TokensRead>, req: HttpRequest) -> Result<web::Json<AccountView>> {
    let row = account::require(state.db.orm(), path_id(&req, "id")?).await?;
    Ok(web::Json(AccountView::new(row, &state.sealer)))
}

/// Change an account
///
/// A JSON merge patch: what is absent stays, null clears. A new `refresh_token` makes the account `new`: what is known
/// of failures goes, the old token is kept as the previous one, and a refresh under way does not overwrite it.
#[utoipa::path(operation_id = "updateAccount", tag = "accounts", request_body = AccountPatch,
    params(("id" = i64, Path, description = "Number of the account", example = 1, minimum = 1)),
    responses((status = 200, description = "The account as it is now", body = AccountView),
        (status = 404, description = "`ACCOUNT_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`TOKEN_EXISTS` or `BIZ_ID_TAKEN`, with `id` and `biz_id` of the other account", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[patch("/public-api/tokens/{id}", guard = "is_account")]
async fn update(
    state: State,
    writer: Allowed<scope::TokensWrite>,
    patch: Json<AccountPatch>,
    req: HttpRequest,
) -> Result<web::Json<AccountView>> {
    let (id, now) = (path_id(&req, "id")?, state.clock.now());
    let edit = patch.0.checked(&http(&state)).map_err(Error::invalid)?;
    let sealer = state.sealer.clone();
    let work = async move |tx: &DatabaseTransaction| {
        let (row, changes) = account::edit(tx, &sealer, id, &edit, now).await?;
        let changes = serde_json::Value::from(changes);
        let names = changes.as_object().map(|changes| changes.keys().cloned().collect::<Vec<_>>().join(", "));
        events::add(tx, [id], "edited", names.as_deref(), now).await?;
        audit::record(tx, &writer, "update", "refresh_token", id, changes, now).await?;
        Ok(row)
    };
    Ok(web::Json(AccountView::new(state.writer.write(work).await?, &state.sealer)))
}

/// Delete an account
///
/// With its tokens, its events and its links to sinks. What was pushed to sinks stays there.
#[utoipa::path(operation_id = "deleteAccount", tag = "accounts",
    params(("id" = i64, Path, description = "Number of the account", example = 1, minimum = 1)),
    responses((status = 204, description = "It is gone"),
        (status = 404, description = "`ACCOUNT_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[delete("/public-api/tokens/{id}", guard = "is_account")]
async fn delete(state: State, writer: Allowed<scope::TokensWrite>, req: HttpRequest) -> Result<HttpResponse> {
    let (id, now) = (path_id(&req, "id")?, state.clock.now());
    let work = async move |tx: &DatabaseTransaction| {
        account::delete(tx, id).await?;
        audit::record(tx, &writer, "delete", "refresh_token", id, json!({}), now).await
    };
    state.writer.write(work).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Refresh an account now
///
/// Exchanges the refresh token, without waiting until the pause after a failure is over. It goes on when the client
/// leaves. A refusal carries `failure_class`, where the provider's answer has one.
#[utoipa::path(operation_id = "refreshAccount", tag = "accounts",
    params(("id" = i64, Path, description = "Number of the account", example = 1, minimum = 1)),
    responses((status = 200, description = "The account with its new tokens", body = AccountView),
        (status = 404, description = "`ACCOUNT_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`ACCOUNT_DEAD` or `ACCOUNT_DISABLED`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`RATE_LIMITED`: the provider wants fewer calls", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "`PROVIDER_FAILED`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`PROVIDER_PAUSED`, or the database is out", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "`PROVIDER_TIMEOUT`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/tokens/{id}/refresh")]
async fn refresh(
    state: State,
    _refresher: Allowed<scope::TokensRefresh>,
    refresher: Data<Refresher>,
    req: HttpRequest,
) -> Result<web::Json<AccountView>> {
    let id = path_id(&req, "id")?;
    account::require(state.db.orm(), id).await?;
    if let Outcome::Refused(refusal) = refresher.refresh(id, Cause::Admin).await {
        return Err(refusal.error());
    }
    Ok(web::Json(AccountView::new(account::require(state.db.orm(), id).await?, &state.sealer)))
}
