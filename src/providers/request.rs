//! The request of an exchange.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{
    Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
};
use url::form_urlencoded;

use super::{exchange::Call, sealed::Secrets};
use crate::base::{http_client::Outgoing, secret::Secret};

/// What this service calls itself.
const AGENT: &str = concat!("latchkey/", env!("CARGO_PKG_VERSION"));

/// How the request is to look: client and secret as the provider wants them, its extra parameters, its headers over ours.
pub(super) fn outgoing(call: &Call<'_>, secrets: &Secrets, proxy: Option<&Secret>, timeout_ms: i64) -> Outgoing {
    let provider = call.provider;
    let client_id = call.client_id.or(provider.client_id.as_deref());
    let client_secret = secret_of(call, secrets);
    let basic = client_id.zip(client_secret).filter(|_| provider.auth_method == "basic");
    let mut fields: BTreeMap<&str, &str> =
        secrets.extra_params.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    fields.insert("grant_type", "refresh_token");
    fields.insert("refresh_token", call.refresh_token.expose());
    if basic.is_none() {
        fields.extend(client_id.map(|id| ("client_id", id)));
        fields.extend(client_secret.map(|secret| ("client_secret", secret.expose())));
    }
    let is_json = provider.body_format == "json";
    Outgoing {
        method: Method::POST,
        url: provider.token_url.clone(),
        headers: headers(secrets, is_json, basic),
        body: if is_json { json(&fields) } else { form(&fields) },
        proxy: proxy.cloned(),
        timeout: Duration::from_millis(timeout_ms.try_into().unwrap_or(0)),
    }
}

/// The provider's secret, unless the account came with a client of its own: that one's secret is not known here.
fn secret_of<'a>(call: &Call<'_>, secrets: &'a Secrets) -> Option<&'a Secret> {
    let is_another = call.client_id.zip(call.provider.client_id.as_deref()).is_some_and(|(own, known)| own != known);
    secrets.client_secret.as_ref().filter(|_| !is_another)
}

fn headers(secrets: &Secrets, is_json: bool, basic: Option<(&str, &Secret)>) -> Vec<(HeaderName, HeaderValue)> {
    let kind = if is_json { "application/json" } else { "application/x-www-form-urlencoded" };
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some((id, secret)) = basic {
        // RFC 6749 §2.3.1: both are form-encoded before they are joined.
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret.expose())));
        insert(&mut headers, AUTHORIZATION, &format!("Basic {pair}"));
    }
    for (name, value) in &secrets.headers {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            insert(&mut headers, name, value.expose());
        }
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Puts a header that must not be seen. What cannot be one was refused when it was entered.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(mut value) = HeaderValue::from_str(value) {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
}

fn json(fields: &BTreeMap<&str, &str>) -> Vec<u8> {
    serde_json::to_vec(fields).unwrap_or_default() // a map of texts has a JSON form
}

fn form(fields: &BTreeMap<&str, &str>) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
}
