//! Whom a token is for, as it says itself.
//!
//! The payloads of JWTs are read without checking a signature: what they say is shown to people and decides when the
//! next refresh is due, nothing else. Tokens of other kinds, and nonsense, say nothing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use entity::UtcMillis;
use serde_json::Value;

use super::redact::clipped;

/// OpenAI's own claims.
const PROFILE: &str = "https://api.openai.com/profile";
const AUTH: &str = "https://api.openai.com/auth";
/// The last second of the year 9999.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Whom a token is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// E-mail, at most 191 characters.
    pub email: Option<String>,
    /// Name, at most 191 characters.
    pub user_name: Option<String>,
    /// Plan: `free`, `plus`, `pro`, `team`, …, at most 64 characters.
    pub account_type: Option<String>,
    /// Identifier of the account at the provider, at most 255 characters.
    pub account_id: Option<String>,
    /// When the access token expires.
    pub expires_at: Option<UtcMillis>,
}

/// What access token and ID token say; where both say something, the access token is right. `reply` is the whole
/// answer: some providers name the account in it.
pub(super) fn identity(access_token: &str, id_token: Option<&str>, reply: &Value) -> Identity {
    let access = payload(access_token);
    let id = id_token.map_or(Value::Null, payload);
    let first = |paths: &[&[&str]], most: usize| {
        let places = [&access, &id, reply].into_iter().flat_map(|from| paths.iter().map(move |path| (from, path)));
        places.into_iter().find_map(|(from, path)| text(from, path, most))
    };
    Identity {
        email: first(&[&["email"], &[PROFILE, "email"], &["account", "email_address"]], 191),
        user_name: first(&[&["name"], &[PROFILE, "name"]], 191),
        account_type: first(&[&[AUTH, "chatgpt_plan_type"]], 64),
        account_id: first(&[&[AUTH, "chatgpt_account_id"], &["account", "uuid"]], 255),
        expires_at: access.get("exp").and_then(moment),
    }
}

/// The payload of a JWT (RFC 7519); null when it is none.
fn payload(token: &str) -> Value {
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Value::Null;
    };
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// A text that can be shown, from that place.
fn text(from: &Value, path: &[&str], most: usize) -> Option<String> {
    let found = path.iter().try_fold(from, |value, name| value.get(name))?.as_str()?.trim();
    let fits = !found.is_empty() && !found.chars().any(char::is_control);
    fits.then(|| clipped(found, most))
}

/// A `NumericDate`: seconds since the epoch, perhaps with a fraction.
fn moment(exp: &Value) -> Option<UtcMillis> {
    let seconds = exp.as_f64().filter(|seconds| (1.0..=LAST_SECOND).contains(seconds))?;
    Some(UtcMillis((seconds * 1000.0) as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn jwt(payload: &Value) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload.to_string()))
    }

    #[test]
    fn openai_s_claims_are_read_from_the_access_token_then_from_the_id_token() {
        let access = jwt(&json!({"exp": 1_800_000_000, PROFILE: {"email": "a@example.com"}}));
        let id = jwt(&json!({"exp": 1, "email": "b@example.com", "name": "B",
            AUTH: {"chatgpt_plan_type": "plus", "chatgpt_account_id": "acc-1"}}));
        let found = identity(&access, Some(&id), &Value::Null);
        let expected = Identity {
            email: Some("a@example.com".to_owned()),
            user_name: Some("B".to_owned()),
            account_type: Some("plus".to_owned()),
            account_id: Some("acc-1".to_owned()),
            expires_at: Some(UtcMillis(1_800_000_000_000)),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn the_answer_names_the_account_where_the_tokens_say_nothing() {
        let reply = json!({"account": {"uuid": "u-1", "email_address": "c@example.com"}});
        let found = identity("sk-ant-oat01-opaque", None, &reply);
        assert_eq!((found.email.as_deref(), found.account_id.as_deref()), (Some("c@example.com"), Some("u-1")));
        assert_eq!(found.expires_at, None);
    }

    #[test]
    fn the_id_token_s_end_is_not_the_access_token_s() {
        let id = jwt(&json!({"exp": 1_800_000_000}));
        assert_eq!(identity("opaque", Some(&id), &Value::Null).expires_at, None);
    }

    #[test]
    fn nonsense_says_nothing() {
        let texts = ["", ".", "..", "...", "a.b.c", "a.%%%.c", "e30.bnVsbA.x", "e30.W10.x", "钥.钥.钥", "a.b.c.d.e"];
        let payloads = [
            json!({"email": 5, "exp": "soon", AUTH: "plus", PROFILE: ["x"], "name": {"a": 1}}),
            json!({"email": " ", "exp": -1, AUTH: {"chatgpt_plan_type": null}}),
            json!({"email": "a\nb", "exp": 1e300}),
            json!({"exp": 0}),
            json!({"exp": null}),
            json!([1]),
        ];
        for token in texts.iter().map(|text| (*text).to_owned()).chain(payloads.iter().map(jwt)) {
            assert_eq!(identity(&token, Some(&token), &json!({"account": []})), Identity::default(), "{token}");
        }
    }

    #[test]
    fn values_fit_their_columns_and_fractions_of_a_second_count() {
        let token = jwt(&json!({"email": "钥".repeat(300), "exp": 1_800_000_000.5}));
        let found = identity(&token, None, &Value::Null);
        assert_eq!(found.email.unwrap().chars().count(), 191);
        assert_eq!(found.expires_at, Some(UtcMillis(1_800_000_000_500)));
    }
}
