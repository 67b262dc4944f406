//! The kinds of problem, and those that every endpoint may answer.

use std::borrow::Cow;

use actix_web::http::StatusCode;

use super::Error;

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
