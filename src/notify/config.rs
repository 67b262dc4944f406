//! What a channel has to know: members by kind, checked strictly, sealed, and shown without what is secret.

use std::fmt;

use lettre::message::Mailbox;
use reqwest::Url;
use serde_json::{Map, Value};

use crate::base::{
    error::{Error, FieldError, Result},
    http_client::HttpClient,
    secret::Secret,
};

/// A member of a channel's configuration.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    secret: bool,
    required: bool,
    rule: Rule,
}

/// What a member may be.
#[derive(Debug)]
pub(super) enum Rule {
    /// Up to that many characters, without control characters.
    Text(usize),
    /// Up to 512 letters, digits and these signs.
    Key(&'static str),
    /// A whole number from the first to the second.
    Number(i64, i64),
    /// One of these.
    Choice(&'static [&'static str]),
    /// An http or https address that may be called.
    Url,
    /// The same without query, to which paths are added.
    Base,
    /// The address of a proxy.
    Proxy,
    /// A host name or an address that may be called.
    Host,
    /// `whsec_` and 24 to 64 bytes in base64 (Standard Webhooks).
    SigningSecret,
    /// `name@example.com` or `Name <name@example.com>`.
    Mailbox,
    /// A list of 1 to 50 of them.
    Mailboxes,
}

/// Every service that is called over HTTP has it: another address of it, such as one's own server.
pub(super) const BASE_URL: Field = Field::new("base_url", Rule::Base);
/// Every service that is called over HTTP has it: the way there.
pub(super) const PROXY: Field = Field::new("proxy", Rule::Proxy).secret();

impl Field {
    pub(super) const fn new(name: &'static str, rule: Rule) -> Self {
        Self { name, secret: false, required: false, rule }
    }

    pub(super) const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    pub(super) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// Whether it is sent to the service itself and nobody else may learn it.
    pub(super) fn is_for_the_service(&self) -> bool {
        self.secret && self.name != PROXY.name
    }

    /// The value as it is kept, or what is wrong with it.
    fn check(&self, value: &Value, http: &HttpClient) -> Result<Value, (&'static str, String)> {
        let wrong = |code: &'static str, message: &str| Err((code, message.to_owned()));
        match &self.rule {
            Rule::Number(min, max) => match value.as_i64() {
                Some(number) if (*min..=*max).contains(&number) => Ok(value.clone()),
                Some(_) => wrong("range", &format!("must be {min} to {max}")),
                None => wrong("type", "must be a whole number"),
            },
            Rule::Mailboxes => mailboxes(value),
            rule => match value.as_str().map(str::trim) {
                None => wrong("type", "must be a text"),
                Some("") => wrong("length", "must not be empty"),
                Some(text) if text.chars().any(char::is_control) => {
                    wrong("control_character", "must not hold control characters")
                }
                Some(text) if text.chars().count() > rule.longest() => {
                    wrong("length", &format!("must be at most {} characters", rule.longest()))
                }
                Some(text) => rule.check(text, http).map(|()| Value::from(text)),
            },
        }
    }

    /// As much of a value as an answer shows.
    fn shown(&self, value: &Value) -> Value {
        let (true, Some(text)) = (self.secret, value.as_str()) else { return value.clone() };
        let tail: String = text.chars().skip(text.chars().count().saturating_sub(4)).collect();
        match (&self.rule, Url::parse(text)) {
            (Rule::Proxy, Ok(url)) => Value::from(place(&url)),
            (Rule::Url, Ok(url)) => Value::from(format!("{}/…{tail}", place(&url))),
            _ if text.chars().count() > 12 => Value::from(format!("…{tail}")),
            _ => Value::Bool(true),
        }
    }
}

