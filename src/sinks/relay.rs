//! The admin APIs of One-API and New-API.
//!
//! Both answer 200 to much that failed, so only `success: true` counts; both take a change of a channel they do not have,
//! so it is read first. A path without its slash at the end is answered with a redirect, which counts as a failure.

use std::time::Duration;

use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER},
};
use serde_json::{Value, json};

use super::{
    channel::{Channel, Meant},
    config::RelayConfig,
    text::harmless,
};
use crate::{
    base::{
        http_client::{Failure, HttpClient, Incoming, Outgoing},
        secret::Secret,
    },
    outbox::Delivery,
};

/// Longest time for a call.
const PATIENCE: Duration = Duration::from_secs(12);
/// Longest time for a test, in which the relay calls a model.
const TEST_PATIENCE: Duration = Duration::from_secs(30);

/// A relay, for one delivery.
pub(super) struct Relay<'a> {
    pub(super) net: &'a HttpClient,
    pub(super) config: &'a RelayConfig,
    /// What must not be repeated in an error, beside the relay's own token.
    pub(super) secrets: Vec<&'a str>,
}

impl Relay<'_> {
    /// Puts a key into the channel, if it is the one that is meant.
    pub(super) async fn deliver(&self, meant: &Meant<'_>, key: &Secret) -> Delivery {
        match self.try_deliver(meant, key).await {
            Ok(()) => Delivery::Delivered,
            Err(failed) => failed,
        }
    }

    async fn try_deliver(&self, meant: &Meant<'_>, key: &Secret) -> Result<(), Delivery> {
        let found = self.channel(meant.id).await?;
        meant.check(&found).map_err(Delivery::never)?;
        // Nothing but the key: New-API refuses a status, One-API would take empty values for no change.
        let body = json!({ "id": meant.id, "key": key.expose() });
        self.call(Method::PUT, "/api/channel/", Some(&body), PATIENCE).await?;
        if self.config.test_after {
            let test = self.call(Method::GET, &format!("/api/channel/test/{}", meant.id), None, TEST_PATIENCE).await;
            test.map_err(|failed| Delivery::never(format!("the key was put, but the relay's test: {}", why(&failed))))?;
        }
        Ok(())
    }

    /// What the relay says of a channel. Changes nothing.
    pub(super) async fn channel(&self, id: i64) -> Result<Channel, Delivery> {
        let answer = self.call(Method::GET, &format!("/api/channel/{id}"), None, PATIENCE).await?;
        let data = answer.get("data").unwrap_or(&Value::Null);
        let number = |name: &str| data.get(name).and_then(Value::as_i64);
        let (Some(found), Some(kind)) = (number("id"), number("type")) else {
            return Err(Delivery::never(format!("the relay does not say what channel {id} is: nothing was written")));
        };
        let name = data.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let has_several_keys = data.pointer("/channel_info/is_multi_key").and_then(Value::as_bool).unwrap_or(false);
        Ok(Channel { id: found, name, kind, has_several_keys })
    }

    /// That the relay lets us in. Changes nothing.
    pub(super) async fn look(&self) -> Result<(), Delivery> {
        self.call(Method::GET, "/api/channel/?p=0", None, PATIENCE).await.map(drop)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        timeout: Duration,
    ) -> Result<Value, Delivery> {
        let url = format!("{}{path}", self.config.base_url.trim_end_matches('/'));
        let headers =
            self.headers(body.is_some()).ok_or_else(|| Delivery::never("the sink's headers cannot be sent"))?;
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let outgoing = Outgoing { method, url, headers, body, proxy: None, timeout };
        let incoming = self.net.send(outgoing).await.map_err(no_answer)?;
        self.judge(&incoming)
    }

    fn headers(&self, has_body: bool) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let RelayConfig { access_token, user_id, user_id_header, .. } = self.config;
        let mut token = HeaderValue::from_str(&format!("Bearer {}", access_token.expose())).ok()?;
        token.set_sensitive(true);
        let mut headers = vec![(AUTHORIZATION, token)];
        if let Some(id) = user_id {
            let name = user_id_header.as_deref().unwrap_or("New-Api-User");
            headers.push((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(id).ok()?));
        }
        if has_body {
            headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        }
        Some(headers)
    }

    /// The answer's JSON, if it says that all is well.
    fn judge(&self, incoming: &Incoming) -> Result<Value, Delivery> {
        let status = incoming.status;
        if (300..400).contains(&status) {
            return Err(Delivery::later(format!(
                "HTTP {status}, a redirect: the base URL must lead to the relay itself"
            )));
        }
        let json: Option<Value> = serde_json::from_slice(&incoming.body).ok();
        let member = |name: &str| json.as_ref().and_then(|json| json.get(name)).and_then(Value::as_str);
        let mut secrets = self.secrets.clone();
        secrets.push(self.config.access_token.expose());
        let said = member("message").map(|text| harmless(text, &secrets)).filter(|text| !text.is_empty());
        let said = said.map_or_else(String::new, |text| format!(": {text}"));
        if !(200..300).contains(&status) {
            let error = format!("HTTP {status}{said}");
            if status == 404 && member("code") == Some("channel_not_found") {
                return Err(Delivery::never(error));
            }
            return Err(Delivery::Later { error, retry_after_s: retry_after(incoming) });
        }
        let Some(json) = json else {
            return Err(Delivery::later(format!("HTTP {status}, but no JSON: is this the address of a relay?")));
        };
        if json.get("success") != Some(&Value::Bool(true)) {
            return Err(Delivery::later(format!("the relay refuses{said}")));
        }
        Ok(json)
    }
}

/// What a failed call means for its delivery.
pub(super) fn no_answer(failure: Failure) -> Delivery {
    match failure {
        Failure::NotAllowed(why) => Delivery::never(format!("the address may not be called: it {why}")),
        failure => Delivery::later(failure.to_string()),
    }
}

/// The other side's `Retry-After`, if it is in seconds.
pub(super) fn retry_after(incoming: &Incoming) -> Option<i64> {
    incoming.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// Why something was not delivered.
pub(super) fn why(delivery: &Delivery) -> &str {
    match delivery {
        Delivery::Delivered => "all is well",
        Delivery::Later { error, .. } | Delivery::Never { error } => error,
        Delivery::Obsolete { reason } => reason,
    }
}
