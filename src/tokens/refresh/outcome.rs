//! What a refresh comes to.

use crate::{
    base::error::{Error, INTERNAL, Kind},
    providers::{FailureClass, PROVIDER_PAUSED},
    tokens::problems::{ACCOUNT_DEAD, PROVIDER_FAILED, PROVIDER_TIMEOUT, RATE_LIMITED},
};

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

impl Cause {
    /// Its name in an event.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Admin => "admin",
            Self::Job => "job",
            Self::Batch => "batch",
            Self::Serve => "serve",
        }
    }

    /// Whether it waits until the back-off after a failure is over.
    #[must_use]
    pub const fn backs_off(self) -> bool {
        matches!(self, Self::Job | Self::Serve)
    }
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

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Refusal {
    pub(super) fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self { kind, class: None, retry_after_s: None, detail: detail.into() }
    }

    pub(super) fn internal(what: &str) -> Self {
        log::error!("{what}");
        Self::new(&INTERNAL, "Something went wrong on our side.")
    }

    pub(super) fn of(error: &Error) -> Self {
        if let Some(cause) = error.cause() {
            log::warn!("a refresh could not be begun or kept: {cause}");
        }
        Self::new(error.kind(), error.to_string())
    }

    /// With how the provider's answer was understood; the class decides which problem it is. `pauses`: what is wrong
    /// with the client is wrong for all accounts of the provider.
    pub(super) fn failed(class: FailureClass, detail: impl Into<String>, pauses: bool) -> Self {
        let kind = match class {
            class if class.is_permanent() => &ACCOUNT_DEAD,
            class if class.is_config() && pauses => &PROVIDER_PAUSED,
            FailureClass::RateLimited => &RATE_LIMITED,
            FailureClass::Timeout => &PROVIDER_TIMEOUT,
            _ => &PROVIDER_FAILED,
        };
        Self { class: Some(class.as_str()), ..Self::new(kind, detail) }
    }

    pub(super) fn after(mut self, seconds: i64) -> Self {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

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
