//! What comes in: extractors and readers that answer with our problems.

mod address;
mod body;
mod fields;
mod json;
mod room;

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::header};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::error::{Error, FieldError, Result};

pub use self::{
    address::client_address,
    body::{BODY_LIMIT, Json, read_body},
    fields::{Patch, invalid, printable, trimmed},
    json::{parse_json, require_json},
    room::{Room, Sender, is_large},
};

/// The header that carries the id of a request, in both directions.
pub static X_REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-request-id");

/// The id of this request: the client's own if it sent a fitting one, else a UUID v7 that the outermost middleware
/// put into the request's headers in its place. Empty when no middleware did.
#[must_use]
pub fn request_id(req: &HttpRequest) -> String {
    req.headers().get(&X_REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned()
}

/// Who is asking, by kind (`admin`, `app`, `device`, …), for the access line. Put into the request's extensions by
/// the extractor that found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerKind(pub &'static str);

/// Somebody is finding out who is asking: until that is known, a body is neither read nor found wrong. Extractors of
/// permissions begin it; [`Json`] waits for it when it comes after them among a handler's parameters.
#[derive(Clone, Debug)]
pub struct Identifying(CancellationToken);

impl Identifying {
    /// Notes at the request that its caller is being identified.
    #[must_use]
    pub fn begin(req: &HttpRequest) -> Self {
        let identifying = Self(CancellationToken::new());
        req.extensions_mut().insert(identifying.clone());
        identifying
    }

    /// The caller is known and may go on.
    pub fn end(&self) {
        self.0.cancel();
    }

    /// Returns when the caller of this request is known, if anybody asked for that.
    async fn over(of: Option<Self>) {
        if let Some(identifying) = of {
            identifying.0.cancelled().await;
        }
    }
}

/// Whether a path belongs to the surface of ClassworksKV, whose clients know 400 for whatever is wrong with a request.
#[must_use]
pub fn is_classworks(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    matches!(first, "apps" | "devices" | "kv")
}

/// Query parameters; unknown ones are ignored.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Query<T> {
    type Error = Error;
    type Future = std::future::Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let is_classworks = is_classworks(req.uri().path());
        let parsed = actix_web::web::Query::<T>::from_query(req.query_string());
        std::future::ready(parsed.map(|query| Self(query.into_inner())).map_err(|error| {
            let text = error.to_string();
            let what = text.strip_prefix("Query deserialize error: ").unwrap_or(&text).to_owned();
            let error = Error::invalid(vec![FieldError::new("query", "type", what)]);
            if is_classworks { error.as_malformed() } else { error }
        }))
    }
}

/// A number in the path that names a row.
///
/// # Errors
/// 400 when it cannot be one.
pub fn path_id(req: &HttpRequest, name: &str) -> Result<i64> {
    let text = req.match_info().get(name).unwrap_or_default();
    match text.parse::<i64>() {
        Ok(id) if id > 0 && !text.starts_with('+') => Ok(id),
        _ => Err(Error::malformed(format!("The path's '{name}' must be a positive number."))),
    }
}

/// The nth piece of the path (the first is 1) as text, percent-decoded once; `%2F` is part of it.
///
/// # Errors
/// 400 when it is not UTF-8, or a `%` is not followed by two hex digits.
pub fn path_segment(req: &HttpRequest, nth: usize) -> Result<String> {
    // From the raw path: what the router matched on is decoded in part, and bytes that are no UTF-8 are replaced.
    let raw = req.uri().path().split('/').nth(nth).unwrap_or_default();
    let mut escapes = raw.split('%').skip(1).map(|rest| rest.as_bytes().get(..2));
    if !escapes.all(|digits| digits.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))) {
        return Err(Error::malformed("The path is not percent-encoded: write '%' as '%25'."));
    }
    let decoded = percent_encoding::percent_decode_str(raw).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| Error::malformed("The path is not UTF-8."))
}
