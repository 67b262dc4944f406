//! What a refresh comes to.

use crate::base::error::{Error, Kind};

/// Who asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `POST /public-api/refresh`.
    Api,
    /// An admin, for one account.
    Admin,
    /// The job, because it is due.
    Job,
    /// A batch.
    Batch,
    /// `get-at`, because the access token does not live long enough.
    Serve,
}

/// How a refresh ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The account holds new tokens.
    Refreshed,
    /// It does not.
    Refused(Refusal),
}

/// Why an account was not refreshed. Holds nothing secret.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The problem a caller is answered.
    pub kind: &'static Kind,
    /// How the provider's answer was understood: `permanent.expired`.
    pub class: Option<&'static str>,
    /// Seconds until it makes sense to try again.
    pub retry_after_s: Option<i64>,
    /// In words.
    pub detail: String,
}

impl Refusal {
    /// As a problem document, with `failure_class` where there is one.
    #[must_use]
    pub fn error(&self) -> Error {
        let mut error = Error::new(self.kind, self.detail.clone());
        if let Some(class) = self.class {
            error = error.with("failure_class", class);
        }
        match self.retry_after_s {
            Some(seconds) => error.retry_after(seconds),
            None => error,
        }
    }
}
