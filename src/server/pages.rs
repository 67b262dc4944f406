//! The pages that are no API: the start page, the OpenAPI document and the Swagger UI, all out of the binary.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{self, ContentType},
    web::{self, Bytes},
};
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_swagger_ui::Config;

use super::openapi::document;
use crate::base::{
    error::{NOT_FOUND, Result},
    secret::sha256_hex,
};

/// The Swagger UI sets styles from its script; scripts come from its files only.
const SWAGGER_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                              object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Registers what the document describes.
pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(openapi);
}

/// Registers the pages which the document leaves out.
pub(super) fn undocumented(cfg: &mut web::ServiceConfig) {
    cfg.route("/", web::get().to(start))
        .route("/swagger-ui", web::get().to(to_swagger))
        .route("/swagger-ui/", web::get().to(swagger))
        .route("/swagger-ui/{file}", web::get().to(swagger));
}

/// The OpenAPI document
///
/// This document. With `If-None-Match` it is sent only when it has changed.
#[utoipa::path(
    operation_id = "getOpenapi",
    tag = "operations",
    params(("If-None-Match" = Option<String>, Header, description = "`ETag` of the copy at hand.", example = "\"5b1c…\"")),
    responses(
        (status = 200, description = "The document, OpenAPI 3.1.", body = Object, content_type = "application/json",
            headers(("ETag" = String, description = "Changes with the document.")), example = json!({"openapi": "3.1.0"})),
        (status = 304, description = "The copy at hand is current."),
    )
)]
#[get("/openapi.json")]
async fn openapi(req: HttpRequest) -> HttpResponse {
    let document = document();
    cached(&req, &document.etag, "application/json", &document.json)
}

/// The web pages are not part of this build: one line, and the way to the documentation.
async fn start() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::html()).body(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Latchkey</title>\
         <p>Latchkey is running. Its web pages are not built in; the API is described in the \
         <a href=\"swagger-ui/\">Swagger UI</a> and in <a href=\"openapi.json\">openapi.json</a>.</p></html>\n",
    )
}

async fn to_swagger() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/swagger-ui/")).finish()
}

async fn swagger(req: HttpRequest) -> Result<HttpResponse> {
    let name = req.match_info().get("file").unwrap_or("index.html");
    let file = FILES.get(name).ok_or_else(|| NOT_FOUND.error("The Swagger UI has no such file."))?;
    let mut response = cached(&req, &file.etag, &file.kind, &file.bytes);
    let policy = header::HeaderValue::from_static(SWAGGER_POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// 304 if the client has it already, else all of it.
fn cached(req: &HttpRequest, etag: &str, kind: &str, bytes: &Bytes) -> HttpResponse {
    let known = req.headers().get_all(header::IF_NONE_MATCH).filter_map(|tags| tags.to_str().ok());
    let fresh = known.flat_map(|tags| tags.split(',')).any(|tag| tag.trim() == etag || tag.trim() == "*");
    let mut response = if fresh { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::ETAG, etag)).insert_header((header::CACHE_CONTROL, "no-cache"));
    if fresh { response.finish() } else { response.content_type(kind).body(bytes.clone()) }
}

struct SwaggerFile {
    kind: String,
    etag: String,
    bytes: Bytes,
}

/// The files that the Swagger UI's page asks for.
static FILES: LazyLock<HashMap<&'static str, SwaggerFile>> = LazyLock::new(|| {
    let names = [
        "index.html",
        "index.css",
        "swagger-ui.css",
        "swagger-ui-bundle.js",
        "swagger-ui-standalone-preset.js",
        "swagger-initializer.js",
        "favicon-16x16.png",
        "favicon-32x32.png",
        "oauth2-redirect.html",
        "oauth2-redirect.js",
    ];
    // Relative, so that it holds behind a proxy's path too.
    let config = Config::from("../openapi.json").persist_authorization(true).display_request_duration(true);
    // Or it would show the document to validator.swagger.io.
    let config = Arc::new(config.filter(true).try_it_out_enabled(false).validator_url("none"));
    let file = |name| {
        let file = utoipa_swagger_ui::serve(name, Arc::clone(&config)).ok().flatten()?;
        let bytes = Bytes::from(file.bytes.into_owned());
        let etag = format!("\"{}\"", sha256_hex(&bytes).get(..16)?);
        Some((name, SwaggerFile { kind: file.content_type, etag, bytes }))
    };
    names.into_iter().filter_map(file).collect()
});
