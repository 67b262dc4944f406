//! `/public-api/refresh` and `/public-api/get-at`, in oai-rt's envelope.

use std::time::Duration;

use actix_web::{HttpResponse, http::header, post, web};
use entity::{UtcMillis, refresh_token};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::{Validate, ValidationErrors};

use super::{
    TABLE,
    problems::{
        ACCESS_TOKEN_EXPIRED, ACCOUNT_DISABLED, ACCOUNT_NOT_FOUND, EMAIL_AMBIGUOUS, NO_ACCESS_TOKEN, PROVIDER_TIMEOUT,
    },
    refresh::{Cause, Outcome, Refresher},
};
use crate::{
    admin::{Actor, Allowed, Scope, scope},
    base::{
        error::{Error, Problem, Result},
        input::Json,
        sealed::Place,
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

/// An account with its access token.
#[derive(Debug, Serialize, ToSchema)]
pub struct Served {
    /// The account.
    #[schema(example = "team-3")]
    biz_id: String,
    /// As the provider's tokens say.
    #[schema(example = "someone@example.com")]
    email: Option<String>,
    /// The live access token.
    #[schema(example = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln")]
    access_token: String,
    /// Only for secrets with the scope `tokens:reveal`, else null.
    #[schema(example = json!(null))]
    refresh_token: Option<String>,
    /// `free`, `plus`, `pro`, `team`, …
    #[serde(rename = "type")]
    #[schema(example = "plus")]
    account_type: Option<String>,
    /// As the provider's tokens say.
    #[schema(example = "Someone")]
    user_name: Option<String>,
    /// When the access token ends.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-21T12:31:00.000Z")]
    access_expires_at: Option<UtcMillis>,
    /// `new`, `ok`, `failing`, `dead` or `uncertain`.
    #[schema(example = "ok")]
    state: String,
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
        Outcome::Refreshed => serve(&state, &admin, &reload(&state, account.id).await?, "刷新成功"),
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
    require_enabled(&account)?;
    if let Some(min_ttl) = which.0.min_ttl {
        admin.require(Scope::TokensRefresh)?;
        if !lives(&account, i64::from(min_ttl), state.clock.now()) {
            let wait = Duration::from_millis(which.0.wait_ms.unwrap_or(10_000).min(60_000).into());
            account = refreshed(&state, &refresher, account, wait).await?;
        }
    }
    serve(&state, &admin, &account, "获取成功")
}

/// The account after a refresh, or as it was when its access token still lives.
async fn refreshed(
    state: &State,
    refresher: &Refresher,
    account: refresh_token::Model,
    wait: Duration,
) -> Result<refresh_token::Model> {
    let outcome = tokio::time::timeout(wait, refresher.refresh(account.id, Cause::Serve)).await;
    if let Ok(Outcome::Refreshed) = outcome {
        return reload(state, account.id).await;
    }
    let account = reload(state, account.id).await?;
    if lives(&account, 0, state.clock.now()) {
        return Ok(account);
    }
    match outcome {
        Ok(Outcome::Refused(refusal)) => Err(refusal.error()),
        _ => Err(PROVIDER_TIMEOUT.error("The refresh did not come to an end in wait_ms; it goes on.")),
    }
}

async fn find(state: &State, which: &Which) -> Result<refresh_token::Model> {
    use refresh_token::Column;
    let given =
        |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let missing = || ACCOUNT_NOT_FOUND.error("There is no such account.");
    if let Some(biz_id) = given(&which.biz_id) {
        let found = refresh_token::Entity::find().filter(Column::BizId.eq(biz_id)).one(state.db.orm()).await?;
        return found.ok_or_else(missing);
    }
    let email = given(&which.email).ok_or_else(|| Error::malformed("Give 'biz_id' or 'email'."))?;
    let found = refresh_token::Entity::find().filter(Column::Email.eq(email)).order_by_asc(Column::Id).limit(100);
    let mut found = found.all(state.db.orm()).await?;
    if found.len() > 1 {
        let biz_ids: Vec<String> = found.into_iter().map(|account| account.biz_id.0).collect();
        return Err(EMAIL_AMBIGUOUS.error("Several accounts have this e-mail.").with("biz_ids", biz_ids));
    }
    found.pop().ok_or_else(missing)
}

async fn reload(state: &State, id: i64) -> Result<refresh_token::Model> {
    let found = refresh_token::Entity::find_by_id(id).one(state.db.orm()).await?;
    found.ok_or_else(|| ACCOUNT_NOT_FOUND.error("The account was deleted meanwhile."))
}

fn require_enabled(account: &refresh_token::Model) -> Result<()> {
    if account.enabled {
        return Ok(());
    }
    Err(ACCOUNT_DISABLED.error("The account is disabled."))
}

/// Whether its access token is good for that many seconds. One whose end is unknown is taken to live.
fn lives(account: &refresh_token::Model, seconds: i64, now: UtcMillis) -> bool {
    account.access_token.is_some() && account.access_expires_at.is_none_or(|end| end > now.plus_seconds(seconds))
}

fn serve(state: &State, actor: &Actor, account: &refresh_token::Model, msg: &'static str) -> Result<HttpResponse> {
    require_enabled(account)?;
    let Some(access_token) = &account.access_token else {
        return Err(NO_ACCESS_TOKEN.error("The account was never refreshed."));
    };
    if !lives(account, 0, state.clock.now()) {
        return Err(ACCESS_TOKEN_EXPIRED.error("The access token has expired."));
    }
    let open = |column: &'static str, sealed: &str| {
        let place = Place { table: TABLE, id: account.id, column };
        place.unseal(&state.sealer, sealed).map(|secret| secret.expose().to_owned())
    };
    let reveals = actor.may(Scope::TokensReveal);
    let data = Served {
        biz_id: account.biz_id.0.clone(),
        email: account.email.clone(),
        access_token: open("access_token", access_token)?,
        refresh_token: reveals.then(|| open("refresh_token", &account.refresh_token)).transpose()?,
        account_type: account.account_type.clone(),
        user_name: account.user_name.clone(),
        access_expires_at: account.access_expires_at,
        state: account.state.clone(),
    };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(Envelope {
        success: true,
        msg,
        data,
    }))
}
