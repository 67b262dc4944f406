//! Calls from pages of other origins (WHATWG Fetch, CORS protocol), allowed for the store only and without cookies.

use actix_web::{
    HttpResponse,
    http::header::{self, HeaderMap, HeaderValue},
};

use crate::base::db::StartError;

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const ALLOWED: &str = "Authorization, Content-Type, x-app-token, x-site-key, x-device-uuid, x-device-password, \
                       If-Match, If-None-Match, Last-Event-ID, X-Request-Id";
const EXPOSED: &str = "ETag, Last-Modified, Link, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id";
/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: &str = "86400";

/// The origins of `kv.cors_origins`.
pub(super) struct Cors {
    any: bool,
    origins: Vec<HeaderValue>,
}

impl Cors {
    pub(super) fn new(origins: &[String]) -> Result<Self, StartError> {
        let value = |origin: &String| {
            HeaderValue::from_str(origin).map_err(|_| format!("kv.cors_origins: '{origin}' cannot be an origin"))
        };
        let any = origins.iter().any(|origin| origin == "*");
        Ok(Self { any, origins: origins.iter().map(value).collect::<Result<_, _>>()? })
    }

    /// The answer to a preflight; the origin is answered by [`Self::dress`], as everywhere.
    pub(super) fn preflight(&self) -> HttpResponse {
        HttpResponse::NoContent()
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
            .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE))
            .insert_header((header::VARY, "Access-Control-Request-Method, Access-Control-Request-Headers"))
            .finish()
    }

    /// Says whether a page of `origin` may read this answer.
    pub(super) fn dress(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if !self.any {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let Some(origin) = origin else { return };
        if self.any {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else if self.origins.contains(origin) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        } else {
            return;
        }
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dressed(allowed: &[&str], origin: Option<&'static str>) -> HeaderMap {
        let cors = Cors::new(&allowed.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        let mut headers = HeaderMap::new();
        cors.dress(origin.map(HeaderValue::from_static).as_ref(), &mut headers);
        headers
    }

    #[test]
    fn any_origin_is_answered_with_a_star_and_never_with_credentials() {
        let headers = dressed(&["*"], Some("https://a.example"));
        assert_eq!(headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "*");
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        assert!(!headers.contains_key(header::VARY));
    }

    #[test]
    fn a_listed_origin_is_named_and_an_unlisted_one_is_not() {
        let allowed = &["https://a.example", "https://b.example"];
        let headers = dressed(allowed, Some("https://b.example"));
        assert_eq!(headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "https://b.example");
        assert!(!dressed(allowed, Some("https://c.example")).contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }

    #[test]
    fn answers_that_depend_on_the_origin_say_so_to_caches() {
        assert_eq!(dressed(&["https://a.example"], None).get(header::VARY).unwrap(), "Origin");
    }
}
