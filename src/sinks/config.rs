//! What a sink has to know, by kind, and which of it is secret.

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::dsn::Dsn;
use crate::base::{
    error::{Error, FieldError, Result},
    http_client::HttpClient,
    input::parse_json,
    secret::Secret,
    standard_webhooks::SigningKey,
};

/// What kind of place a sink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "one_api_http")]
pub enum SinkKind {
    /// Channels of One-API, through its admin API.
    OneApiHttp,
    /// Channels of New-API, through its admin API.
    NewApiHttp,
    /// Channels of One-API, in its database.
    OneApiDb,
    /// Codex channels (type 57) of New-API, through its admin API.
    CodexChannel,
    /// A call with a Standard Webhooks signature.
    Webhook,
    /// Files in a folder.
    File,
}

impl SinkKind {
    /// Its name on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneApiHttp => "one_api_http",
            Self::NewApiHttp => "new_api_http",
            Self::OneApiDb => "one_api_db",
            Self::CodexChannel => "codex_channel",
            Self::Webhook => "webhook",
            Self::File => "file",
        }
    }

    /// The kind of that name.
    ///
    /// # Errors
    /// 500: a newer version wrote it.
    pub fn parse(name: &str) -> Result<Self> {
        let known = serde_json::from_value(Value::from(name));
        known.map_err(|_| Error::internal(format!("a sink of the unknown kind '{name}'")))
    }

    /// How many seconds the target goes on with an old token unless the operator says otherwise: One-API reads its
    /// channels anew every `SYNC_FREQUENCY` (600) seconds, New-API every 60 on its other nodes.
    pub const fn default_sync_delay(self) -> i64 {
        match self {
            Self::OneApiHttp | Self::OneApiDb => 600,
            Self::NewApiHttp | Self::CodexChannel => 60,
            Self::Webhook | Self::File => 0,
        }
    }

    /// Whether its targets are channels with a number.
    pub const fn has_channels(self) -> bool {
        !matches!(self, Self::Webhook | Self::File)
    }
}

/// Members that are sealed and never shown.
const SECRET: [&str; 3] = ["access_token", "dsn", "secret"];

/// A relay's admin API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayConfig {
    pub(super) base_url: String,
    pub(super) access_token: Secret,
    pub(super) user_id: Option<String>,
    pub(super) user_id_header: Option<String>,
    #[serde(default)]
    pub(super) test_after: bool,
}

/// A relay's database: one of the two.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    pub(super) dsn: Option<Secret>,
    pub(super) sqlite_file: Option<String>,
}

/// A receiver of webhooks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    pub(super) url: String,
    pub(super) secret: Secret,
    #[serde(default)]
    pub(super) include_access_token: bool,
}

/// A folder for files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderConfig {
    pub(super) directory: String,
    #[serde(default)]
    pub(super) format: FileFormat,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// The access token and nothing else.
    #[default]
    Text,
    /// An object with the access token and what is known of the account.
    Json,
}

/// A sink's configuration, read.
#[derive(Clone, Debug)]
pub enum Target {
    /// `one_api_http`, `new_api_http`
    Relay(RelayConfig),
    /// `codex_channel`
    Codex(RelayConfig),
    /// `one_api_db`
    Database(DatabaseConfig),
    /// `webhook`
    Webhook(WebhookConfig),
    /// `file`
    Folder(FolderConfig),
}

#[derive(Deserialize)]
struct Wrapped<T> {
    config: T,
}

impl Target {
    /// Reads a whole configuration, secret members included.
    ///
    /// # Errors
    /// 422 naming what is missing, unknown or of another type.
    pub fn parse(kind: SinkKind, whole: &Map<String, Value>) -> Result<Self> {
        for name in SECRET {
            // First, so that no message repeats the value.
            if whole.get(name).is_some_and(|value| !value.is_string()) {
                return Err(Error::invalid_field(&format!("config.{name}"), "type", "must be a string"));
            }
        }
        Ok(match kind {
            SinkKind::OneApiHttp | SinkKind::NewApiHttp => Self::Relay(read(whole)?),
            SinkKind::CodexChannel => Self::Codex(read(whole)?),
            SinkKind::OneApiDb => Self::Database(read(whole)?),
            SinkKind::Webhook => Self::Webhook(read(whole)?),
            SinkKind::File => Self::Folder(read(whole)?),
        })
    }

