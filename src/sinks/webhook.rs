//! Calls with a Standard Webhooks signature.

use std::time::Duration;

use entity::{UtcMillis, outbox, refresh_token, sink_link};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::json;

use super::{
    config::WebhookConfig,
    relay::{no_answer, retry_after},
};
use crate::{
    base::{
        http_client::{HttpClient, Outgoing},
        secret::Secret,
        standard_webhooks::SigningKey,
    },
    outbox::Delivery,
};

/// Longest time for a call; the specification recommends 15 to 30 s.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells that an account has a new access token. A repetition has the same `webhook-id`.
pub(super) async fn deliver(
    net: &HttpClient,
    config: &WebhookConfig,
    message: &outbox::Model,
    (link, account): (&sink_link::Model, &refresh_token::Model),
    access_token: &Secret,
    now: UtcMillis,
) -> Delivery {
    let Some(key) = SigningKey::parse(&config.secret) else { return Delivery::never("the sink's secret is none") };
    let mut data = json!({
        "token_id": account.id,
        "biz_id": account.biz_id.as_str(),
        "email": account.email,
        "account_type": account.account_type,
        "version": message.version,
        "access_expires_at": account.access_expires_at,
        "channel_id": link.channel_id,
    });
    if let (true, Some(data)) = (config.include_access_token, data.as_object_mut()) {
        data.insert("access_token".to_owned(), json!(access_token.expose()));
    }
    let body = json!({ "type": "token.refreshed", "timestamp": message.created_at, "data": data }).to_string();
    let signed = key.headers(
        &format!("{}.{}", message.target.replace(':', "_"), message.version),
        now.0 / 1000,
        body.as_bytes(),
    );
    let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    for (name, value) in signed {
        let Ok(value) = HeaderValue::from_str(&value) else { return Delivery::never("the signature cannot be sent") };
        headers.push((HeaderName::from_static(name), value));
    }
    call(net, &config.url, headers, body).await
}

async fn call(net: &HttpClient, url: &str, headers: Vec<(HeaderName, HeaderValue)>, body: String) -> Delivery {
    let (method, url) = (Method::POST, url.to_owned());
    let outgoing = Outgoing { method, url, headers, body: body.into_bytes(), proxy: None, timeout: PATIENCE };
    let incoming = match net.send(outgoing).await {
        Ok(incoming) => incoming,
        Err(failure) => return no_answer(failure),
    };
    match incoming.status {
        200..=299 => Delivery::Delivered,
        // The specification's way to say: never again.
        410 => Delivery::never("HTTP 410: the receiver wants no more calls"),
        status @ 300..=399 => {
            Delivery::later(format!("HTTP {status}, a redirect: the URL must lead to the receiver itself"))
        }
        status => Delivery::Later { error: format!("HTTP {status}"), retry_after_s: retry_after(&incoming) },
    }
}

/// That somebody answers there, whatever the answer. HEAD changes nothing, and many refuse it.
pub(super) async fn look(net: &HttpClient, config: &WebhookConfig) -> Result<String, Delivery> {
    let (method, url) = (Method::HEAD, config.url.clone());
    let outgoing = Outgoing { method, url, headers: Vec::new(), body: Vec::new(), proxy: None, timeout: PATIENCE };
    let incoming = net.send(outgoing).await.map_err(no_answer)?;
    Ok(format!("It answers HTTP {} to HEAD. Whether it takes calls shows with the first delivery.", incoming.status))
}
