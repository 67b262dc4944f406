//! What comes in: extractors and readers that answer with our problems.

use std::net::IpAddr;

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header,
};
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::error::Category;
use validator::{Validate, ValidationError, ValidationErrors, ValidationErrorsKind};

use super::{
    body::{Sender, read_body},
    error::{Error, FieldError, Result, UNSUPPORTED_MEDIA_TYPE},
    state::State,
};

/// Default limit of a body, in bytes.
pub const BODY_LIMIT: usize = 256 * 1024;

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

/// The client's address. `X-Forwarded-For` counts only when the peer is one of `server.trusted_proxies`; it is read
/// from the right, and the first address that is not a trusted proxy is the client's.
#[must_use]
pub fn client_address(req: &HttpRequest) -> IpAddr {
    let peer = req.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip().to_canonical());
    let Some(state) = req.app_data::<State>() else { return peer };
    let server = &state.config.server;
    if server.trusted_proxies.is_empty() || !server.is_trusted(peer) {
        return peer;
    }
    let lines: Vec<&str> =
        req.headers().get_all(header::X_FORWARDED_FOR).filter_map(|value| value.to_str().ok()).collect();
    let mut client = peer;
    for text in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        // Whatever stands left of something unreadable was not written by a proxy we trust.
        let Some(address) = parse_address(text.trim()) else { break };
        client = address;
        if !server.is_trusted(address) {
            break;
        }
    }
    client
}

/// An address with or without port, IPv6 with or without brackets.
fn parse_address(text: &str) -> Option<IpAddr> {
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(address.to_canonical())
}

/// Refuses a body that is not declared as JSON (`application/json` or `…+json`).
///
/// # Errors
/// 415.
pub fn require_json(req: &HttpRequest) -> Result<()> {
    let declared = req.content_type().trim();
    let is_json = declared.eq_ignore_ascii_case("application/json")
        || declared.split_once('/').is_some_and(|(_, kind)| kind.to_ascii_lowercase().ends_with("+json"));
    if is_json {
        return Ok(());
    }
    Err(UNSUPPORTED_MEDIA_TYPE.error("Send JSON with Content-Type: application/json."))
}

/// Reads JSON into `T`, all of it.
///
/// # Errors
/// 400 with line and column when it is not JSON; 422 naming the field when it does not fit `T`.
pub fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        json_error(error.inner(), &path)
    })?;
    deserializer.end().map_err(|error| json_error(&error, ""))?;
    Ok(value)
}

fn json_error(error: &serde_json::Error, path: &str) -> Error {
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or_default();
    if error.classify() != Category::Data {
        return Error::malformed(format!(
            "The body is not valid JSON: {what} at line {}, column {}.",
            error.line(),
            error.column()
        ));
    }
    // serde names the field between backquotes: "unknown field `x`, expected …", "missing field `x`".
    let named = what.split('`').nth(1).unwrap_or_default();
    let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
    let (field, code, message) = if what.starts_with("unknown field") {
        let field = if path.ends_with(named) { path.to_owned() } else { join(path, named) };
        (field, "unknown_field", "is not a field of this request".to_owned())
    } else if what.starts_with("missing field") {
        (join(if path == "." { "" } else { path }, named), "required", "is required".to_owned())
    } else if what.starts_with("duplicate field") {
        (join(if path.ends_with(named) { parent } else { path }, named), "duplicate", "is given twice".to_owned())
    } else {
        (path.to_owned(), "type", what.to_owned())
    };
    let field = if field == "." { String::new() } else { field };
    Error::invalid(vec![FieldError::new(field, code, message)])
}

fn join(parent: &str, field: &str) -> String {
    if parent.is_empty() || parent == "." { field.to_owned() } else { format!("{parent}.{field}") }
}

/// A JSON body for the endpoints that are ours to define: unknown fields are refused (by `deny_unknown_fields` on
/// `T`), wrong types and broken rules are 422, each with its field.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Validate + 'static> FromRequest for Json<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, payload) = (req.clone(), payload.take());
        Box::pin(async move {
            let body = read_body(&req, payload, BODY_LIMIT, Sender::Stranger).await?;
            Self::parse(&req, &body)
        })
    }
}

impl<T: DeserializeOwned + Validate> Json<T> {
    /// Checks media type, JSON, types and rules of a body that was read already.
    ///
    /// # Errors
    /// 400, 415 or 422.
    pub fn parse(req: &HttpRequest, body: &[u8]) -> Result<Self> {
        require_json(req)?;
        let value: T = parse_json(body)?;
        value.validate().map_err(|errors| invalid(&errors))?;
        Ok(Self(value))
    }
}

/// The problem for broken rules of the `validator` crate.
#[must_use]
pub fn invalid(errors: &ValidationErrors) -> Error {
    let mut fields = Vec::new();
    collect(errors, "", &mut fields);
    fields.sort_by(|a, b| a.field.cmp(&b.field));
    Error::invalid(fields)
}

fn collect(errors: &ValidationErrors, parent: &str, fields: &mut Vec<FieldError>) {
    for (name, kind) in errors.errors() {
        let path = join(parent, name);
        match kind {
            ValidationErrorsKind::Field(list) => {
                fields.extend(list.iter().map(|error| field_error(path.clone(), error)));
            }
            ValidationErrorsKind::Struct(inner) => collect(inner, &path, fields),
            ValidationErrorsKind::List(items) => {
                for (index, inner) in items {
                    collect(inner, &format!("{path}[{index}]"), fields);
                }
            }
        }
    }
}

fn field_error(path: String, error: &ValidationError) -> FieldError {
    let bound = |name: &str| error.params.get(name).filter(|value| !value.is_null());
    let message = error.message.clone().unwrap_or_else(|| {
        match (bound("min"), bound("max")) {
            (Some(min), Some(max)) => format!("must be {min} to {max} ({})", error.code),
            (Some(min), None) => format!("must be at least {min} ({})", error.code),
            (None, Some(max)) => format!("must be at most {max} ({})", error.code),
            (None, None) => format!("is not valid ({})", error.code),
        }
        .into()
    });
    FieldError::new(path, error.code.clone(), message)
}

/// A rule for names and notes: no control characters (NUL among them).
///
/// # Errors
/// When there is one.
pub fn printable(text: &str) -> std::result::Result<(), ValidationError> {
    if text.chars().any(char::is_control) {
        return Err(ValidationError::new("control_character").with_message("must not hold control characters".into()));
    }
    Ok(())
}

/// Takes the blanks off both ends of a name while it is read.
///
/// # Errors
/// When it is not a string.
pub fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    Ok(String::deserialize(deserializer)?.trim().to_owned())
}

/// Query parameters; unknown ones are ignored.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Query<T> {
    type Error = Error;
    type Future = std::future::Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parsed = actix_web::web::Query::<T>::from_query(req.query_string());
        std::future::ready(parsed.map(|query| Self(query.into_inner())).map_err(|error| {
            let text = error.to_string();
            let what = text.strip_prefix("Query deserialize error: ").unwrap_or(&text).to_owned();
            Error::invalid(vec![FieldError::new("query", "type", what)])
        }))
    }
}

/// A field of a merge patch (RFC 7396): absent, null, or a value. Use with `#[serde(default)]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Not named: leave it as it is.
    #[default]
    Absent,
    /// Null: clear it.
    Null,
    /// Set it.
    Value(T),
}

impl<T> Patch<T> {
    /// What the column becomes: `None` when it stays.
    #[must_use]
    pub fn into_change(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Value(value) => Some(Some(value)),
        }
    }

    /// The new value, if one is given.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
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
