use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::*;

/// 2026-11-21T04:31:00Z, a Saturday.
const NOW: UtcMillis = UtcMillis(1_795_235_460_000);

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Incoming {
    let header = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    let headers: HeaderMap = headers.iter().map(header).collect();
    Incoming { status, headers, body: body.as_bytes().to_vec() }
}

fn judged(answer: &Incoming, error_map: &str) -> Result<Tokens, Failed> {
    let sent = Secret::new("rt-that-was-sent");
    Judge { error_map, sent: &[&sent], now: NOW }.judge(answer)
}

#[track_caller]
fn failed(status: u16, body: &Value) -> Failed {
    judged(&answer(status, &[("content-type", "application/json")], &body.to_string()), "{}").unwrap_err()
}

fn openai(code: &str) -> Value {
    json!({"error": {"message": "Please try signing in again.", "type": "invalid_request_error", "param": null, "code": code}})
}

fn oauth(code: &str) -> Value {
    json!({"error": code, "error_description": "Something is wrong."})
}

fn microsoft(number: u32, suberror: &str) -> Value {
    json!({"error": "invalid_grant", "error_description": format!("AADSTS{number}: The token is no good."),
        "error_codes": [number], "suberror": suberror, "trace_id": "t"})
}

#[test]
fn codes_mean_what_the_providers_say_they_mean() {
    let table = [
        // OpenAI
        (401, openai("refresh_token_reused"), "permanent.reused"),
        (401, openai("refresh_token_expired"), "permanent.expired"),
        (401, openai("refresh_token_invalidated"), "permanent.revoked"),
        (401, openai("invalid_refresh_token"), "permanent.invalid_grant"),
        (401, openai("app_session_terminated"), "permanent.revoked"),
        (401, openai("token_invalidated"), "permanent.revoked"),
        (401, openai("account_deactivated"), "permanent.account_disabled"),
        (403, openai("deactivated_workspace"), "permanent.account_disabled"),
        (401, openai("some_new_code"), "permanent.invalid_grant"),
        (403, openai("unsupported_country_region_territory"), "egress.region"),
        (403, openai("some_new_code"), "transient.malformed"),
        (400, openai("some_new_code"), "transient.malformed"),
        (
            401,
            json!({"error": {"message": "?", "type": "invalid_request_error", "param": null, "code": null}}),
            "permanent.invalid_grant",
        ),
        (
            400,
            json!({"error": {"message": "Invalid 'refresh_token': empty string", "type": "invalid_request_error"}}),
            "transient.malformed",
        ),
        (400, json!({"code": "refresh_token_expired", "message": "x"}), "permanent.expired"),
        // RFC 6749
        (400, oauth("invalid_grant"), "permanent.invalid_grant"),
        (401, oauth("invalid_client"), "config.invalid_client"),
        (400, oauth("unauthorized_client"), "config.unauthorized_client"),
        (400, oauth("unsupported_grant_type"), "config.unsupported_grant"),
        (400, oauth("invalid_request"), "transient.malformed"),
        (400, oauth("invalid_scope"), "transient.malformed"),
        (401, oauth("unheard_of"), "transient.malformed"),
        (400, oauth("temporarily_unavailable"), "transient.5xx"),
        (400, oauth("slow_down"), "rate_limited"),
        // GitHub answers errors with 200.
        (200, oauth("bad_refresh_token"), "permanent.invalid_grant"),
        (200, oauth("incorrect_client_credentials"), "config.invalid_client"),
        (200, oauth("unheard_of"), "transient.malformed"),
        // Microsoft
        (400, microsoft(70_008, ""), "permanent.expired"),
        (400, microsoft(700_082, ""), "permanent.expired"),
        (400, microsoft(700_084, ""), "permanent.expired"),
        (400, microsoft(50_173, ""), "permanent.revoked"),
        (400, microsoft(50_076, "basic_action"), "permanent.invalid_grant"),
        (400, microsoft(50_079, ""), "permanent.invalid_grant"),
        (400, microsoft(50_057, ""), "permanent.account_disabled"),
        (400, microsoft(1, "token_expired"), "permanent.expired"),
        (400, microsoft(1, "bad_token"), "permanent.invalid_grant"),
        (400, json!({"error": "invalid_grant", "error_description": "AADSTS50173: x"}), "permanent.revoked"),
    ];
    for (status, body, class) in table {
        let failed = failed(status, &body);
        assert_eq!(failed.class.as_str(), class, "{status} {body}");
        assert!(!failed.unanswered && failed.rotated.is_none(), "it was answered: {status} {body}");
    }
}

