//! What an answer, or its absence, means.

use chrono::{DateTime, NaiveDateTime};
use entity::UtcMillis;
use serde_json::Value;

use super::{
    class::FailureClass,
    codes, fields,
    redact::{clipped, redacted},
    reply::{self, Tokens, header, text},
};
use crate::base::{
    http_client::{Failure, Incoming},
    secret::Secret,
};

/// Longest wait that a provider can ask for, in seconds: a day.
const LONGEST_WAIT_S: i64 = 24 * 3600;
/// Most characters of a provider's own words.
const WORDS: usize = 200;
/// Most characters of a detail, as its column holds it.
const DETAIL: usize = 500;

/// An exchange that gave no access token.
#[derive(Clone, Debug)]
pub struct Failed {
    /// What it means.
    pub class: FailureClass,
    /// For people, at most 500 characters: the provider's code and a few words, never a token.
    pub detail: String,
    /// No earlier try than in so many seconds: the provider, or an open circuit breaker, asks for it.
    pub retry_after_s: Option<i64>,
    /// The request was sent and its outcome is not known: the refresh token may be spent.
    pub unanswered: bool,
    /// A new refresh token that came without an access token. It has to be kept: the one that was used may be spent.
    pub rotated: Option<Secret>,
}

impl Failed {
    /// A failure in which nothing was sent, or which was answered.
    pub(super) fn new(class: FailureClass, detail: &str) -> Self {
        Self { class, detail: clipped(detail, DETAIL), retry_after_s: None, unanswered: false, rotated: None }
    }

    /// With a time before which a try is for nothing.
    pub(super) fn after(mut self, seconds: Option<i64>) -> Self {
        self.retry_after_s = seconds;
        self
    }

    /// With an outcome that is not known.
    fn unanswered(mut self) -> Self {
        self.unanswered = true;
        self
    }

    /// Why there is no answer.
    pub(super) fn without_answer(failure: Failure) -> Self {
        match failure {
            Failure::NotAllowed(why) => Self::new(FailureClass::Connect, &format!("the token URL {why}")),
            Failure::Connect => Self::new(FailureClass::Connect, "no connection"),
            Failure::ProxyConnect => Self::new(FailureClass::ProxyConnect, "no connection through the proxy"),
            Failure::ProxyAuth => Self::new(FailureClass::ProxyAuth, "the proxy refuses the credentials"),
            Failure::Unanswered { timed_out: true } => {
                Self::new(FailureClass::Timeout, "sent, and not answered in time").unanswered()
            }
            Failure::Unanswered { timed_out: false } => {
                Self::new(FailureClass::Connect, "sent, and the connection broke before the answer was complete")
                    .unanswered()
            }
        }
    }
}

/// What is needed to judge an answer.
pub(super) struct Judge<'a> {
    /// `error_map` of the provider, as its column holds it.
    pub(super) error_map: &'a str,
    /// What was sent and must not be repeated.
    pub(super) sent: &'a [&'a Secret],
    /// For a `Retry-After` that is a date.
    pub(super) now: UtcMillis,
}

impl Judge<'_> {
    /// The tokens of an answer, or what it means that it has none.
    pub(super) fn judge(&self, answer: &Incoming) -> Result<Tokens, Failed> {
        let reply = reply::read(answer);
        let is_success = (200..300).contains(&answer.status);
        let is_refusal = reply.get("error").is_some_and(|error| !error.is_null());
        match reply::tokens(&reply) {
            Some(tokens) if is_success => return Ok(tokens),
            // Neither with tokens nor with an error: it may have acted all the same.
            _ if is_success && !is_refusal && header(answer, "cf-mitigated").is_none() => {
                return Err(unreadable(answer, &reply));
            }
            _ => {}
        }
        let codes = candidates(&reply);
        let class = self.class(answer, &reply, &codes);
        let wait = header(answer, "retry-after").and_then(|text| wait(text, self.now));
        let failed = Failed::new(class, &self.detail(answer, &reply, &codes)).after(wait);
        Err(if is_from_a_gateway(answer.status) { failed.unanswered() } else { failed })
    }

    fn class(&self, answer: &Incoming, reply: &Value, codes: &[String]) -> FailureClass {
        let mapped = fields::error_map(self.error_map);
        if let Some(class) = codes.iter().find_map(|code| mapped.get(code)) {
            return *class;
        }
        let known = codes.iter().find_map(|code| codes::class(code));
        let is_page = reply::is_page(answer);
        match answer.status {
            _ if header(answer, "cf-mitigated").is_some() => FailureClass::Challenge,
            _ if known == Some(FailureClass::Region) => FailureClass::Region,
            407 => FailureClass::ProxyAuth,
            429 => FailureClass::RateLimited,
            403 | 503 if is_page => FailureClass::Challenge,
            500.. => FailureClass::Server,
            status => known.unwrap_or_else(|| unknown(status, answer, reply)),
        }
    }

    /// `401 refresh_token_reused: Your refresh token has already been used …`
    fn detail(&self, answer: &Incoming, reply: &Value, codes: &[String]) -> String {
        let words = text(reply, "error_description").or_else(|| text(reply.get("error")?, "message"));
        let words = words.or_else(|| text(reply, "message")).unwrap_or_default();
        let code = codes.first().map(|code| redacted(code, self.sent, 64)).unwrap_or_default();
        let words = redacted(words, self.sent, WORDS);
        let parts = [code, words].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
        let page = if parts.is_empty() && reply::is_page(answer) { "a web page" } else { "" };
        format!("HTTP {} {parts}{page}", answer.status).trim_end().to_owned()
    }
}

