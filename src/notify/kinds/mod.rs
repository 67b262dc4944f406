//! The services that carry messages to people: what each has to know, is sent, and answers when it has taken it.
//!
//! A service is judged by its own rule. Most answer HTTP 200 whatever happens and tell in the body.

mod bark;
mod dingtalk;
mod discord;
mod email;
mod feishu;
mod pushplus;
mod serverchan;
mod slack;
mod telegram;
mod webhook;
mod wecom;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::DateTime;
use entity::UtcMillis;
use reqwest::header::{HeaderName, HeaderValue, RETRY_AFTER};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    config::{Config, Field},
    notice::Notice,
    template::Text,
};
use crate::base::http_client::Incoming;

pub(super) use self::{email::send as send_email, webhook::signing_key};

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// pushplus.plus
    Pushplus,
    /// ServerChan
    Serverchan,
    /// Bark
    Bark,
    /// A group robot of WeCom
    Wecom,
    /// A group robot of DingTalk
    Dingtalk,
    /// A group bot of Feishu or Lark
    Feishu,
    /// A bot of Telegram
    Telegram,
    /// An incoming webhook of Slack
    Slack,
    /// A webhook of Discord
    Discord,
    /// Any program that speaks Standard Webhooks
    Webhook,
    /// SMTP
    Email,
}

/// How a service over HTTP is spoken to.
pub(super) struct Service {
    /// The members of its configuration.
    pub(super) fields: &'static [&'static Field],
    /// Most messages a minute, where the service sets a limit that it punishes.
    pub(super) a_minute: Option<usize>,
    /// The request for a message.
    pub(super) request: fn(&Config, &Letter<'_>) -> Call,
    /// Whether the answer says that the message was taken.
    pub(super) judge: fn(&Answer) -> Verdict,
}

/// A message on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter<'a> {
    /// In words.
    pub(super) text: &'a Text,
    /// As data.
    pub(super) notice: &'a Notice,
    /// The same for every try of the same message.
    pub(super) id: &'a str,
    /// Now.
    pub(super) now: UtcMillis,
}

/// A POST of JSON.
pub(super) struct Call {
    pub(super) url: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Vec<u8>,
}

/// An answer, read once.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Null when the body is not JSON.
    pub(super) json: Value,
    pub(super) text: String,
    /// Seconds of `Retry-After`.
    pub(super) retry_after_s: Option<i64>,
}

/// Whether a message was taken. Reasons are cleaned of secrets by whoever shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The service has it.
    Delivered,
    /// Not now.
    Later {
        /// Why not.
        why: String,
        /// Not before that many seconds.
        retry_after_s: Option<i64>,
    },
    /// Not before tomorrow, and no other message either.
    Tomorrow {
        /// Why not.
        why: String,
    },
    /// Not this message to this channel.
    Refused {
        /// Why not.
        why: String,
    },
}

impl ChannelKind {
    /// How it is spoken to; `None` for e-mail, which is no HTTP.
    pub(super) fn service(self) -> Option<&'static Service> {
        Some(match self {
            Self::Pushplus => &pushplus::SERVICE,
            Self::Serverchan => &serverchan::SERVICE,
            Self::Bark => &bark::SERVICE,
            Self::Wecom => &wecom::SERVICE,
            Self::Dingtalk => &dingtalk::SERVICE,
            Self::Feishu => &feishu::SERVICE,
            Self::Telegram => &telegram::SERVICE,
            Self::Slack => &slack::SERVICE,
            Self::Discord => &discord::SERVICE,
            Self::Webhook => &webhook::SERVICE,
            Self::Email => return None,
        })
    }

    /// The members of its configuration.
    pub(super) fn fields(self) -> &'static [&'static Field] {
        self.service().map_or(email::FIELDS, |service| service.fields)
    }

    /// Its name in the database.
    pub(super) fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The kind of that name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        serde_json::from_value(Value::from(name)).ok()
    }
}

impl Call {
    /// JSON to that address.
    fn json(url: String, body: &Value) -> Self {
        Self { url, headers: Vec::new(), body: body.to_string().into_bytes() }
    }
}

impl Answer {
    pub(super) fn read(incoming: &Incoming, now: UtcMillis) -> Self {
        let json: Value = serde_json::from_slice(&incoming.body).unwrap_or_default();
        let text = String::from_utf8_lossy(&incoming.body).into_owned();
        let header = incoming.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        Self { status: incoming.status, json, text, retry_after_s: header.and_then(|text| seconds(text, now)) }
    }

    /// What every service means alike: too many requests, and that it is out of order.
    pub(super) fn common(&self) -> Option<Verdict> {
        let later = matches!(self.status, 408 | 425 | 429 | 500..);
        later.then(|| self.later(&format!("HTTP {}", self.status), None))
    }

    /// A number in the body.
    fn code(&self, name: &str) -> Option<i64> {
        self.json.get(name)?.as_i64()
    }

    /// Delivered if the number in that member is `good`; else what `otherwise` makes of it.
    fn by_code(&self, name: &str, message: &str, good: i64, otherwise: impl Fn(i64, String) -> Verdict) -> Verdict {
        match self.code(name) {
            Some(code) if code == good => Verdict::Delivered,
            Some(code) => otherwise(code, self.words(&format!("code {code}"), message)),
            None if (200..300).contains(&self.status) => self.later("an answer that is not the service's", None),
            None => Verdict::Refused { why: format!("HTTP {}", self.status) },
        }
    }

    /// A reason with what the service says about it.
    fn words(&self, what: &str, member: &str) -> String {
        match self.json.get(member).and_then(Value::as_str).filter(|text| !text.is_empty()) {
            Some(text) => format!("{what}: {text}"),
            None => what.to_owned(),
        }
    }

    fn later(&self, why: &str, retry_after_s: Option<i64>) -> Verdict {
        Verdict::Later { why: why.to_owned(), retry_after_s: self.retry_after_s.or(retry_after_s) }
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110 §10.2.3).
fn seconds(text: &str, now: UtcMillis) -> Option<i64> {
    let until = || Some(UtcMillis::from(DateTime::parse_from_rfc2822(text).ok()?.to_utc()).seconds_after(now));
    text.trim().parse::<i64>().ok().or_else(until).map(|seconds| seconds.clamp(1, 24 * 3600))
}

/// HMAC-SHA256 in base64.
fn sign(key: &[u8], message: &[u8]) -> String {
    STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message))
}

/// Adds a member to an object.
fn add(body: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(members) = body {
        members.insert(name.to_owned(), value.into());
    }
}

/// A value in an address.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Lines as paragraphs, since Markdown joins lines that follow each other.
fn paragraphs(text: &str) -> String {
    text.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = UtcMillis(1_795_235_460_000); // 2026-11-21T04:31:00Z
        assert_eq!(seconds("30", now), Some(30));
        assert_eq!(seconds("Sat, 21 Nov 2026 04:32:00 GMT", now), Some(60));
        assert_eq!(seconds("Sat, 21 Nov 2026 04:30:00 GMT", now), Some(1));
        assert_eq!(seconds("soon", now), None);
    }

    #[test]
    fn every_kind_reads_its_own_name() {
        for name in "pushplus serverchan bark wecom dingtalk feishu telegram slack discord webhook email".split(' ') {
            assert_eq!(ChannelKind::parse(name).map(ChannelKind::name), Some(name.to_owned()));
        }
        assert_eq!(ChannelKind::parse("fax"), None);
    }
}
