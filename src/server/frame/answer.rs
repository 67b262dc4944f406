//! What the frame does to an answer before it leaves.

use std::{cell::RefCell, fmt};

use actix_web::{
    Error as ActixError, HttpMessage, HttpResponse, ResponseError,
    dev::ServiceResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
};

use super::{
    Worker, access,
    asked::{Asked, Surface},
    compression, head, problem,
};
use crate::base::{
    error::Error,
    input::{CallerKind, X_REQUEST_ID},
};

/// For our own pages: scripts and styles from files of ours only.
const PAGE_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                           form-action 'self'; frame-ancestors 'none'";

/// Dresses the answer, counts it and writes its access line.
pub(super) fn finish(worker: &Worker, asked: &Asked, answered: ServiceResponse) -> ServiceResponse {
    let (req, mut response) = answered.into_parts();
    if response.status().as_u16() >= 400 {
        response = problem::render(worker, asked, req.path(), response);
    }
    dress(worker, asked, &mut response);
    response = compression::apply(req.headers(), response);
    if asked.method == Method::HEAD {
        response = head::without_body(response);
    }
    if let Some(body) = &asked.body {
        response = body.until_sent(response);
    }
    let matched = req.match_pattern();
    let known = matched.as_deref().or_else(|| worker.shared.document.template(req.path()));
    let route = known.unwrap_or(access::NO_ROUTE);
    let caller = req.extensions().get::<CallerKind>().map_or("-", |caller| caller.0);
    access::note(worker, asked, route, response.status(), caller);
    ServiceResponse::new(req, response)
}

/// The answer when the request was lost on the way.
pub(super) fn without_request(worker: &Worker, asked: &Asked, response: HttpResponse) -> HttpResponse {
    let mut response = problem::render(worker, asked, "", response);
    dress(worker, asked, &mut response);
    access::note(worker, asked, access::NO_ROUTE, response.status(), "-");
    match &asked.body {
        Some(body) => body.until_sent(response),
        None => response,
    }
}

/// The answer when the handler panicked. The panic itself was logged by the panic hook, on the same thread.
pub(super) fn after_panic(worker: &Worker, asked: &Asked) -> HttpResponse {
    let panicked = Error::internal("the handler panicked, see the lines before");
    without_request(worker, asked, HttpResponse::from_error(panicked))
}

fn dress(worker: &Worker, asked: &Asked, response: &mut HttpResponse) {
    let no_content = response.status() == StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID.clone(), asked.id.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if asked.surface == Surface::Store {
        worker.shared.cors.dress(asked.origin.as_ref(), headers);
    } else if !no_content
        && headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
        && !headers.contains_key(header::CONTENT_SECURITY_POLICY)
    {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    }
}

/// An answer that leaves as an error, because the request it would have to be joined with is gone.
pub(super) struct Finished(RefCell<Option<HttpResponse>>);

impl Finished {
    pub(super) fn error(response: HttpResponse) -> ActixError {
        Self(RefCell::new(Some(response))).into()
    }
}

impl ResponseError for Finished {
    fn error_response(&self) -> HttpResponse {
        self.0.take().unwrap_or_else(|| HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR))
    }
}

impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Finished")
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer that has lost its request")
    }
}
