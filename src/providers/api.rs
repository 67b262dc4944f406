//! `/public-api/providers`.

use actix_web::{
    HttpRequest, HttpResponse, delete, get, patch, post,
    web::{self, Data},
};
use sea_orm::DatabaseTransaction;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    Providers,
    dto::{NewProvider, ProviderPatch, ProviderView},
    edit::Targets,
    provider,
};
use crate::{
    admin::{Allowed, scope},
    base::{
        error::{Problem, Result},
        idempotency::{Answer, once},
        input::{BODY_LIMIT, Json, Query, Sender, path_segment, read_body},
        page::{Page, PageQuery},
        state::State,
    },
};

/// The routes of this room.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list).service(create).service(get).service(update).service(remove).service(resume);
}

fn targets<'a>(state: &State, providers: &'a Providers) -> Targets<'a> {
    Targets { client: providers.client(), allow_private: state.config.security.allow_private_targets }
}

/// The name in the path: `/public-api/providers/{name}`.
fn name(req: &HttpRequest) -> Result<String> {
    path_segment(req, 3)
}

/// List providers
///
/// By name. Secrets are not shown: of headers and extra parameters only the names are.
#[utoipa::path(operation_id = "listProviders", tag = "providers", params(PageQuery),
    responses((status = 200, description = "A page of providers", body = Page<ProviderView>)),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/providers")]
async fn list(
    state: State,
    _admin: Allowed<scope::TokensRead>,
    providers: Data<Providers>,
    page: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    Ok(provider::list(state.db.orm(), &providers.desk(), &page.0).await?.respond(&req))
}

/// Make a provider
///
/// What is absent has its default. `client_secret`, and the values of `headers` and `extra_params`, are sealed and not
/// shown again.
#[utoipa::path(operation_id = "createProvider", tag = "providers", request_body = NewProvider,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters: a repetition gets the first answer", nullable = false)),
    responses((status = 201, description = "Made", body = ProviderView, headers(("Location" = String, description = "Path of the provider"))),
        (status = 409, description = "`PROVIDER_NAME_TAKEN`, or the first request with this Idempotency-Key is still running", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/providers")]
async fn create(
    state: State,
    admin: Allowed<scope::TokensWrite>,
    providers: Data<Providers>,
    payload: web::Payload,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let body = read_body(&req, payload.into_inner(), BODY_LIMIT, Sender::Known).await?;
    let Json(new) = Json::<NewProvider>::parse(&req, &body)?;
    let new = new.checked(targets(&state, &providers))?;
    let (now, desk, caller) = (state.clock.now(), providers.desk(), admin.caller());
    once(&state, &caller, &req, &body, async move |tx| {
        let made = provider::create(tx, &desk, &admin, &new, now).await?;
        Answer::created(format!("/public-api/providers/{}", made.name), &made)
    })
    .await
}

/// Show a provider
///
/// Without its secrets: of headers and extra parameters only the names are shown.
#[utoipa::path(operation_id = "getProvider", tag = "providers",
    params(("name" = String, Path, description = "The provider's name", example = "openai-ios")),
    responses((status = 200, description = "The provider", body = ProviderView),
        (status = 404, description = "`PROVIDER_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[get("/public-api/providers/{name}")]
async fn get(
    state: State,
    _admin: Allowed<scope::TokensRead>,
    providers: Data<Providers>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let row = provider::require(state.db.orm(), &name(&req)?).await?;
    Ok(HttpResponse::Ok().json(ProviderView::of(&providers.desk(), row)?))
}

/// Change a provider
///
/// A JSON merge patch: what is absent stays, null goes back to the default, or to what the settings say. The members of `extra_params`, `headers` and
/// `error_map` are merged by name, and null takes one away. An edit resumes a paused provider. The name cannot be changed:
/// accounts refer to it.
#[utoipa::path(operation_id = "updateProvider", tag = "providers", request_body = ProviderPatch,
    params(("name" = String, Path, description = "The provider's name", example = "openai-ios")),
    responses((status = 200, description = "The provider as it is now", body = ProviderView),
        (status = 404, description = "`PROVIDER_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[patch("/public-api/providers/{name}")]
async fn update(
    state: State,
    admin: Allowed<scope::TokensWrite>,
    providers: Data<Providers>,
    req: HttpRequest,
    body: Json<ProviderPatch>,
) -> Result<HttpResponse> {
    let (name, patch) = (name(&req)?, body.0);
    patch.check(targets(&state, &providers))?;
    let (now, desk) = (state.clock.now(), providers.desk());
    let work = async move |tx: &DatabaseTransaction| provider::change(tx, &desk, &admin, &name, &patch, now).await;
    Ok(HttpResponse::Ok().json(state.writer.write(work).await?))
}

/// Delete a provider
///
/// Only one that no account uses. A provider that the service came with does not come back.
#[utoipa::path(operation_id = "deleteProvider", tag = "providers",
    params(("name" = String, Path, description = "The provider's name", example = "openai-ios")),
    responses((status = 204, description = "It is gone"),
        (status = 404, description = "`PROVIDER_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`PROVIDER_IN_USE`: accounts use it; member `accounts` says how many", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[delete("/public-api/providers/{name}")]
async fn remove(state: State, admin: Allowed<scope::TokensWrite>, req: HttpRequest) -> Result<HttpResponse> {
    let (name, now) = (name(&req)?, state.clock.now());
    state.writer.write(async move |tx| provider::delete(tx, &admin, &name, now).await).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Resume a paused provider
///
/// A provider is paused when it refuses this service as a client. Correct it, which resumes it too, or resume it with this
/// when the cause was elsewhere.
#[utoipa::path(operation_id = "resumeProvider", tag = "providers",
    params(("name" = String, Path, description = "The provider's name", example = "openai-ios")),
    responses((status = 200, description = "The provider as it is now", body = ProviderView),
        (status = 404, description = "`PROVIDER_NOT_FOUND`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`PROVIDER_NOT_PAUSED`", body = Problem, content_type = "application/problem+json")),
    security(("ApiSecret" = []), ("AdminJwt" = [])))]
#[post("/public-api/providers/{name}/resume")]
async fn resume(
    state: State,
    admin: Allowed<scope::TokensWrite>,
    providers: Data<Providers>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let (name, now) = (name(&req)?, state.clock.now());
    let work = async move |tx: &DatabaseTransaction| provider::resume(tx, &admin, &name, now).await;
    let row = state.writer.write(work).await?;
    Ok(HttpResponse::Ok().json(ProviderView::of(&providers.desk(), row)?))
}
