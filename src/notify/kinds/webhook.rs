//! Any program: a POST of JSON, signed as Standard Webhooks (1.0) has it.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{Answer, Call, Letter, Service, Verdict, add, sign};
use crate::notify::{
    config::{BASE_URL, Config, Field, PROXY, Rule},
    notice::Notice,
};

pub(super) static SERVICE: Service = Service {
    fields: &[
        &Field::new("url", Rule::Url).secret().required(),
        &Field::new("secret", Rule::SigningSecret).secret(),
        &BASE_URL,
        &PROXY,
    ],
    a_minute: None,
    request,
    judge,
};

/// The bytes of a secret: `whsec_` and base64.
pub(in crate::notify) fn signing_key(secret: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
    (24..=64).contains(&key.len()).then_some(key)
}

fn request(config: &Config, letter: &Letter<'_>) -> Call {
    let body = json!({ "type": letter.notice.name(), "timestamp": letter.now, "data": data(letter) }).to_string();
    let seconds = letter.now.0 / 1000;
    let mut headers = vec![("webhook-id", letter.id.to_owned()), ("webhook-timestamp", seconds.to_string())];
    if let Some(key) = config.text("secret").and_then(signing_key) {
        headers.push(("webhook-signature", signature(&key, letter.id, seconds, &body)));
    }
    let header = |(name, value): (&'static str, String)| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
    };
    let headers = headers.into_iter().filter_map(header).collect();
    Call { url: config.address("url"), headers, body: body.into_bytes() }
}

fn data(letter: &Letter<'_>) -> Value {
    let mut data = match letter.notice {
        Notice::Event(group) => json!({
            "count": group.count, "subjects": group.subjects, "params": group.params, "occurred_at": group.at,
        }),
        Notice::Summary { count, groups } => json!({ "count": count, "groups": groups }),
        Notice::Test { .. } => json!({}),
    };
    add(&mut data, "title", letter.text.title.as_str());
    add(&mut data, "text", letter.text.body.as_str());
    data
}

fn signature(key: &[u8], id: &str, seconds: i64, body: &str) -> String {
    format!("v1,{}", sign(key, format!("{id}.{seconds}.{body}").as_bytes()))
}

fn judge(answer: &Answer) -> Verdict {
    match answer.status {
        200..300 => Verdict::Delivered,
        status => Verdict::Refused { why: format!("HTTP {status}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_standards_own_example() {
        let key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_none_is_not_taken() {
        for secret in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_!!"] {
            assert!(signing_key(secret).is_none(), "{secret}");
        }
    }
}
