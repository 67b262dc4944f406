//! The one error type, and its form on the wire: RFC 9457 problem documents.
//!
//! A room declares the problems it can answer as [`Kind`] constants and lists them in its `PROBLEMS`; `server`
//! collects the lists for `/errors/{slug}` and the OpenAPI document. This is the only place that knows status codes.

use std::{borrow::Cow, error::Error as StdError, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use sea_orm::{DbErr, RuntimeErr};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// What kind of failure it is; decides the status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 400: it cannot be read.
    Malformed,
    /// 401: who is asking is not known.
    Unauthenticated,
    /// 402: a cost limit is reached.
    CostLimit,
    /// 403: known, but not allowed.
    Forbidden,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 408: the request did not arrive in time.
    TooSlow,
    /// 409: against the present state.
    Conflict,
    /// 410: it was there once.
    Gone,
    /// 412: a precondition does not hold.
    Precondition,
    /// 413
    TooLarge,
    /// 415
    MediaType,
    /// 422: well-formed but invalid.
    Invalid,
    /// 428
    PreconditionRequired,
    /// 429
    TooMany,
    /// 500: a bug.
    Internal,
    /// 502: somebody else's answer was no good.
    Upstream,
    /// 503: a dependency is out.
    Unavailable,
    /// 504: somebody else did not answer in time.
    UpstreamTimeout,
}

impl Class {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::CostLimit => StatusCode::PAYMENT_REQUIRED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Gone => StatusCode::GONE,
            Self::Precondition => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Upstream => StatusCode::BAD_GATEWAY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

/// One documented problem. `code` is stable; its slug (`key-expired` for `KEY_EXPIRED`) is the page under `/errors/`.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Decides the status.
    pub class: Class,
    /// Stable name, `UPPER_SNAKE_CASE`.
    pub code: &'static str,
    /// Short text, the same every time.
    pub title: &'static str,
    /// For the page: what it means and what to do about it.
    pub help: &'static str,
}

impl Kind {
    /// A problem to declare as a constant.
    #[must_use]
    pub const fn new(class: Class, code: &'static str, title: &'static str, help: &'static str) -> Self {
        Self { class, code, title, help }
    }

    /// Last part of the problem's `type`.
    #[must_use]
    pub fn slug(&self) -> String {
        self.code.to_ascii_lowercase().replace('_', "-")
    }

    /// This problem with what is particular to this time. Must not contain secrets, SQL or paths.
    #[must_use]
    pub fn error(&'static self, detail: impl Into<Cow<'static, str>>) -> Error {
        Error::new(self, detail)
    }
}

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

