//! Why there is no answer.

use std::{error::Error as _, fmt};

/// What hyper-util says of a proxy that wants other credentials: HTTP, SOCKS 5.
const REFUSED: [&str; 3] =
    ["proxy authorization required", "credentials not accepted", "does not support user/pass authentication"];

/// Why a request has no answer. Holds nothing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The address may not be called. Nothing was sent.
    NotAllowed(&'static str),
    /// There is no connection to the other side, nor was anything sent.
    Connect,
    /// There is no connection to the proxy, or the proxy found none. Nothing was sent.
    ProxyConnect,
    /// The proxy refuses the credentials. Nothing reached the other side.
    ProxyAuth,
    /// The request was sent, wholly or in part, and not answered, or not to the end: the other side may have acted.
    Unanswered {
        /// The time was over; else the connection broke, or the answer was too long.
        timed_out: bool,
    },
}

impl Failure {
    pub(super) fn of(error: &reqwest::Error, through_proxy: bool) -> Self {
        if !error.is_connect() {
            return Self::Unanswered { timed_out: error.is_timeout() };
        }
        if !through_proxy {
            return Self::Connect;
        }
        let mut cause = error.source();
        while let Some(inner) = cause {
            // The library makes the reason public as text only.
            let text = inner.to_string();
            if REFUSED.iter().any(|refused| text.contains(refused)) {
                return Self::ProxyAuth;
            }
            cause = inner.source();
        }
        Self::ProxyConnect
    }

    /// The answer ended before its end.
    pub(super) fn cut_off(error: &reqwest::Error) -> Self {
        Self::Unanswered { timed_out: error.is_timeout() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAllowed(_) => "the address may not be called",
            Self::Connect => "no connection",
            Self::ProxyConnect => "no connection through the proxy",
            Self::ProxyAuth => "the proxy refuses the credentials",
            Self::Unanswered { timed_out: true } => "no answer in time",
            Self::Unanswered { timed_out: false } => "the connection broke before the answer was complete",
        })
    }
}
