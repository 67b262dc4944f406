//! Error answers of every layer as problem documents (RFC 9457).

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use serde_json::json;

use super::{
    Worker,
    asked::{Asked, Surface},
};
use crate::base::error::{self, Class, Dialect, Error, Kind};

const PROBLEM: &str = "application/problem+json";
/// `code` of the statuses that only actix itself answers.
pub(in crate::server) const OTHER_CODE: &str = "HTTP_ERROR";

/// Renders an error answer: ours with the request's id, others' by their status. Problems and pages that a handler
/// made itself stay as they are.
pub(super) fn render(worker: &Worker, asked: &Asked, path: &str, response: HttpResponse) -> HttpResponse {
    if let Some(error) = response.error() {
        return match error.as_error::<Error>() {
            Some(error) => ours(asked, error),
            None => others(worker, asked, path, &response, Some(error.to_string())),
        };
    }
    if asked.surface == Surface::Gate || is_finished(&response) {
        return response;
    }
    others(worker, asked, path, &response, None)
}

/// Whether a handler wrote the body itself. actix's own errors are empty or plain text.
fn is_finished(response: &HttpResponse) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| !kind.starts_with(b"text/plain"))
}

/// One of our errors, with what belongs into the log written there.
fn ours(asked: &Asked, error: &Error) -> HttpResponse {
    let cause = error.cause().unwrap_or("no cause given");
    match error.kind().class {
        Class::Internal => log::error!("{} {}: {error} ({cause})", asked.id(), asked.method),
        Class::Unavailable | Class::Upstream | Class::UpstreamTimeout => {
            log::warn!("{} {}: {error} ({cause})", asked.id(), asked.method);
        }
        _ => {}
    }
    if asked.surface == Surface::Gate {
        return HttpResponse::new(error.status());
    }
    error.response(asked.id(), asked.surface.dialect())
}

/// Somebody else's error: the status and the headers are kept, the text is ours.
fn others(worker: &Worker, asked: &Asked, path: &str, response: &HttpResponse, cause: Option<String>) -> HttpResponse {
    let status = response.status();
    if status.is_server_error() {
        log::error!("{} {}: {status} ({})", asked.id(), asked.method, cause.unwrap_or_default());
    }
    let mut rendered = match kind(status) {
        Some(kind) => kind.error(kind.help).response(asked.id(), asked.surface.dialect()),
        None => without_kind(asked, status),
    };
    for (name, value) in response.headers() {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            rendered.headers_mut().insert(name.clone(), value.clone());
        }
    }
    if status == StatusCode::METHOD_NOT_ALLOWED && !rendered.headers().contains_key(header::ALLOW) {
        let allowed = worker.shared.document.allowed(path).unwrap_or_default();
        if let Ok(allowed) = HeaderValue::from_str(&allowed) {
            rendered.headers_mut().insert(header::ALLOW, allowed);
        }
    }
    rendered
}

fn kind(status: StatusCode) -> Option<&'static Kind> {
    Some(match status {
        StatusCode::BAD_REQUEST => &error::MALFORMED_REQUEST,
        StatusCode::UNAUTHORIZED => &error::UNAUTHENTICATED,
        StatusCode::FORBIDDEN => &error::FORBIDDEN,
        StatusCode::NOT_FOUND => &error::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED => &error::METHOD_NOT_ALLOWED,
        StatusCode::REQUEST_TIMEOUT => &error::REQUEST_TIMEOUT,
        StatusCode::CONFLICT => &error::CONFLICT,
        StatusCode::PAYLOAD_TOO_LARGE => &error::PAYLOAD_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => &error::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::UNPROCESSABLE_ENTITY => &error::INVALID_REQUEST,
        StatusCode::TOO_MANY_REQUESTS => &error::TOO_MANY_REQUESTS,
        StatusCode::INTERNAL_SERVER_ERROR => &error::INTERNAL,
        StatusCode::SERVICE_UNAVAILABLE => &error::BUSY,
        _ => return None,
    })
}

/// RFC 9457 §4.2.1: `about:blank` says no more than the status.
fn without_kind(asked: &Asked, status: StatusCode) -> HttpResponse {
    let title = status.canonical_reason().unwrap_or("An error");
    let mut body = json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "detail": title, "code": OTHER_CODE,
        "request_id": asked.id(),
    });
    if let Some(members) = body.as_object_mut() {
        match asked.surface.dialect() {
            Dialect::Plain => {}
            Dialect::Message => drop(members.insert("message".to_owned(), title.into())),
            Dialect::Envelope => {
                members.insert("success".to_owned(), false.into());
                members.insert("msg".to_owned(), title.into());
            }
        }
    }
    HttpResponse::build(status).content_type(PROBLEM).body(body.to_string())
}
