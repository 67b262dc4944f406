//! What a token endpoint answers, taken apart.

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::identity::{Identity, identity};
use crate::base::{http_client::Incoming, secret::Secret};

/// The longest lifetime that is believed, in seconds: ten years.
const LONGEST_LIFE_S: i64 = 315_360_000;

/// What an exchange gave.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The new access token.
    pub access_token: Secret,
    /// The new refresh token; none: the one that was used stays good (RFC 6749 §6).
    pub refresh_token: Option<Secret>,
    /// The ID token.
    pub id_token: Option<Secret>,
    /// Seconds the access token lives, as the provider says; none when it says nothing that can be.
    pub expires_in: Option<i64>,
    /// Whom the tokens are for, for display only.
    pub identity: Identity,
}

/// The members of an answer: JSON, or the form that GitHub and others send to who does not ask for JSON. Null when it is
/// neither.
pub(super) fn read(answer: &Incoming) -> Value {
    if let Ok(value @ Value::Object(_)) = serde_json::from_slice(&answer.body) {
        return value;
    }
    if !kind(answer).starts_with("application/x-www-form-urlencoded") {
        return Value::Null;
    }
    let pairs = form_urlencoded::parse(&answer.body);
    Value::Object(
        pairs.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect::<Map<_, _>>(),
    )
}

/// Whether the answer is a page for people.
pub(super) fn is_page(answer: &Incoming) -> bool {
    let start = answer.body.iter().find(|byte| !byte.is_ascii_whitespace());
    kind(answer).contains("html") || start == Some(&b'<')
}

/// The media type, in lower case; empty when there is none.
fn kind(answer: &Incoming) -> String {
    header(answer, "content-type").unwrap_or_default().to_ascii_lowercase()
}

/// A header's value, if it is text.
pub(super) fn header<'a>(answer: &'a Incoming, name: &str) -> Option<&'a str> {
    answer.headers.get(name)?.to_str().ok()
}

/// The tokens of an answer; none when it has no access token.
pub(super) fn tokens(reply: &Value) -> Option<Tokens> {
    let access_token = text(reply, "access_token")?;
    let id_token = text(reply, "id_token");
    Some(Tokens {
        identity: identity(access_token, id_token, reply),
        access_token: Secret::new(access_token),
        refresh_token: refresh_token(reply),
        id_token: id_token.map(Secret::new),
        expires_in: reply.get("expires_in").and_then(seconds),
    })
}

/// The new refresh token of an answer.
pub(super) fn refresh_token(reply: &Value) -> Option<Secret> {
    text(reply, "refresh_token").map(Secret::new)
}

/// A member that is a text with something in it.
pub(super) fn text<'a>(reply: &'a Value, name: &str) -> Option<&'a str> {
    reply.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// A lifetime: a number, or a text of one, of 1 second to ten years.
fn seconds(value: &Value) -> Option<i64> {
    let number = value.as_i64().or_else(|| {
        let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
        number.filter(|number: &f64| number.is_finite()).map(|number| number as i64) // saturates
    })?;
    (1..=LONGEST_LIFE_S).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lifetimes_that_cannot_be_count_as_not_told() {
        for (value, expected) in [
            (json!(3600), Some(3600)),
            (json!("3600"), Some(3600)),
            (json!(" 60 "), Some(60)),
            (json!(3599.9), Some(3599)),
            (json!("28800.0"), Some(28800)),
            (json!(0), None),
            (json!(-1), None),
            (json!("soon"), None),
            (json!("NaN"), None),
            (json!("1e300"), None),
            (json!(1e300), None),
            (json!(u64::MAX), None),
            (json!(null), None),
            (json!([3600]), None),
            (json!(true), None),
        ] {
            assert_eq!(seconds(&value), expected, "{value}");
        }
    }

    #[test]
    fn an_answer_without_a_new_refresh_token_leaves_the_old_one() {
        for reply in [
            json!({"access_token": "at"}),
            json!({"access_token": "at", "refresh_token": null}),
            json!({"access_token": "at", "refresh_token": "", "id_token": ""}),
        ] {
            let tokens = tokens(&reply).unwrap();
            assert!(tokens.refresh_token.is_none() && tokens.id_token.is_none(), "{reply}");
        }
        for reply in [json!({"access_token": ""}), json!({"access_token": 5}), json!({}), Value::Null] {
            assert!(tokens(&reply).is_none(), "{reply}");
        }
    }
}