fn unreadable(answer: &Incoming, reply: &Value) -> Failed {
    let what = if reply.is_null() { "an answer that is not JSON" } else { "an answer without an access token" };
    let failed = Failed::new(FailureClass::Malformed, &format!("HTTP {}: {what}", answer.status));
    Failed { rotated: reply::refresh_token(reply), ..failed.unanswered() }
}

/// Whether somebody in between answers, who does not know what became of the request: RFC 9110 §15.6.3 and §15.6.5, and
/// what Cloudflare answers for a host that fell silent.
fn is_from_a_gateway(status: u16) -> bool {
    matches!(status, 502 | 504 | 520 | 522..=524)
}

/// The class of a status whose codes say nothing.
fn unknown(status: u16, answer: &Incoming, reply: &Value) -> FailureClass {
    match status {
        // OpenAI answers 401 to a refresh token that is no good, with one code or another.
        401 if reply.get("error").is_some_and(Value::is_object) => FailureClass::InvalidGrant,
        403 if header(answer, "retry-after").is_some() => FailureClass::RateLimited,
        408 => FailureClass::Timeout,
        _ => FailureClass::Malformed,
    }
}

/// The codes of an answer, the most particular first: Microsoft's number and suberror, OpenAI's `error.code` and
/// `error.type`, RFC 6749's `error`, a `code` at the top.
fn candidates(reply: &Value) -> Vec<String> {
    let error = reply.get("error").unwrap_or(&Value::Null);
    let numbers = reply.get("error_codes").and_then(Value::as_array).into_iter().flatten();
    let numbers = numbers.filter_map(Value::as_u64).map(|number| format!("AADSTS{number}"));
    let described = text(reply, "error_description").and_then(aadsts);
    let texts =
        [text(reply, "suberror"), text(error, "code"), text(error, "type"), error.as_str(), text(reply, "code")];
    let texts = texts.into_iter().flatten().filter(|code| !code.is_empty()).map(str::to_owned);
    numbers.chain(described).chain(texts).collect()
}

/// Microsoft's number at the beginning of a description.
fn aadsts(description: &str) -> Option<String> {
    let number = description.strip_prefix("AADSTS")?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).take(10).collect();
    (!digits.is_empty()).then(|| format!("AADSTS{digits}"))
}

/// `Retry-After` in seconds: a number of them, or a date (RFC 9110 §10.2.3) in any of its three forms. At most a day.
fn wait(text: &str, now: UtcMillis) -> Option<i64> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().unwrap_or(LONGEST_WAIT_S).min(LONGEST_WAIT_S));
    }
    let naive = |form| NaiveDateTime::parse_from_str(text, form).ok().map(|time| time.and_utc());
    let date = DateTime::parse_from_rfc2822(text).ok().map(|time| time.to_utc());
    let date = date.or_else(|| naive("%A, %d-%b-%y %H:%M:%S GMT")).or_else(|| naive("%a %b %e %H:%M:%S %Y"))?;
    Some(UtcMillis::from(date).seconds_after(now).min(LONGEST_WAIT_S))
}

#[cfg(test)]
mod tests;
