//! The rules for what is entered.

use std::{
    collections::{BTreeMap, HashSet},
    ops::RangeInclusive,
};

use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use super::class::FailureClass;
use crate::base::{error::FieldError, http_client::HttpClient, input::printable};

/// Most members of a map.
const MEMBERS: usize = 64;
/// What a request always holds; extra parameters cannot replace it.
const OWN_PARAMS: [&str; 4] = ["grant_type", "refresh_token", "client_id", "client_secret"];
/// Headers that belong to the connection or follow from `body_format`.
const OWN_HEADERS: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What is wrong with a request, field by field.
#[derive(Debug, Default)]
pub(super) struct Wrong(pub(super) Vec<FieldError>);

impl Wrong {
    /// One more.
    pub(super) fn add(&mut self, field: impl Into<String>, code: &'static str, message: impl Into<String>) {
        self.0.push(FieldError::new(field, code, message.into()));
    }

    /// A text of some length without control characters.
    pub(super) fn text(&mut self, field: &str, text: &str, length: RangeInclusive<usize>) {
        if !length.contains(&text.chars().count()) {
            self.add(field, "length", format!("must have {} to {} characters", length.start(), length.end()));
        } else if printable(text).is_err() {
            self.add(field, "control_character", "must not hold control characters");
        }
    }

    /// A number within bounds.
    pub(super) fn number(&mut self, field: &str, number: i64, range: RangeInclusive<i64>) {
        if !range.contains(&number) {
            self.add(field, "range", format!("must be {} to {}", range.start(), range.end()));
        }
    }

    /// A provider's name.
    pub(super) fn name(&mut self, name: &str) {
        if !is_name(name) {
            self.add(
                "name",
                "format",
                "must be 1 to 64 lower-case letters, digits and hyphens, and not begin with one",
            );
        }
    }

    /// Where tokens are exchanged; `allow_private` as `security.allow_private_targets`.
    pub(super) fn token_url(&mut self, text: &str, client: &HttpClient, allow_private: bool) {
        let field = "token_url";
        let parsed = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        let Some(url) = parsed else {
            return self.add(field, "format", "must be an absolute URL that begins with https://");
        };
        let before = self.0.len();
        self.text(field, text, 1..=500); // a parser of URLs passes over tabs and line ends
        if self.0.len() > before {
            return;
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            self.add(field, "format", "must hold neither credentials nor a fragment");
        } else if let Err(why) = client.check_target(text) {
            self.add(field, "target", why);
        } else if url.scheme() != "https" && !allow_private {
            self.add(field, "https", "must begin with https://");
        }
    }

    /// One more parameter of the body.
    pub(super) fn param(&mut self, name: &str, value: Option<&str>) {
        let field = format!("extra_params.{name}");
        self.text(&field, name, 1..=128);
        if OWN_PARAMS.contains(&name) {
            self.add(&field, "reserved", "is set by the service itself");
        }
        if let Some(value) = value {
            self.text(&field, value, 0..=4096);
        }
    }

    /// A header.
    pub(super) fn header(&mut self, name: &str, value: Option<&str>) {
        let field = format!("headers.{name}");
        if HeaderName::from_bytes(name.as_bytes()).is_err() || name.len() > 128 {
            self.add(&field, "format", "is not the name of a header");
        } else if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            self.add(&field, "reserved", "is set by the service itself");
        }
        if value.is_some_and(|value| value.len() > 4096 || HeaderValue::from_str(value).is_err()) {
            self.add(&field, "format", "must be a header's value of at most 4096 visible ASCII characters");
        }
    }

    /// An error code and its class.
    pub(super) fn class(&mut self, code: &str, class: Option<&str>) {
        let field = format!("error_map.{code}");
        self.text(&field, code, 1..=128);
        if class.is_some_and(|class| FailureClass::parse(class).is_none()) {
            let known: Vec<&str> = FailureClass::ALL.iter().map(|class| class.as_str()).collect();
            self.add(&field, "unknown_class", format!("must be one of {}", known.join(", ")));
        }
    }

    /// How many members a map may have, and that no two are the same.
    pub(super) fn members<'a>(&mut self, field: &str, names: impl Iterator<Item = &'a String>) {
        let (mut seen, mut count) = (HashSet::new(), 0);
        for name in names {
            count += 1;
            if field == "headers" && !seen.insert(name.to_ascii_lowercase()) {
                self.add(format!("{field}.{name}"), "duplicate", "is given twice, in upper and lower case");
            }
        }
        if count > MEMBERS {
            self.add(field, "length", format!("must have at most {MEMBERS} members"));
        }
    }
}

/// Whether a provider may be called so.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(fits) && !name.starts_with('-')
}

/// The map of a row; a class that this version does not know is left out.
pub(super) fn error_map(text: &str) -> BTreeMap<String, FailureClass> {
    let map: BTreeMap<String, String> = serde_json::from_str(text).unwrap_or_default();
    map.into_iter().filter_map(|(code, class)| Some((code, FailureClass::parse(&class)?))).collect()
}