/// Scheme, host and port, without credentials.
fn place(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

impl Rule {
    fn longest(&self) -> usize {
        match self {
            Self::Text(most) => *most,
            Self::Host => 253,
            Self::Url | Self::Base | Self::Proxy => 2000,
            _ => 512,
        }
    }

    fn check(&self, text: &str, http: &HttpClient) -> Result<(), (&'static str, String)> {
        let format = |message: &str| ("format", message.to_owned());
        match self {
            Self::Key(signs)
                if !text.chars().all(|letter| letter.is_ascii_alphanumeric() || signs.contains(letter)) =>
            {
                Err(format("must consist of letters, digits and the signs that the service uses"))
            }
            Self::Choice(all) if !all.contains(&text) => Err(("choice", format!("must be one of: {}", all.join(", ")))),
            Self::Url => http.check_target(text).map_err(format),
            Self::Base if text.contains(['?', '#']) => Err(format("must have neither query nor fragment")),
            // It is shown, other than secrets.
            Self::Base if Url::parse(text).is_ok_and(|url| !url.username().is_empty() || url.password().is_some()) => {
                Err(format("must not hold credentials"))
            }
            Self::Base => http.check_target(text).map_err(format),
            Self::Proxy => http.check_proxy(text).map_err(format),
            Self::Host => http.check_host(text).map_err(format),
            Self::SigningSecret if super::kinds::signing_key(text).is_none() => {
                Err(format("must be whsec_ and 24 to 64 bytes in base64"))
            }
            Self::Mailbox => text.parse::<Mailbox>().map(|_| ()).map_err(|_| format("must be an e-mail address")),
            _ => Ok(()),
        }
    }
}

fn mailboxes(value: &Value) -> Result<Value, (&'static str, String)> {
    let Some(list) = value.as_array() else { return Err(("type", "must be a list of e-mail addresses".to_owned())) };
    if !(1..=50).contains(&list.len()) {
        return Err(("length", "must be 1 to 50 addresses".to_owned()));
    }
    let good = |one: &Value| one.as_str().is_some_and(|text| text.len() <= 512 && text.parse::<Mailbox>().is_ok());
    if list.iter().all(good) { Ok(value.clone()) } else { Err(("format", "must be e-mail addresses".to_owned())) }
}

/// A checked configuration. Holds secrets.
#[derive(Clone, PartialEq)]
pub(super) struct Config(Map<String, Value>);

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Config {
    /// Checks the members of a kind; names of fields begin with `config.`.
    ///
    /// # Errors
    /// Every member that is missing, unknown or wrong.
    pub(super) fn check(
        members: &Map<String, Value>,
        fields: &[&'static Field],
        http: &HttpClient,
    ) -> Result<Self, Vec<FieldError>> {
        let (mut good, mut wrong) = (Map::new(), Vec::new());
        let path = |name: &str| format!("config.{name}");
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            match fields.iter().find(|field| field.name == name).map(|field| field.check(value, http)) {
                None => wrong.push(FieldError::new(path(name), "unknown_field", "is not a member of this kind")),
                Some(Ok(value)) => drop(good.insert(name.clone(), value)),
                Some(Err((code, message))) => wrong.push(FieldError::new(path(name), code, message)),
            }
        }
        let given = |name: &str| members.get(name).is_some_and(|value| !value.is_null());
        for field in fields.iter().filter(|field| field.required && !given(field.name)) {
            wrong.push(FieldError::new(path(field.name), "required", "is required"));
        }
        if fields.iter().any(|field| field.name == "username") && given("username") != given("password") {
            let missing = if given("username") { "password" } else { "username" };
            wrong.push(FieldError::new(path(missing), "required", "is required with the other one"));
        }
        wrong.sort_by(|a, b| a.field.cmp(&b.field));
        if wrong.is_empty() { Ok(Self(good)) } else { Err(wrong) }
    }

    /// With the members of a merge patch put in, not checked yet.
    pub(super) fn merged(&self, patch: &Map<String, Value>) -> Map<String, Value> {
        let mut members = self.0.clone();
        members.extend(patch.clone());
        members
    }

    /// From what was sealed.
    ///
    /// # Errors
    /// 500 when it is no object.
    pub(super) fn read(plain: &Secret) -> Result<Self> {
        Ok(Self(
            serde_json::from_str(plain.expose()).map_err(|_| Error::internal("a sealed configuration is no JSON"))?,
        ))
    }

    /// To be sealed.
    pub(super) fn write(&self) -> Secret {
        Secret::new(Value::from(self.0.clone()).to_string())
    }

    /// What an answer shows: every member that is set, secrets by their last characters at most.
    pub(super) fn shown(&self, fields: &[&'static Field]) -> Map<String, Value> {
        let shown = |field: &&&'static Field| Some((field.name.to_owned(), field.shown(self.0.get(field.name)?)));
        fields.iter().filter_map(|field| shown(&field)).collect()
    }

    /// Whether a member is set.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The names of the members that differ.
    pub(super) fn changed(&self, other: &Self) -> Vec<String> {
        let names = self.0.keys().chain(other.0.keys().filter(|name| !self.0.contains_key(*name)));
        names.filter(|name| self.0.get(*name) != other.0.get(*name)).cloned().collect()
    }

    /// A text, if it is set.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A text that is required, and so is set.
    pub(super) fn need(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    /// A number, if it is set.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    /// A list of texts; empty if it is not set.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// `base_url` without a final slash, or else the service's own address.
    pub(super) fn base<'a>(&'a self, default: &'a str) -> &'a str {
        self.text("base_url").unwrap_or(default).trim_end_matches('/')
    }

    /// The address in a member; scheme, host, port and a path before it come from `base_url`, if that is set.
    pub(super) fn address(&self, name: &str) -> String {
        let whole = self.need(name);
        match (self.text("base_url"), Url::parse(whole)) {
            (Some(_), Ok(url)) => {
                let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
                format!("{}{}{query}", self.base(""), url.path())
            }
            _ => whole.to_owned(),
        }
    }

    /// The text without anything in it that is secret here, on one line, and not too long.
    pub(super) fn redact(&self, fields: &[&'static Field], text: &str) -> String {
        let mut shown = text.to_owned();
        for secret in fields.iter().filter(|field| field.secret).filter_map(|field| self.text(field.name)) {
            if secret.len() >= 4 {
                shown = shown.replace(secret, "…");
            }
        }
        shown.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(300).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIELDS: &[&Field] = &[
        &Field::new("token", Rule::Key("")).secret().required(),
        &Field::new("short", Rule::Text(100)).secret(),
        &Field::new("url", Rule::Url).secret(),
        &Field::new("topic", Rule::Text(10)),
        &BASE_URL,
        &PROXY,
    ];

    fn check(members: Value) -> Result<Config, Vec<FieldError>> {
        Config::check(members.as_object().unwrap(), FIELDS, &HttpClient::new(false))
    }

    #[test]
    fn a_secret_is_shown_by_its_last_characters_at_most() {
        let config = check(json!({
            "token": "0123456789abcdef0123", "short": "0123456789ab", "url": "https://hooks.example/services/T0/B0/verysecret",
            "proxy": "socks5h://user:pass@proxy.example:1080", "topic": "ops", "base_url": null,
        }));
        let shown = Value::Object(config.as_ref().unwrap().shown(FIELDS));
        assert_eq!(
            shown,
            json!({
                "token": "…0123", "short": true, "url": "https://hooks.example/…cret", "topic": "ops",
                "proxy": "socks5h://proxy.example:1080",
            })
        );
        assert_eq!(format!("{config:?}"), "Ok([redacted])");
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        let wrong = check(json!({
            "topic": "far too long a topic", "base_url": "http://127.0.0.1/", "tokn": "x", "short": 5,
            "url": "ftp://example.com/", "proxy": "proxy.example:1080",
        }));
        let named: Vec<_> = wrong.unwrap_err().iter().map(|one| format!("{} {}", one.field, one.code)).collect();
        assert_eq!(
            named,
            [
                "config.base_url format",
                "config.proxy format",
                "config.short type",
                "config.token required",
                "config.tokn unknown_field",
                "config.topic length",
                "config.url format",
            ]
        );
    }

    #[test]
    fn no_secret_is_left_in_a_text() {
        let config = check(json!({ "token": "abcdef0123456789" })).unwrap();
        assert_eq!(config.redact(FIELDS, "POST /botabcdef0123456789/x\nfailed"), "POST /bot…/x failed");
    }

    #[test]
    fn another_base_takes_the_place_of_an_addresss_own() {
        let config = json!({ "token": "t", "url": "https://hooks.example/services/T0?a=b", "base_url": "https://own.example/x/" });
        assert_eq!(check(config).unwrap().address("url"), "https://own.example/x/services/T0?a=b");
    }
}
