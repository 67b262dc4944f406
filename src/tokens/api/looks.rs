//! Handlers that tell how accounts stand and what happened to them.

use actix_web::{HttpRequest, HttpResponse, get, web};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    admin::{Allowed, scope},
    base::{
        error::{Problem, Result},
        input::{Query, path_id},
        page::{Page, PageQuery},
        state::State,
    },
    tokens::{
        account,
        dto::{AccountEvent, AccountStats, EventFilter},
        events, stats,
    },
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(count).service(list_events);
}

/// Count the accounts
///
/// By state, provider and plan; how many access tokens end soon, and how many accounts are due.
#[utoipa::path(operation_id = "countAccounts", tag = "accounts",
    responses((status = 200, description = "The numbers", body = AccountStats)),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/tokens/stats")]
async fn count(state: State, _reader: Allowed<scope::TokensRead>) -> Result<web::Json<AccountStats>> {
    Ok(web::Json(stats::stats(state.db.orm(), state.clock.now()).await?))
}

/// List an account's events
///
/// What happened to it, the newest first: refreshes with their ends, edits, who was shown a token. Kept for 90 days.
#[utoipa::path(operation_id = "listAccountEvents", tag = "accounts",
    params(PageQuery, EventFilter, ("id" = i64, Path, description = "Number of the account", example = 1, minimum = 1)),
    responses((status = 200, description = "A page of events; `total` is null unless `count=true`", body = Page<AccountEvent>),
        (status = 404, description = "`ACCOUNT_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/tokens/{id}/events")]
async fn list_events(
    state: State,
    _reader: Allowed<scope::TokensRead>,
    page: Query<PageQuery>,
    filter: Query<EventFilter>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let account = account::require(state.db.orm(), path_id(&req, "id")?).await?;
    let page = events::list(state.db.orm(), account.id, &page.0, filter.0.count.unwrap_or(false)).await?;
    Ok(page.map(AccountEvent::from).respond(&req))
}