    /// Whether it may be used, as far as can be told without calling anybody.
    ///
    /// # Errors
    /// 422 listing the members.
    pub fn check(&self, net: &HttpClient) -> Result<()> {
        let mut wrong = Vec::new();
        let mut refuse = |member: &str, code: &'static str, message: &'static str| {
            wrong.push(FieldError::new(format!("config.{member}"), code, message));
        };
        match self {
            Self::Relay(relay) | Self::Codex(relay) => {
                if let Err(why) = check_url(net, &relay.base_url, true) {
                    refuse("base_url", "format", why);
                }
                if !is_token(relay.access_token.expose()) {
                    refuse("access_token", "format", "must be 1 to 1000 visible ASCII characters");
                }
                if relay.user_id.as_deref().is_some_and(|id| !is_token(id)) {
                    refuse("user_id", "format", "must be visible ASCII characters");
                }
                if relay.user_id_header.as_deref().is_some_and(|name| !is_header(name)) {
                    refuse("user_id_header", "format", "must be the name of a header of its own");
                }
            }
            Self::Database(database) => match (&database.dsn, &database.sqlite_file) {
                (Some(dsn), None) => match Dsn::parse(dsn) {
                    Ok(dsn) => {
                        let host = if dsn.host.contains(':') { format!("[{}]", dsn.host) } else { dsn.host };
                        if let Err(why) = net.check_target(&format!("http://{host}/")) {
                            refuse("dsn", "format", why);
                        }
                    }
                    Err(why) => refuse("dsn", "format", why),
                },
                (None, Some(file)) if !is_absolute(file) => refuse("sqlite_file", "format", "must be an absolute path"),
                (None, Some(_)) => {}
                _ => refuse("dsn", "required", "give either dsn or sqlite_file"),
            },
            Self::Webhook(webhook) => {
                if let Err(why) = check_url(net, &webhook.url, false) {
                    refuse("url", "format", why);
                }
                if SigningKey::parse(&webhook.secret).is_none() {
                    refuse("secret", "format", "must be whsec_ and the base64 of 24 to 64 bytes");
                }
            }
            Self::Folder(folder) => {
                if !is_absolute(&folder.directory) {
                    refuse("directory", "format", "must be an absolute path");
                }
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(Error::invalid(wrong)) }
    }
}

fn read<T: DeserializeOwned>(whole: &Map<String, Value>) -> Result<T> {
    let wrapped: Wrapped<T> = parse_json(json!({ "config": whole }).to_string().as_bytes())?;
    Ok(wrapped.config)
}

fn check_url(net: &HttpClient, url: &str, is_base: bool) -> std::result::Result<(), &'static str> {
    net.check_target(url)?;
    let parsed = url::Url::parse(url).map_err(|_| "must be an absolute URL")?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("must not hold a password");
    }
    if is_base && (parsed.query().is_some() || parsed.fragment().is_some()) {
        return Err("must end with the path, without query");
    }
    if url.len() > 1000 { Err("must be at most 1000 characters") } else { Ok(()) }
}

fn is_token(text: &str) -> bool {
    (1..=1000).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A header that does not stand in the way of those we send.
fn is_header(name: &str) -> bool {
    let taken = ["authorization", "content-type", "content-length", "host", "connection", "transfer-encoding"];
    let is_name = reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_ok();
    is_name && name.len() <= 64 && !taken.iter().any(|taken| name.eq_ignore_ascii_case(taken))
}

fn is_absolute(path: &str) -> bool {
    path.starts_with('/') && path.len() <= 4000 && !path.chars().any(char::is_control)
}

/// Applies a merge patch (RFC 7396) to a configuration; its members have no members of their own. The user's number
/// becomes a text.
pub(super) fn merged(mut whole: Map<String, Value>, patch: &Map<String, Value>) -> Map<String, Value> {
    for (name, value) in patch {
        match value {
            Value::Null => whole.remove(name),
            Value::Number(number) if name == "user_id" && number.is_u64() => {
                whole.insert(name.clone(), number.to_string().into())
            }
            value => whole.insert(name.clone(), value.clone()),
        };
    }
    whole
}

/// What may be shown, and what has to be sealed.
pub(super) fn split(whole: Map<String, Value>) -> (Map<String, Value>, Map<String, Value>) {
    whole.into_iter().partition(|(name, _)| !SECRET.contains(&name.as_str()))
}

/// The secret members that a sink has, by what may be shown of it.
pub(super) fn secret_members(kind: SinkKind, shown: &Map<String, Value>) -> Vec<&'static str> {
    match kind {
        SinkKind::OneApiHttp | SinkKind::NewApiHttp | SinkKind::CodexChannel => vec!["access_token"],
        SinkKind::OneApiDb if shown.contains_key("sqlite_file") => Vec::new(),
        SinkKind::OneApiDb => vec!["dsn"],
        SinkKind::Webhook => vec!["secret"],
        SinkKind::File => Vec::new(),
    }
}

/// Numbers that other programs write as numbers or as texts.
pub(super) fn text_or_number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<String>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
        Some(Value::Number(number)) if number.as_i64().is_some() => Ok(Some(number.to_string())),
        Some(_) => Err(D::Error::custom("must be a text or a whole number")),
    }
}
