//! The token of somebody who signed in: a JWT (RFC 7519), HS256.

use entity::UtcMillis;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use crate::base::{
    error::{Error, Result},
    secret::Secret,
};

const ISSUER: &str = "latchkey";
const AUDIENCE: &str = "latchkey-admin";

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    /// The admin's name, for people who look into the token.
    sub: String,
    /// The session's id.
    jti: String,
    /// Seconds since the epoch.
    iat: i64,
    exp: i64,
}

/// A token for a session, valid until `expires_at`, whose milliseconds are cut off.
///
/// # Errors
/// When no key is configured.
pub fn sign(key: &Secret, session: &str, username: &str, now: UtcMillis, expires_at: UtcMillis) -> Result<String> {
    if key.is_empty() {
        return Err(Error::internal("auth.jwt_secret is not set"));
    }
    let claims = Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: username.to_owned(),
        jti: session.to_owned(),
        iat: now.0.div_euclid(1000),
        exp: expires_at.0.div_euclid(1000),
    };
    let key = EncodingKey::from_secret(key.expose().as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(Error::internal)
}

/// The id of the session a token belongs to, if this service signed it for this purpose and its time is not over.
#[must_use]
pub fn session_id(key: &Secret, token: &str, now: UtcMillis) -> Option<String> {
    if key.is_empty() {
        return None;
    }
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.validate_exp = false; // it would read the machine's clock; ours is asked below
    let key = DecodingKey::from_secret(key.expose().as_bytes());
    let claims = decode::<Claims>(token, &key, &validation).ok()?.claims;
    (claims.exp.saturating_mul(1000) > now.0).then_some(claims.jti)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: UtcMillis = UtcMillis(1_000_000);

    fn key() -> Secret {
        Secret::new("a key of the tests, long enough")
    }

    fn forged(header: Header, claims: &Value, secret: &str) -> String {
        encode(&header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    fn good() -> Value {
        json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "a", "jti": "s", "iat": 1000, "exp": 1010 })
    }

    #[test]
    fn a_token_tells_its_session_until_the_second_it_expires() {
        let token = sign(&key(), "s", "a", NOW, NOW.plus_seconds(10)).unwrap();
        assert_eq!(session_id(&key(), &token, NOW.plus_millis(9_999)).as_deref(), Some("s"));
        assert_eq!(session_id(&key(), &token, NOW.plus_seconds(10)), None);
    }

    #[test]
    fn other_keys_issuers_audiences_algorithms_and_missing_claims_are_refused() {
        let accepted = |token: &str| session_id(&key(), token, NOW).is_some();
        let (header, secret) = (Header::new(Algorithm::HS256), key());
        assert!(accepted(&forged(header.clone(), &good(), secret.expose())));
        assert!(!accepted(&forged(header.clone(), &good(), "another key of the tests, also long")));
        assert!(!accepted(&forged(Header::new(Algorithm::HS512), &good(), secret.expose())));
        for (name, value) in [("iss", json!("x")), ("aud", json!("x")), ("exp", json!("x")), ("jti", json!(1))] {
            let mut claims = good();
            claims[name] = value;
            assert!(!accepted(&forged(header.clone(), &claims, secret.expose())), "wrong {name}");
            claims.as_object_mut().unwrap().remove(name);
            assert!(!accepted(&forged(header.clone(), &claims, secret.expose())), "no {name}");
        }
        // {"alg":"none"} without a signature
        let token = forged(header, &good(), secret.expose());
        let claims = token.split('.').nth(1).unwrap();
        assert!(!accepted(&format!("eyJhbGciOiJub25lIn0.{claims}.")));
    }

    #[test]
    fn without_a_key_nothing_is_signed_and_nothing_accepted() {
        let none = Secret::default();
        assert!(sign(&none, "s", "a", NOW, NOW.plus_seconds(10)).is_err());
        assert_eq!(session_id(&none, &forged(Header::default(), &good(), ""), NOW), None);
    }
}
