//! `/public-api/secrets`: named secrets with scopes.

use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::header::{self, HeaderValue},
    patch, post,
    web::Payload,
};
use sea_orm::DatabaseTransaction;

use crate::{
    admin::{
        dto::{CreatedSecret, NewSecret, SecretFilter, SecretPatch, SecretView},
        extract::Admin,
        secrets,
    },
    base::{
        error::{Problem, Result},
        idempotency::{Answer, once},
        input::{BODY_LIMIT, Json, Query, Sender, path_id, read_body},
        page::{Page, PageQuery},
        secret::PlainToken,
        state::State,
    },
};

/// List secrets.
///
/// In the order they were made. Revoked ones are listed with `revoked=true` only.
#[utoipa::path(
    operation_id = "listSecrets",
    tag = "secrets",
    params(PageQuery, SecretFilter),
    responses((status = 200, description = "A page of secrets.", body = Page<SecretView>)),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[get("/public-api/secrets")]
pub async fn list(
    _: Admin,
    req: HttpRequest,
    state: State,
    filter: Query<SecretFilter>,
    page: Query<PageQuery>,
) -> Result<HttpResponse> {
    let rows = secrets::list(state.db.orm(), filter.0.revoked.unwrap_or(false), &page.0).await?;
    Ok(rows.map(SecretView::from).respond(&req))
}

/// Make a secret.
///
/// The answer holds the secret in clear; only its hash is kept. A repetition with the same `Idempotency-Key` gets the
/// same answer for a day, so that a secret whose answer was lost on the way is not lost.
#[utoipa::path(
    operation_id = "createSecret",
    tag = "secrets",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again.", nullable = false, example = "5f0c2b7d-1193-4a51-8c3e-0198f1b25f0a")),
    request_body = NewSecret,
    responses(
        (status = 201, description = "Made.", body = CreatedSecret, headers(("Location" = String, description = "Path of the secret."))),
        (status = 409, description = "Another secret has this name (`SECRET_NAME_TAKEN`), or the first request with this key still runs.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[post("/public-api/secrets")]
pub async fn create(actor: Admin, state: State, req: HttpRequest, payload: Payload) -> Result<HttpResponse> {
    let body = read_body(&req, payload.into_inner(), BODY_LIMIT, Sender::Known).await?;
    let Json(new) = Json::<NewSecret>::parse(&req, &body)?;
    let (plain, now, caller) = (PlainToken::generate()?, state.clock.now(), actor.caller());
    let effect = async move |tx: &DatabaseTransaction| {
        new.check(now)?;
        let made = secrets::create(tx, &actor, &new, &plain, now).await?;
        let location = format!("/public-api/secrets/{}", made.id);
        Answer::created(location, &CreatedSecret { view: made.into(), secret: plain.expose().to_owned() })
    };
    let mut answer = once(&state, &caller, &req, &body, effect).await?;
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// Read a secret.
///
/// The secret itself is not kept, so it is not part of the answer. A revoked one is not found.
#[utoipa::path(
    operation_id = "getSecret",
    tag = "secrets",
    params(("id" = i64, Path, description = "Identifier of the secret.", minimum = 1, example = 7)),
    responses(
        (status = 200, description = "The secret.", body = SecretView),
        (status = 404, description = "No secret has this identifier.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[get("/public-api/secrets/{id}")]
pub async fn get(_: Admin, req: HttpRequest, state: State) -> Result<HttpResponse> {
    let row = secrets::get(state.db.orm(), path_id(&req, "id")?).await?;
    Ok(HttpResponse::Ok().json(SecretView::from(row)))
}

/// Change a secret.
///
/// A merge patch (RFC 7396) of name, scopes and end: what is absent stays, `"expires_at": null` takes the end away.
#[utoipa::path(
    operation_id = "updateSecret",
    tag = "secrets",
    params(("id" = i64, Path, description = "Identifier of the secret.", minimum = 1, example = 7)),
    request_body = SecretPatch,
    responses(
        (status = 200, description = "The secret as it is now.", body = SecretView),
        (status = 404, description = "No secret has this identifier.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Another secret has this name (`SECRET_NAME_TAKEN`).", body = Problem, content_type = "application/problem+json"),
    ),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[patch("/public-api/secrets/{id}")]
pub async fn change(actor: Admin, req: HttpRequest, state: State, body: Json<SecretPatch>) -> Result<HttpResponse> {
    let (id, now) = (path_id(&req, "id")?, state.clock.now());
    let change = body.0.checked(now)?;
    let row = state.writer.write(async move |tx| secrets::change(tx, &actor, id, &change, now).await).await?;
    Ok(HttpResponse::Ok().json(SecretView::from(row)))
}

/// Revoke a secret.
///
/// It is refused from here on. Its name is free for another; lists show it with `revoked=true`.
#[utoipa::path(
    operation_id = "revokeSecret",
    tag = "secrets",
    params(("id" = i64, Path, description = "Identifier of the secret.", minimum = 1, example = 7)),
    responses(
        (status = 204, description = "Revoked."),
        (status = 404, description = "No secret has this identifier, or it is revoked already.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("ApiSecret" = []), ("AdminJwt" = [])),
)]
#[delete("/public-api/secrets/{id}")]
pub async fn revoke(actor: Admin, req: HttpRequest, state: State) -> Result<HttpResponse> {
    let (id, now) = (path_id(&req, "id")?, state.clock.now());
    state.writer.write(async move |tx| secrets::revoke(tx, &actor, id, now).await).await?;
    Ok(HttpResponse::NoContent().finish())
}
