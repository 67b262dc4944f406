//! `/apps`: what apps and owners ask for; `/public-api/apps`: what admins do.

mod admin;
mod tokens;

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    app as registry, authorize as admission,
    dto::{App, AppList, AppQuery, Authorize, Authorized, Window},
};
use crate::{
    base::{
        error::{Error, Problem, Result},
        input::{Query, path_id},
        state::State,
    },
    devices::{Call, Toll},
};

/// The room's routes.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list).service(get).service(authorize);
    tokens::routes(cfg);
    admin::routes(cfg);
}

/// List apps
///
/// Newest first. `search` looks into name, description and developer's name.
#[utoipa::path(operation_id = "listApps", tag = "apps", params(AppQuery),
    responses((status = 200, description = "A page of apps", body = AppList)),
    security(("SiteKey" = [])))]
#[get("/apps")]
async fn list(state: State, _call: Call, query: Query<AppQuery>) -> Result<web::Json<AppList>> {
    let window = Window::parse(query.0.limit.as_deref(), query.0.skip.as_deref())?;
    let (apps, total) = registry::window(state.db.orm(), query.0.search.as_deref(), window).await?;
    let apps = apps.into_iter().map(App::from).collect();
    Ok(web::Json(AppList { apps, total, limit: window.limit, skip: window.skip }))
}

/// Show an app
///
/// As it was registered by an admin. Needs no token.
#[utoipa::path(operation_id = "getApp", tag = "apps",
    params(("id" = i64, Path, description = "Number of the app", example = 1, minimum = 1)),
    responses((status = 200, description = "The app", body = App),
        (status = 404, description = "`APP_NOT_FOUND`", body = Problem, content_type = "application/problem+json")),
    security(("SiteKey" = [])))]
#[get("/apps/{id}")]
async fn get(state: State, _call: Call, req: HttpRequest) -> Result<web::Json<App>> {
    Ok(web::Json(registry::require(state.db.orm(), path_id(&req, "id")?).await?.into()))
}

/// Give an app access to a device
///
/// The answer holds a new app token, every time; it is shown only here. An unknown device is made. A device with a
/// password asks for it.
#[utoipa::path(operation_id = "authorizeApp", tag = "apps", request_body = Authorize,
    params(("id" = i64, Path, description = "Number of the app", example = 1, minimum = 1)),
    responses((status = 200, description = "Access, granted", body = Authorized,
            headers(("RateLimit" = String, description = "Calls left for this address"))),
        (status = 404, description = "`APP_NOT_FOUND`: nothing was made", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The device's password changed, or it was deleted, at the same moment", body = Problem, content_type = "application/problem+json")),
    security(("SiteKey" = [])))]
#[post("/apps/{id}/authorize")]
async fn authorize(state: State, toll: Toll, call: Call, req: HttpRequest) -> Result<HttpResponse> {
    toll.pay().await?;
    let outcome = async {
        let app_id = path_id(&req, "id")?;
        let request: Authorize = call.json(&req)?;
        let granted: Authorized = admission::authorize(&state, app_id, request, &toll).await?;
        Ok::<_, Error>(HttpResponse::Ok().json(granted))
    };
    toll.tell(outcome.await)
}
