//! What no route takes: 404 where nothing is, 405 (or an answer to OPTIONS) where a path has other methods.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
};

use super::openapi::document;
use crate::base::error::{METHOD_NOT_ALLOWED, NOT_FOUND, Result};

/// Answers requests that no route took.
pub(super) async fn answer(req: HttpRequest) -> Result<HttpResponse> {
    let nothing = || NOT_FOUND.error("There is nothing at this path.");
    let allowed = document().allowed(req.path()).ok_or_else(nothing)?;
    if req.method() == Method::OPTIONS {
        return Ok(HttpResponse::NoContent().insert_header((header::ALLOW, allowed)).finish());
    }
    // A path may look like one of ours and still be none: then the method is not to blame.
    if allowed.split(", ").any(|method| method == req.method().as_str()) {
        return Err(nothing());
    }
    let detail = format!("This path answers {allowed}.");
    Err(METHOD_NOT_ALLOWED.error(detail).header(header::ALLOW, allowed))
}
