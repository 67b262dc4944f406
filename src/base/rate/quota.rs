//! What a limited call tells its client.

use actix_web::{
    HttpResponse,
    http::header::{HeaderName, HeaderValue},
};

use crate::base::error::{Error, Result};

/// What a call used up: the `RateLimit` headers (draft-ietf-httpapi-ratelimit-headers-07 and its predecessor's
/// `RateLimit-Policy`, as express-rate-limit sends them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Calls allowed in a minute.
    pub limit: u32,
    /// Calls left.
    pub remaining: u32,
    /// Seconds until the window ends.
    pub reset: i64,
}

impl Quota {
    fn headers(self) -> [(HeaderName, String); 2] {
        let Self { limit, remaining, reset } = self;
        [
            (HeaderName::from_static("ratelimit"), format!("limit={limit}, remaining={remaining}, reset={reset}")),
            (HeaderName::from_static("ratelimit-policy"), format!("{limit};w=60")),
        ]
    }

    pub(super) fn on_error(self, error: Error) -> Error {
        self.headers().into_iter().fold(error, |error, (name, value)| error.header(name, value))
    }

    /// Adds the headers to the outcome of a limited call, be it good or bad.
    ///
    /// # Errors
    /// The one given.
    pub fn tell(quota: Option<Self>, outcome: Result<HttpResponse>) -> Result<HttpResponse> {
        let Some(quota) = quota else { return outcome };
        match outcome {
            Ok(mut response) => {
                for (name, value) in quota.headers() {
                    if let Ok(value) = HeaderValue::try_from(value) {
                        response.headers_mut().insert(name, value);
                    }
                }
                Ok(response)
            }
            Err(error) => Err(quota.on_error(error)),
        }
    }
}
