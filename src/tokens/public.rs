//! `/public-api/refresh` and `/public-api/get-at`, in oai-rt's envelope.

use std::time::Duration;

use actix_web::{HttpResponse, http::header, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::{Validate, ValidationErrors};

use super::{
    problems::PROVIDER_TIMEOUT,
    refresh::{Cause, Outcome, Refresher},
    serve::{Servable, Served},
};
use crate::{
    admin::{Actor, Allowed, Scope, scope},
    base::{
        error::{Error, Problem, Result},
        input::Json,
        state::State,
    },
};

/// The routes.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(refresh).service(get_at);
}

/// Which account, and for how long its access token must be good.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct Which {
    /// The account. It wins over `email`.
    #[schema(example = "team-3")]
    biz_id: Option<String>,
    /// The account's e-mail, if it is the only one with it.
    #[schema(example = "someone@example.com")]
    email: Option<String>,
    /// `get-at`: seconds the access token must live at least; else it is refreshed first.
    #[schema(example = 600, minimum = 0)]
    min_ttl: Option<u32>,
    /// `get-at`: longest wait for that refresh, in milliseconds; 10 000 unless given.
    #[schema(example = 10_000, minimum = 0, maximum = 60_000)]
    wait_ms: Option<u32>,
}

/// What is wrong with it is 400 or 404, as clients of oai-rt know it.
impl Validate for Which {
    fn validate(&self) -> Result<(), ValidationErrors> {
        Ok(())
    }
}

/// oai-rt's envelope.
#[derive(Debug, Serialize, ToSchema)]
pub struct Envelope {
    /// Always true here; a problem document says false.
    #[schema(example = true)]
    success: bool,
    /// `刷新成功` or `获取成功`.
    #[schema(example = "刷新成功")]
    msg: &'static str,
    /// The account.
    data: Served,
}

/// Refresh an account now
///
/// Exchanges its refresh token and answers the new access token. The back-off after failures is skipped; a pause that the
/// provider asked for is not. Callers of one account share one call.
#[utoipa::path(operation_id = "refreshNow", tag = "tokens",
    request_body(content = Which, example = json!({"biz_id": "team-3"})),
    responses((status = 200, description = "Refreshed", body = Envelope),
        (status = 400, description = "Neither biz_id nor email is given", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`ACCOUNT_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`EMAIL_AMBIGUOUS`, `ACCOUNT_DISABLED`, `ACCOUNT_DEAD` or `ACCOUNT_CHANGED`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`PROVIDER_RATE_LIMITED`", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "`PROVIDER_FAILED`", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "`PROVIDER_TIMEOUT`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/refresh")]
async fn refresh(
    state: State,
    refresher: web::Data<Refresher>,
    admin: Allowed<scope::TokensRefresh>,
    which: Json<Which>,
) -> Result<HttpResponse> {
    let account = find(&state, &which.0).await?;
    match refresher.refresh(account.id, Cause::Api).await {
        Outcome::Refreshed => answer(&state, &admin, Servable::reload(&state, account.id).await?, "刷新成功"),
        Outcome::Refused(refusal) => Err(refusal.error()),
    }
}

/// Get an access token
///
/// The stored one, without a call to the provider. With `min_ttl` it is refreshed first when it does not live that long;
/// when that does not come to an end in `wait_ms`, a token that still lives is answered all the same.
#[utoipa::path(operation_id = "getAccessToken", tag = "tokens",
    request_body(content = Which, example = json!({"biz_id": "team-3", "min_ttl": 600})),
    responses((status = 200, description = "The access token", body = Envelope),
        (status = 400, description = "Neither biz_id nor email is given", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`ACCOUNT_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`EMAIL_AMBIGUOUS`, `ACCOUNT_DISABLED`, `ACCOUNT_DEAD`, `NO_ACCESS_TOKEN` or `ACCESS_TOKEN_EXPIRED`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`PROVIDER_RATE_LIMITED`", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "`PROVIDER_FAILED`", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "`PROVIDER_TIMEOUT`: no access token lives, and the refresh took too long", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/get-at")]
async fn get_at(
    state: State,
    refresher: web::Data<Refresher>,
    admin: Allowed<scope::TokensRead>,
    which: Json<Which>,
) -> Result<HttpResponse> {
    let mut account = find(&state, &which.0).await?;
    account.require_enabled()?;
    if let Some(min_ttl) = which.0.min_ttl {
        admin.require(Scope::TokensRefresh)?;
        if !account.lives(i64::from(min_ttl), state.clock.now()) {
            let wait = Duration::from_millis(which.0.wait_ms.unwrap_or(10_000).min(60_000).into());
            account = refreshed(&state, &refresher, account, wait).await?;
        }
    }
    answer(&state, &admin, account, "获取成功")
}

/// The account after a refresh, or as it was when its access token still lives.
async fn refreshed(state: &State, refresher: &Refresher, account: Servable, wait: Duration) -> Result<Servable> {
    let outcome = tokio::time::timeout(wait, refresher.refresh(account.id, Cause::Serve)).await;
    let account = Servable::reload(state, account.id).await?;
    match outcome {
        Ok(Outcome::Refreshed) => Ok(account),
        _ if account.lives(0, state.clock.now()) => Ok(account),
        Ok(Outcome::Refused(refusal)) => Err(refusal.error()),
        Err(_) => Err(PROVIDER_TIMEOUT.error("The refresh did not come to an end in wait_ms; it goes on.")),
    }
}

async fn find(state: &State, which: &Which) -> Result<Servable> {
    fn given(text: Option<&String>) -> Option<&str> {
        text.map(|text| text.trim()).filter(|text| !text.is_empty())
    }
    match (given(which.biz_id.as_ref()), given(which.email.as_ref())) {
        (Some(biz_id), _) => Servable::by_biz_id(state, biz_id).await,
        (None, Some(email)) => Servable::by_email(state, email).await,
        (None, None) => Err(Error::malformed("Give 'biz_id' or 'email'.")),
    }
}

fn answer(state: &State, actor: &Actor, account: Servable, msg: &'static str) -> Result<HttpResponse> {
    let data = account.serve(state, actor.may(Scope::TokensReveal))?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(Envelope {
        success: true,
        msg,
        data,
    }))
}