macro_rules! kinds {
    ($($name:ident = $class:ident, $title:literal, $help:literal;)*) => {
        $(#[doc = $title] pub static $name: Kind = Kind::new(Class::$class, stringify!($name), $title, $help);)*
        /// The problems that every endpoint may answer.
        pub static PROBLEMS: &[&Kind] = &[$(&$name),*];
    };
}

kinds! {
    MALFORMED_REQUEST = Malformed, "The request cannot be read",
        "The body is not JSON, a query parameter has the wrong form, or an identifier in the path cannot be one. The detail says where.";
    UNAUTHENTICATED = Unauthenticated, "Authentication is required",
        "The request carries no credential this endpoint accepts, or one that is wrong, expired or revoked.";
    FORBIDDEN = Forbidden, "Not allowed", "The credential is good, but does not allow this.";
    NOT_FOUND = NotFound, "Nothing is there", "No resource has this path or identifier.";
    METHOD_NOT_ALLOWED = MethodNotAllowed, "The method is not allowed here", "The Allow header lists the methods this path knows.";
    REQUEST_TIMEOUT = TooSlow, "The request did not arrive in time", "Send the request, its body included, without long pauses.";
    CONFLICT = Conflict, "In conflict with the present state", "Read the resource again and decide anew.";
    PAYLOAD_TOO_LARGE = TooLarge, "The body is too large", "Send less; the detail names the limit.";
    UNSUPPORTED_MEDIA_TYPE = MediaType, "The body's media type is not supported", "Send JSON with Content-Type: application/json.";
    INVALID_REQUEST = Invalid, "The request is invalid", "Every problem found is listed under errors, with the field's path.";
    TOO_MANY_REQUESTS = TooMany, "Too many requests", "Wait for the number of seconds in Retry-After.";
    INTERNAL = Internal, "An unexpected error", "This is a bug in Latchkey. Report it with the request_id; the log has the details under the same id.";
    BUSY = Unavailable, "The service is busy", "More writes are waiting than can be taken in. Nothing was changed; try again after Retry-After.";
    DATABASE_UNAVAILABLE = Unavailable, "The database is not available",
        "The database cannot be reached, its disk is full, or it is too busy. A write that got this answer may be repeated.";
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

    /// The problem document. `with_message` repeats the detail as `message`, which ClassworksKV's clients read.
    #[must_use]
    pub fn document(&self, request_id: &str, with_message: bool) -> Value {
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
            if with_message {
                members.insert("message".to_owned(), Value::from(self.0.detail.as_ref()));
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
    pub fn response(&self, request_id: &str, with_message: bool) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        for (name, value) in &self.0.headers {
            response.append_header((name.clone(), value.as_str()));
        }
        response.content_type("application/problem+json").body(self.document(request_id, with_message).to_string())
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
        self.response("", false)
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner)) => from_sqlx(inner),
            _ => database(db_is_outage(&error), &error),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        from_sqlx(&error)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let outage =
            matches!(&error, rusqlite::Error::SqliteFailure(failure, _) if sqlite_is_outage(failure.extended_code));
        database(outage, &error)
    }
}

fn from_sqlx(error: &sqlx::Error) -> Error {
    let mut problem = database(sqlx_is_outage(error), error);
    problem.0.lost_race = mysql_number(error).is_some_and(|number| matches!(number, 1020 | 1205 | 1213));
    problem
}

fn database(unavailable: bool, cause: &dyn StdError) -> Error {
    if unavailable {
        Error::new(&DATABASE_UNAVAILABLE, "The database does not answer at the moment.").retry_after(5).caused_by(cause)
    } else {
        Error::internal(cause)
    }
}

/// Whether the database is out, rather than the statement wrong.
pub(super) fn db_is_outage(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner)) => sqlx_is_outage(inner),
        _ => false,
    }
}

/// The same for sqlx.
pub(super) fn sqlx_is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(inner) => match mysql_number(error) {
            Some(number) => mysql_is_outage(number),
            None => inner.code().and_then(|code| code.parse().ok()).is_some_and(sqlite_is_outage),
        },
        _ => false,
    }
}

fn mysql_number(error: &sqlx::Error) -> Option<u16> {
    let sqlx::Error::Database(inner) = error else { return None };
    Some(inner.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()?.number())
}

/// Codes of MySQL and MariaDB for: too many connections, shutting down, killed, idle for too long, out of disk or locks,
/// read-only, a Galera node that is not ready, no access any more, lock wait timeout, deadlock, record changed since
/// last read (after the retries are used up).
fn mysql_is_outage(number: u16) -> bool {
    matches!(
        number,
        1020 | 1021
            | 1037
            | 1038
            | 1040
            | 1041
            | 1044
            | 1045
            | 1047
            | 1053
            | 1114
            | 1203
            | 1205
            | 1206
            | 1213
            | 1290
            | 1317
            | 1836
            | 1927
            | 3024
            | 3100
            | 4031
    )
}

/// Primary result codes of SQLite for: busy, locked, out of memory, read-only, I/O error, full, cannot open.
fn sqlite_is_outage(code: i32) -> bool {
    matches!(code & 0xff, 5 | 6 | 7 | 8 | 10 | 13 | 14)
}
