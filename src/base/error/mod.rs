//! The one error type, and its form on the wire: RFC 9457 problem documents.
//!
//! A room declares the problems it can answer as [`Kind`] constants and lists them in its `PROBLEMS`; `server`
//! collects the lists for `/errors/{slug}` and the OpenAPI document. This is the only place that knows status codes.

mod database;
mod kind;

use std::{borrow::Cow, error::Error as StdError, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

pub(super) use self::database::{db_is_outage, sqlx_is_outage};
pub use self::kind::*;

/// One invalid field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Path of the field: `ops[2].key`.
    #[schema(example = "amount")]
    pub field: String,
    /// Stable name of what is wrong: `required`, `unknown_field`, `type`, `range`, `length`, `format`, …
    #[schema(value_type = String, example = "range")]
    pub code: Cow<'static, str>,
    /// For people.
    #[schema(value_type = String, example = "must be 1 to 5000")]
    pub message: Cow<'static, str>,
}

/// How a problem looks on the wire (RFC 9457); [`Error::document`] makes it. Some problems have further members.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Relative address of a page that explains this kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "/errors/not-found", format = "uri-reference")]
    pub kind: String,
    /// What kind of problem it is, for people; the same every time.
    #[schema(example = "Nothing is there")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 404, minimum = 400, maximum = 599)]
    pub status: u16,
    /// What was wrong this time, for people.
    #[schema(example = "There is nothing at this path.")]
    pub detail: String,
    /// Stable name of the kind of problem, for programs.
    #[schema(example = "NOT_FOUND")]
    pub code: String,
    /// Names this request in the log; also in `X-Request-Id`.
    #[schema(example = "019aa3f2-7c1e-7d52-9b0a-4f0f6f2b7a11")]
    pub request_id: String,
    /// The detail once more, under `/apps`, `/devices`, `/kv` and `/wechat`, where older clients read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message: Option<String>,
    /// Every invalid field; with status 422 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub errors: Option<Vec<FieldError>>,
}

impl FieldError {
    /// A field error.
    pub fn new(
        field: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { field: field.into(), code: code.into(), message: message.into() }
    }
}

/// A failure on its way to the client.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: &'static Kind,
    detail: Cow<'static, str>,
    fields: Vec<FieldError>,
    extra: Map<String, Value>,
    headers: Vec<(header::HeaderName, String)>,
    /// For the log only.
    cause: Option<String>,
    lost_race: bool,
}

/// What fallible functions answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a problem document carries beside its own members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Nothing.
    Plain,
    /// `message`, as ClassworksKV's clients and the mini-program read it.
    Message,
    /// `success: false` and `msg`, the envelope of oai-rt.
    Envelope,
}

impl Error {
    /// A problem of that kind. `detail` must not contain secrets, SQL or paths.
    pub fn new(kind: &'static Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        let error = Self(Box::new(Inner {
            kind,
            detail: detail.into(),
            fields: Vec::new(),
            extra: Map::new(),
            headers: Vec::new(),
            cause: None,
            lost_race: false,
        }));
        if kind.class == Class::Unavailable { error.retry_after(1) } else { error }
    }

    /// 500 with a cause for the log. A bug.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(&INTERNAL, "Something went wrong on our side.").caused_by(cause)
    }

    /// 422 that lists the fields.
    #[must_use]
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        let detail = match fields.as_slice() {
            [one] if one.field.is_empty() => one.message.to_string(),
            [one] => format!("'{}' {}", one.field, one.message),
            _ => format!("{} fields are invalid.", fields.len()),
        };
        let mut error = Self::new(&INVALID_REQUEST, detail);
        error.0.fields = fields;
        error
    }

    /// 422 for one field.
    pub fn invalid_field(field: &str, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::invalid(vec![FieldError::new(field, code, message)])
    }

    /// 400.
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(&MALFORMED_REQUEST, detail)
    }

    /// 429 with `Retry-After` in seconds.
    #[must_use]
    pub fn too_many(detail: impl Into<Cow<'static, str>>, seconds: i64) -> Self {
        Self::new(&TOO_MANY_REQUESTS, detail).retry_after(seconds)
    }

    /// Sets `Retry-After`, in seconds, at least 1.
    #[must_use]
    pub fn retry_after(mut self, seconds: i64) -> Self {
        self.0.headers.retain(|(name, _)| name != header::RETRY_AFTER);
        self.header(header::RETRY_AFTER, seconds.max(1).to_string())
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.0.headers.push((name, value.into()));
        self
    }

    /// Adds a member to the problem document.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0.extra.insert(member.to_owned(), value.into());
        self
    }

    /// Keeps the cause for the log; the client does not see it.
    #[must_use]
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The same as 400, for the old clients' endpoints, which know no 422.
    #[must_use]
    pub fn as_malformed(mut self) -> Self {
        self.0.kind = &MALFORMED_REQUEST;
        self.0.fields.clear();
        self
    }

    /// Which problem it is.
    #[must_use]
    pub fn kind(&self) -> &'static Kind {
        self.0.kind
    }

    /// The status it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.kind.class.status()
    }

    /// What goes to the log beside the detail.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// Whether a transaction lost against another one (deadlock, lock wait, record changed) and may be run again.
    #[must_use]
    pub fn lost_race(&self) -> bool {
        self.0.lost_race
    }

    /// The same error once more, for each of several callers that share a failure.
    #[must_use]
    pub fn again(&self) -> Self {
        Self(Box::new(Inner {
            kind: self.0.kind,
            detail: self.0.detail.clone(),
            fields: self.0.fields.clone(),
            extra: self.0.extra.clone(),
            headers: self.0.headers.clone(),
            cause: self.0.cause.clone(),
            lost_race: self.0.lost_race,
        }))
    }

    /// The problem document, with what the clients of an older system look for.
    #[must_use]
    pub fn document(&self, request_id: &str, dialect: Dialect) -> Value {
        let kind = self.0.kind;
        let mut body = json!({
            "type": format!("/errors/{}", kind.slug()),
            "title": kind.title,
            "status": self.status().as_u16(),
            "detail": self.0.detail,
            "code": kind.code,
            "request_id": request_id,
        });
        if let Value::Object(members) = &mut body {
            let detail = Value::from(self.0.detail.as_ref());
            match dialect {
                Dialect::Plain => {}
                Dialect::Message => drop(members.insert("message".to_owned(), detail)),
                Dialect::Envelope => {
                    members.insert("success".to_owned(), Value::from(false));
                    members.insert("msg".to_owned(), detail);
                }
            }
            if !self.0.fields.is_empty() {
                members.insert("errors".to_owned(), json!(self.0.fields));
            }
            members.extend(self.0.extra.clone());
        }
        body
    }

    /// The answer, with the headers this error asks for.
    #[must_use]
    pub fn response(&self, request_id: &str, dialect: Dialect) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        for (name, value) in &self.0.headers {
            response.append_header((name.clone(), value.as_str()));
        }
        response.content_type("application/problem+json").body(self.document(request_id, dialect).to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind.code, self.0.detail)
    }
}

impl StdError for Error {}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    /// Without request id: the outermost middleware renders it again, with the id.
    fn error_response(&self) -> HttpResponse {
        self.response("", Dialect::Plain)
    }
}
