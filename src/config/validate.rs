//! What a value's type cannot say: forms of texts, values that have to fit each other, and what `mode: release` refuses.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{ConfigError, Origin};
use super::{Config, DatabaseKind, Loaded, Mode, Secret};

/// Secrets that stand in documentation, ours or the older systems', and in the heads of everyone who guesses.
/// `mode: release` refuses them, in any case of letters.
pub const EXAMPLES: &[&str] = &[
    "00000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=",
    "admin123",
    "admin123456",
    "administrator",
    "change-me",
    "change-me-please",
    "change_me",
    "changeme",
    "changeme123456",
    "example",
    "latchkey",
    "latchkey-example-secret-do-not-use-me",
    "password",
    "password1234",
    "root",
    "secret",
    "your-api-secret",
    "your-encryption-key-here",
    "your-jwt-secret-here",
    "your-secret-key",
    "your-site-key",
];

/// Fewest characters of a secret that we check, in `mode: release`.
const MIN_SECRET: usize = 32;
/// Fewest characters of the admin's password, in `mode: release`.
const MIN_PASSWORD: usize = 12;

/// Key and message.
type Wrong = (&'static str, String);

/// Checks values against each other; each error carries the origin of its value.
pub fn check(config: &Config, origins: &BTreeMap<&'static str, Origin>) -> Vec<ConfigError> {
    let mut wrong = Vec::new();
    server(config, &mut wrong);
    database(config, &mut wrong);
    texts(config, &mut wrong);
    secrets(config, &mut wrong);
    recharge(config, &mut wrong);
    if config.server.mode == Mode::Release {
        release(config, &mut wrong);
    }
    with_origins(wrong, origins)
}

/// What is missing for recharges to work; empty when they are off or complete. The service must not start otherwise.
/// The files themselves are read by whoever uses them.
pub fn recharge_needs(loaded: &Loaded) -> Vec<ConfigError> {
    let (wechat, mut wrong) = (&loaded.config.wechat, Vec::new());
    if !loaded.config.recharge.enabled {
        return Vec::new();
    }
    let needed = [
        ("wechat.enabled", wechat.enabled),
        ("wechat.app_id", !wechat.app_id.is_empty()),
        ("wechat.app_secret", !wechat.app_secret.is_empty()),
        ("wechat.mch_id", !wechat.mch_id.is_empty()),
        ("wechat.api_v3_key", !wechat.api_v3_key.is_empty()),
        ("wechat.merchant_serial", !wechat.merchant_serial.is_empty()),
        ("wechat.merchant_private_key_file", !wechat.merchant_private_key_file.is_empty()),
        ("wechat.notify_url", wechat.notify_url(&loaded.config.server.public_url).is_some()),
    ];
    for (key, _) in needed.into_iter().filter(|(_, given)| !given) {
        wrong.push((key, "must be set while recharge.enabled is true".to_owned()));
    }
    let public_key = !wechat.platform_public_key_id.is_empty();
    if !public_key && wechat.platform_certificate_files.is_empty() && !wechat.fetch_platform_certificates {
        let others = "platform_certificate_files or fetch_platform_certificates";
        wrong
            .push(("wechat.platform_public_key_id", format!("or {others} must be set while recharge.enabled is true")));
    }
    with_origins(wrong, &loaded.origins)
}

fn with_origins(wrong: Vec<Wrong>, origins: &BTreeMap<&'static str, Origin>) -> Vec<ConfigError> {
    let origin = |key| origins.get(key).cloned().unwrap_or(Origin::Default);
    wrong.into_iter().map(|(key, message)| ConfigError::new(key, origin(key), message)).collect()
}

fn server(config: &Config, wrong: &mut Vec<Wrong>) {
    let server = &config.server;
    if server.host.trim().is_empty() {
        wrong.push(("server.host", "must not be empty".into()));
    }
    match (server.tls_cert_file.is_empty(), server.tls_key_file.is_empty()) {
        (true, false) => wrong.push(("server.tls_cert_file", "must be set with server.tls_key_file".into())),
        (false, true) => wrong.push(("server.tls_key_file", "must be set with server.tls_cert_file".into())),
        _ => {}
    }
}

fn database(config: &Config, wrong: &mut Vec<Wrong>) {
    let database = &config.database;
    let prefix_fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if database.table_prefix.len() > 16 || !database.table_prefix.chars().all(prefix_fits) {
        let message = format!("must be up to 16 letters, digits and underscores, not {:?}", database.table_prefix);
        wrong.push(("database.table_prefix", message));
    }
    let name_fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$');
    match database.kind {
        DatabaseKind::Sqlite if database.database.is_empty() => {
            wrong.push(("database.database", "must be the path of the SQLite file".into()));
        }
        DatabaseKind::Mysql if database.database.is_empty() || !database.database.chars().all(name_fits) => {
            let message = format!("must be the name of the MySQL database, not {:?}", database.database);
            wrong.push(("database.database", message));
        }
        _ => {}
    }
}

/// The addresses and other texts with a form.
fn texts(config: &Config, wrong: &mut Vec<Wrong>) {
    let wechat = &config.wechat;
    let urls = [
        ("server.public_url", &config.server.public_url, true),
        ("wechat.notify_url", &wechat.notify_url, true),
        ("wechat.api_base", &wechat.api_base, false),
        ("wechat.pay_base", &wechat.pay_base, false),
    ];
    for (key, url, may_be_empty) in urls {
        let left_out = may_be_empty && url.is_empty();
        if !left_out && !is_http(url) {
            wrong.push((key, format!("must be an http or https address, not {url:?}")));
        }
    }
    for origin in config.kv.cors_origins.iter().filter(|origin| *origin != "*" && !is_origin(origin)) {
        let message = format!("must hold `*` or origins such as https://app.example.com (no path), not {origin:?}");
        wrong.push(("kv.cors_origins", message));
    }
    if config.auth.username.trim().is_empty() {
        wrong.push(("auth.username", "must not be empty".into()));
    }
    if config.keys.currency.len() != 3 || !config.keys.currency.bytes().all(|b| b.is_ascii_uppercase()) {
        let message = format!("must be a currency code of three capital letters, not {:?}", config.keys.currency);
        wrong.push(("keys.currency", message));
    }
    match (wechat.platform_public_key_id.is_empty(), wechat.platform_public_key_file.is_empty()) {
        (true, false) => {
            wrong.push(("wechat.platform_public_key_id", "must be set with platform_public_key_file".into()))
        }
        (false, true) => {
            wrong.push(("wechat.platform_public_key_file", "must be set with platform_public_key_id".into()))
        }
        _ => {}
    }
}

/// The form of secrets, in every mode. No message holds a value.
fn secrets(config: &Config, wrong: &mut Vec<Wrong>) {
    let master_key = &config.security.master_key;
    if !master_key.is_empty() && master_key.key_bytes().is_none() {
        let message = "must be exactly 32 bytes, as 64 hex digits or as standard base64 with padding";
        wrong.push(("security.master_key", message.into()));
    }
    let api_v3_key = &config.wechat.api_v3_key;
    if !api_v3_key.is_empty() && api_v3_key.expose().len() != 32 {
        wrong.push(("wechat.api_v3_key", "must be exactly 32 bytes".into()));
    }
    if !config.redis.url.is_empty() && !is_redis(config.redis.url.expose()) {
        let form = "redis://[user][:password@]host[:port][/number], or the same with rediss://";
        wrong.push(("redis.url", format!("must be {form}")));
    }
}

fn recharge(config: &Config, wrong: &mut Vec<Wrong>) {
    let recharge = &config.recharge;
    if recharge.min_amount > recharge.max_amount {
        let message = format!("must not be larger than recharge.max_amount ({})", recharge.max_amount);
        wrong.push(("recharge.min_amount", message));
    }
    let range = recharge.min_amount..=recharge.max_amount;
    let mut seen = BTreeSet::new();
    for amount in &recharge.amounts {
        if !range.contains(amount) {
            let message = format!("must lie between min_amount and max_amount; {amount} does not");
            wrong.push(("recharge.amounts", message));
        }
        if !seen.insert(amount) {
            wrong.push(("recharge.amounts", format!("must not hold {amount} twice")));
        }
    }
    if recharge.amounts.is_empty() && !recharge.allow_custom {
        wrong.push(("recharge.amounts", "must not be empty while recharge.allow_custom is false".into()));
    }
}

/// What is fit for a trial and not for production. An empty secret is missing, not weak: the first start generates it.
fn release(config: &Config, wrong: &mut Vec<Wrong>) {
    // How long a secret has to be is ours to say where we check it. The others are given out by someone else
    // (database, Redis, WeChat, the adopted system), and the site key is known to every client.
    let secrets: [(&'static str, &Secret, usize); 11] = [
        ("auth.password", &config.auth.password, MIN_PASSWORD),
        ("auth.jwt_secret", &config.auth.jwt_secret, MIN_SECRET),
        ("auth.api_secret", &config.auth.api_secret, MIN_SECRET),
        ("security.master_key", &config.security.master_key, MIN_SECRET),
        ("security.metrics_token", &config.security.metrics_token, MIN_SECRET),
        ("database.password", &config.database.password, 0),
        ("kv.site_key", &config.kv.site_key, 0),
        ("keys.crs_encryption_key", &config.keys.crs_encryption_key, 0),
        ("wechat.app_secret", &config.wechat.app_secret, 0),
        ("wechat.api_v3_key", &config.wechat.api_v3_key, 0),
        ("redis.url", &config.redis.url, 0),
    ];
    for (key, secret, min) in secrets.into_iter().filter(|(_, secret, _)| !secret.is_empty()) {
        if EXAMPLES.contains(&secret.expose().to_ascii_lowercase().as_str()) {
            wrong.push((key, "is an example from the documentation; mode release refuses it".into()));
        } else if secret.expose().chars().count() < min {
            wrong.push((key, format!("must have at least {min} characters in mode release")));
        }
    }
    let addresses = [
        ("wechat.api_base", &config.wechat.api_base),
        ("wechat.pay_base", &config.wechat.pay_base),
        ("wechat.notify_url", &config.wechat.notify_url),
    ];
    for (key, url) in addresses {
        if url.starts_with("http://") {
            wrong.push((key, format!("must be an https address in mode release, not {url:?}")));
        }
    }
    let callback = config.wechat.notify_url(&config.server.public_url);
    let derived = config.wechat.notify_url.is_empty() && callback.is_some_and(|url| url.starts_with("http://"));
    if derived && config.recharge.enabled {
        let message = "must be set to an https address in mode release, since server.public_url is not one";
        wrong.push(("wechat.notify_url", message.into()));
    }
}

fn is_http(url: &str) -> bool {
    url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']) && !rest.contains(|c: char| c.is_whitespace())
    })
}

/// `redis://[user][:password@]host[:port][/number]`, or the same with `rediss://`.
fn is_redis(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("redis://").or_else(|| url.strip_prefix("rediss://")) else { return false };
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => (host, after),
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    let host_fits = |c: char| !c.is_whitespace() && !matches!(c, '?' | '#' | '/');
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let is_number = database.is_empty() || database.parse::<u32>().is_ok();
    !host.is_empty() && host.chars().all(host_fits) && is_port && is_number
}

/// A scheme and a host, as browsers and app shells (`capacitor://localhost`) send it.
fn is_origin(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, host)| {
        let scheme_fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let host_fits = |c: char| !c.is_whitespace() && !matches!(c, '/' | '?' | '#' | '@' | ',');
        !scheme.is_empty() && scheme.chars().all(scheme_fits) && !host.is_empty() && host.chars().all(host_fits)
    })
}