#[test]
fn statuses_mean_something_where_codes_do_not() {
    let json = [("content-type", "application/json")].as_slice();
    let html = [("content-type", "text/html")].as_slice();
    let challenge = [("content-type", "text/html"), ("cf-mitigated", "challenge")].as_slice();
    let later = [("retry-after", "7")].as_slice();
    let page = "<!DOCTYPE html><title>Just a moment...</title>";
    let table = [
        (500, json, "{}", "transient.5xx"),
        (503, json, "{}", "transient.5xx"),
        (500, json, r#"{"error": "invalid_grant"}"#, "transient.5xx"),
        (503, html, page, "egress.challenge"),
        (403, html, page, "egress.challenge"),
        (403, [].as_slice(), " \n<html>", "egress.challenge"),
        (200, challenge, page, "egress.challenge"),
        (429, challenge, page, "egress.challenge"),
        (429, html, page, "rate_limited"),
        (429, json, r#"{"error": "invalid_grant"}"#, "rate_limited"),
        (403, later, "", "rate_limited"),
        (403, json, "", "transient.malformed"),
        (404, html, page, "transient.malformed"),
        (401, html, page, "transient.malformed"),
        (407, json, "", "egress.proxy_auth"),
        (408, json, "", "transient.timeout"),
        (307, [("location", "https://elsewhere.example/")].as_slice(), "", "transient.malformed"),
        (304, [].as_slice(), "", "transient.malformed"),
    ];
    for (status, headers, body, class) in table {
        let failed = judged(&answer(status, headers, body), "{}").unwrap_err();
        assert_eq!(failed.class.as_str(), class, "{status} {headers:?} {body}");
        assert!(!failed.unanswered, "it was answered: {status} {headers:?}");
    }
}

#[test]
fn a_gateway_does_not_know_whether_the_token_was_spent() {
    for status in [502, 504, 520, 522, 523, 524] {
        let failed = judged(&answer(status, &[], "<html>"), "{}").unwrap_err();
        assert_eq!((failed.class, failed.unanswered), (FailureClass::Server, true), "{status}");
    }
}

#[test]
fn a_success_that_cannot_be_read_may_have_spent_the_token() {
    for body in ["", "{", "[]", "null", "{}", r#"{"access_token": ""}"#, r#"{"access_token": 5}"#, "<html>", "ok"] {
        let failed = judged(&answer(200, &[], body), "{}").unwrap_err();
        assert_eq!((failed.class, failed.unanswered), (FailureClass::Malformed, true), "{body}");
        assert!(failed.rotated.is_none(), "{body}");
    }
    let odd = judged(&answer(200, &[], r#"{"refresh_token": "the-new-one"}"#), "{}").unwrap_err();
    assert!(odd.unanswered);
    assert_eq!(odd.rotated.unwrap().expose(), "the-new-one", "what reached us is not lost");
}

#[test]
fn tokens_are_read_from_json_and_from_a_form() {
    let tokens =
        judged(&answer(200, &[], r#"{"access_token": "at", "expires_in": "60", "error": null}"#), "{}").unwrap();
    assert_eq!((tokens.access_token.expose(), tokens.expires_in), ("at", Some(60)));
    assert!(tokens.refresh_token.is_none());
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let tokens = judged(&answer(200, &form, "access_token=a%2Bb&refresh_token=rt&expires_in=28800"), "{}").unwrap();
    assert_eq!((tokens.access_token.expose(), tokens.expires_in), ("a+b", Some(28800)));
    assert_eq!(tokens.refresh_token.unwrap().expose(), "rt");
    let refused = judged(&answer(200, &form, "error=bad_refresh_token&error_description=x"), "{}").unwrap_err();
    assert_eq!(refused.class, FailureClass::InvalidGrant);
}

#[test]
fn the_provider_s_own_map_comes_first() {
    let map = r#"{"invalid_grant": "transient.5xx", "frozen": "permanent.account_disabled", "AADSTS50076": "config.invalid_client", "x": "no.such.class"}"#;
    let of = |status, body: Value| judged(&answer(status, &[], &body.to_string()), map).unwrap_err().class;
    assert_eq!(of(400, oauth("invalid_grant")), FailureClass::Server);
    assert_eq!(of(429, oauth("frozen")), FailureClass::AccountDisabled);
    assert_eq!(of(500, openai("frozen")), FailureClass::AccountDisabled);
    assert_eq!(of(400, microsoft(50_076, "")), FailureClass::InvalidClient, "the most particular code first");
    assert_eq!(of(401, openai("x")), FailureClass::InvalidGrant);
}

#[test]
fn retry_after_is_seconds_or_a_date_and_at_most_a_day() {
    for (text, expected) in [
        ("120", Some(120)),
        (" 0 ", Some(0)),
        ("Sat, 21 Nov 2026 04:32:00 GMT", Some(60)),
        ("Saturday, 21-Nov-26 04:32:00 GMT", Some(60)),
        ("Sat Nov 21 04:32:00 2026", Some(60)),
        ("Sat, 21 Nov 2026 04:30:00 GMT", Some(0)),
        ("Sat, 21 Nov 2099 04:30:00 GMT", Some(86_400)),
        ("99999999999999999999999", Some(86_400)),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ] {
        assert_eq!(wait(text, NOW), expected, "{text}");
    }
    let late = |status| judged(&answer(status, &[("retry-after", "30")], "{}"), "{}").unwrap_err().retry_after_s;
    assert_eq!((late(429), late(503), late(400)), (Some(30), Some(30), Some(30)));
    assert_eq!(failed(429, &json!({})).retry_after_s, None);
}

#[test]
fn the_detail_tells_code_and_words_and_never_a_token() {
    let said = failed(401, &openai("refresh_token_reused")).detail;
    assert_eq!(said, "HTTP 401 refresh_token_reused: Please try signing in again.");
    let echoed = json!({"error": "invalid_grant", "error_description": format!("rt-that-was-sent and {} are bad", "a1".repeat(40))});
    assert_eq!(failed(400, &echoed).detail, "HTTP 400 invalid_grant: … and … are bad");
    let in_code = json!({"error": "rt-that-was-sent", "access_token": "secret"});
    assert_eq!(failed(400, &in_code).detail, "HTTP 400 …");
    let long = json!({"error": "invalid_grant", "error_description": "word ".repeat(1000)});
    assert!(failed(400, &long).detail.chars().count() <= 500);
    let page = judged(&answer(403, &[], "<html>rt-that-was-sent"), "{}").unwrap_err().detail;
    assert_eq!(page, "HTTP 403 a web page");
    assert_eq!(judged(&answer(500, &[], "rt-that-was-sent"), "{}").unwrap_err().detail, "HTTP 500");
}

#[test]
fn without_an_answer_it_counts_whether_the_request_was_sent() {
    for (failure, class, unanswered) in [
        (Failure::NotAllowed("must not name a private address"), "transient.connect", false),
        (Failure::Connect, "transient.connect", false),
        (Failure::ProxyConnect, "egress.proxy_connect", false),
        (Failure::ProxyAuth, "egress.proxy_auth", false),
        (Failure::Unanswered { timed_out: true }, "transient.timeout", true),
        (Failure::Unanswered { timed_out: false }, "transient.connect", true),
    ] {
        let failed = Failed::without_answer(failure);
        assert_eq!((failed.class.as_str(), failed.unanswered), (class, unanswered), "{failure:?}");
        assert!(!failed.detail.is_empty());
    }
}
