//! Handler that shows a token.

use actix_web::{HttpRequest, HttpResponse, http::header, post};
use sea_orm::DatabaseTransaction;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    admin::{Allowed, scope},
    base::{
        error::{Problem, Result},
        input::{Json, path_id},
        state::State,
    },
    tokens::{
        dto::{RevealToken, RevealedToken},
        reveal,
    },
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(show);
}

/// Show one of an account's tokens
///
/// In clear. That it was shown, which one and to whom, is on record.
#[utoipa::path(operation_id = "revealToken", tag = "accounts", request_body = RevealToken,
    params(("id" = i64, Path, description = "Number of the account", example = 1, minimum = 1)),
    responses((status = 200, description = "The token; not to be stored on the way", body = RevealedToken),
        (status = 404, description = "`ACCOUNT_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`NOTHING_TO_REVEAL`: the account has none of the kind", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/tokens/{id}/reveal")]
async fn show(
    state: State,
    viewer: Allowed<scope::TokensReveal>,
    asked: Json<RevealToken>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let (id, field, now) = (path_id(&req, "id")?, asked.0.field, state.clock.now());
    let sealer = state.sealer.clone();
    let work = async move |tx: &DatabaseTransaction| reveal::reveal(tx, &sealer, &viewer, id, field, now).await;
    let token = state.writer.write(work).await?;
    let answer = RevealedToken { id, field, value: token.expose().to_owned() };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer))
}
