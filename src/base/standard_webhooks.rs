//! Signatures of webhooks after the Standard Webhooks specification (standardwebhooks.com, 1.0.0): the receiver can tell
//! that a call is ours, when it was made, and whether it has seen it before.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::secret::Secret;

/// What a receiver and we share.
#[derive(Debug)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// From `whsec_` and the base64 of 24 to 64 bytes; the prefix may be left out.
    #[must_use]
    pub fn parse(secret: &Secret) -> Option<Self> {
        let text = secret.expose();
        let bytes = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok()?;
        (24..=64).contains(&bytes.len()).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The three headers of a call. `id` stays the same when a call is repeated; `seconds` is the time since 1970.
    #[must_use]
    pub fn headers(&self, id: &str, seconds: i64, body: &[u8]) -> [(&'static str, String); 3] {
        let signed = [id.as_bytes(), b".", seconds.to_string().as_bytes(), b".", body].concat();
        let signature = STANDARD.encode(hmac::sign(&self.0, &signed));
        [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", format!("v1,{signature}")),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_specification() {
        // From the test suite of the reference libraries.
        let key = SigningKey::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let headers = key.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(headers[2], ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned()));
        assert_eq!(headers[1].1, "1614265330");
    }

    #[test]
    fn short_secrets_and_such_that_are_no_base64_are_refused() {
        for secret in ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!", "plain words that are no base64"] {
            assert!(SigningKey::parse(&Secret::new(secret)).is_none(), "{secret}");
        }
    }
}
