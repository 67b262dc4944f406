//! Pages for people who met an error: `/errors/{slug}`, one for each kind of problem, and a list of them.

use std::{collections::BTreeMap, fmt::Write, sync::LazyLock};

use actix_web::{HttpRequest, HttpResponse, get, http::header::ContentType};
use utoipa_actix_web::service_config::ServiceConfig;

use super::routes;
use crate::base::{
    error::{Kind, NOT_FOUND, Problem, Result},
    input::path_segment,
};

/// Registers the pages.
pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list).service(page);
}

static PAGES: LazyLock<BTreeMap<String, String>> =
    LazyLock::new(|| routes::problems().into_iter().map(|kind| (kind.slug(), render(kind))).collect());

/// List the kinds of problem
///
/// A page for people: every kind of problem this service answers, by status.
#[utoipa::path(
    operation_id = "listProblems",
    tag = "operations",
    responses((status = 200, description = "The page.", content_type = "text/html", body = String,
        example = "<!doctype html><title>Errors</title>"))
)]
#[get("/errors/")]
async fn list() -> HttpResponse {
    let mut kinds = routes::problems();
    kinds.sort_by_key(|kind| (kind.class.status().as_u16(), kind.code));
    let mut rows = String::new();
    for kind in kinds {
        let (status, slug) = (kind.class.status().as_u16(), kind.slug());
        // Into a String: cannot fail.
        let _ = write!(rows, "<tr><td>{status}<td><a href=\"{slug}\">{}</a><td>{}", kind.code, escape(kind.title));
    }
    html(format!("<h1>Errors</h1><table><tr><th>Status<th>Code<th>Title{rows}</table>"), "Errors")
}

/// Explain a kind of problem
///
/// A page for people: what a problem means and what to do about it. The `type` of a problem document leads here.
#[utoipa::path(
    operation_id = "explainProblem",
    tag = "operations",
    params(("slug" = String, Path, description = "Last part of the problem's `type`.", example = "not-found")),
    responses(
        (status = 200, description = "The page.", content_type = "text/html", body = String,
            example = "<!doctype html><title>NOT_FOUND</title>"),
        (status = 404, description = "No problem has this name.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
#[get("/errors/{slug}")]
async fn page(req: HttpRequest) -> Result<HttpResponse> {
    let body = PAGES.get(&path_segment(&req, 2)?);
    body.map(|body| HttpResponse::Ok().content_type(ContentType::html()).body(body.clone()))
        .ok_or_else(|| NOT_FOUND.error("No problem has this name."))
}

fn render(kind: &Kind) -> String {
    let status = kind.class.status();
    let body = format!(
        "<h1>{}</h1><p>{}</p><dl><dt>Status<dd>{status}<dt>Code<dd><code>{}</code></dl><p><a href=\"./\">All errors</a></p>",
        escape(kind.title),
        escape(kind.help),
        kind.code
    );
    document(&body, kind.code)
}

fn html(body: String, title: &str) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::html()).body(document(&body, title))
}

fn document(body: &str, title: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title>{body}</html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
