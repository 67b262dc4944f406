//! Signing in, sessions, and the audit. Scoped secrets are in `secrets`.

use std::collections::HashSet;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::kit::{Answer, TestApp};

const WRONG: &str = "not the password";
const MINUTE: i64 = 60_000;

async fn log_in(app: &TestApp, address: &str, password: &str) -> Answer {
    app.post("/auth/login", &json!({"username": "admin", "password": password})).from(address).send().await
}

async fn me(app: &TestApp, token: &str) -> Answer {
    app.get("/auth/me").token(token).send().await
}

async fn events(app: &TestApp, query: &str) -> Value {
    app.get(&format!("/public-api/audit?{query}")).root().send().await.expect(200)
}

fn part(token: &str, nth: usize) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let part = token.split('.').nth(nth).expect("a part");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
}

on_both! {
    async fn signing_in_gives_a_token_that_tells_who_and_how_long(app: TestApp) {
        let answer = log_in(&app, "192.0.2.1", TestApp::PASSWORD).await;
        let signed_in = answer.expect(200);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!((&signed_in["token_type"], &signed_in["username"]), (&json!("Bearer"), &json!("admin")));
        assert_eq!(signed_in["expires_at"], "2026-12-01T04:31:00.000Z", "auth.jwt_expire_hours later");
        let token = signed_in["token"].as_str().unwrap();
        assert_eq!(part(token, 0)["alg"], "HS256");
        let claims = part(token, 1);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 240 * 3600);
        assert!(claims["iss"].is_string() && claims["aud"].is_string() && claims["jti"].is_string());
        let known = me(&app, token).await.expect(200);
        assert_eq!(known, json!({"username": "admin", "expires_at": signed_in["expires_at"]}));
        app.get("/public-api/apps").token(token).send().await.expect(200);
        app.get("/auth/me").root().send().await.problem(401, "UNAUTHENTICATED");
    }

    async fn a_token_of_our_key_counts_only_with_issuer_audience_time_and_session(app: TestApp) {
        let token = app.sign_in().await;
        let claims = part(&token, 1);
        let key = app.state.config.auth.jwt_secret.expose().to_owned();
        let sign = |algorithm, claims: &Value, key: &str| {
            encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(key.as_bytes())).unwrap()
        };
        let with = |name: &str, value: Value| {
            let mut changed = claims.clone();
            changed[name] = value;
            changed
        };
        me(&app, &sign(Algorithm::HS256, &claims, &key)).await.expect(200);
        let now = app.clock.now().0 / 1000;
        for forged in [
            sign(Algorithm::HS256, &claims, "another key of at least 32 characters"),
            sign(Algorithm::HS384, &claims, &key),
            sign(Algorithm::HS256, &with("iss", json!("somebody")), &key),
            sign(Algorithm::HS256, &with("aud", json!("somebody")), &key),
            sign(Algorithm::HS256, &with("exp", json!(now)), &key),
            sign(Algorithm::HS256, &with("exp", Value::Null), &key),
            sign(Algorithm::HS256, &with("jti", json!(uuid::Uuid::new_v4())), &key),
            format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).unwrap()),
            format!("{token}x"),
            "x".to_owned(),
        ] {
            let answer = me(&app, &forged).await;
            answer.problem(401, "UNAUTHENTICATED");
            assert!(answer.header("www-authenticate").is_some(), "RFC 9110 asks for a challenge");
        }
        app.clock.advance_millis(240 * 60 * MINUTE - 1);
        me(&app, &token).await.expect(200);
        app.clock.advance_millis(1);
        me(&app, &token).await.problem(401, "UNAUTHENTICATED");
    }

    async fn signing_out_ends_this_token_at_once_and_no_other(app: TestApp) {
        let (one, other) = (app.sign_in().await, app.sign_in().await);
        let out = app.call("POST", "/auth/logout").token(&one).send().await;
        assert_eq!((out.status, out.body.len()), (204, 0));
        me(&app, &one).await.problem(401, "UNAUTHENTICATED");
        app.get("/public-api/apps").token(&one).send().await.problem(401, "UNAUTHENTICATED");
        app.call("POST", "/auth/logout").token(&one).send().await.problem(401, "UNAUTHENTICATED");
        me(&app, &other).await.expect(200);
    }

    async fn a_new_password_ends_every_session_and_the_old_password(app: TestApp) {
        let tokens = [app.sign_in().await, app.sign_in().await];
        let change = |current: &str, new: &str| {
            app.post("/auth/password", &json!({"current_password": current, "new_password": new})).token(&tokens[0])
        };
        let new = "a new password of the tests";
        change(WRONG, new).send().await.problem(403, "CURRENT_PASSWORD_WRONG");
        change(TestApp::PASSWORD, "too short").send().await.problem(422, "INVALID_REQUEST");
        me(&app, &tokens[0]).await.expect(200);
        assert_eq!(change(TestApp::PASSWORD, new).send().await.status, 204);
        for token in &tokens {
            me(&app, token).await.problem(401, "UNAUTHENTICATED");
        }
        log_in(&app, "192.0.2.1", TestApp::PASSWORD).await.problem(401, "LOGIN_FAILED");
        log_in(&app, "192.0.2.1", new).await.expect(200);
    }

    async fn five_wrong_passwords_lock_the_name_for_that_address_for_15_minutes(app: TestApp) {
        for _ in 0..5 {
            log_in(&app, "192.0.2.1", WRONG).await.problem(401, "LOGIN_FAILED");
        }
        app.clock.advance_millis(MINUTE);
        let locked = log_in(&app, "192.0.2.1", TestApp::PASSWORD).await;
        locked.problem(429, "LOGIN_LOCKED");
        assert_eq!(locked.header("retry-after"), Some("840"));
        let other = json!({"username": "somebody", "password": WRONG});
        app.post("/auth/login", &other).from("192.0.2.1").send().await.problem(401, "LOGIN_FAILED");
        log_in(&app, "192.0.2.2", TestApp::PASSWORD).await.expect(200);
        app.clock.advance_millis(14 * MINUTE - 1);
        log_in(&app, "192.0.2.1", TestApp::PASSWORD).await.problem(429, "LOGIN_LOCKED");
        app.clock.advance_millis(1);
        log_in(&app, "192.0.2.1", TestApp::PASSWORD).await.expect(200);
    }

    async fn guessing_the_current_password_is_limited_like_signing_in(app: TestApp) {
        let token = app.sign_in().await;
        let change = |current: &str| {
            let body = json!({"current_password": current, "new_password": "a new password of the tests"});
            app.post("/auth/password", &body).token(&token).send()
        };
        for _ in 0..5 {
            change(WRONG).await.problem(403, "CURRENT_PASSWORD_WRONG");
        }
        change(TestApp::PASSWORD).await.problem(429, "LOGIN_LOCKED");
        me(&app, &token).await.expect(200);
    }

    async fn of_parallel_guesses_no_more_than_five_are_looked_at(app: TestApp) {
        let guesses = (0..24).map(|_| log_in(&app, "192.0.2.1", WRONG));
        let answers = futures_util::future::join_all(guesses).await;
        assert!(answers.iter().all(|answer| matches!(answer.status, 401 | 429)), "{answers:?}");
        let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
        assert!(looked_at <= 5, "{looked_at}");
    }

    async fn sixty_wrong_tries_an_hour_leave_a_name_to_addresses_with_a_good_one(app: TestApp) {
        log_in(&app, "203.0.113.1", TestApp::PASSWORD).await.expect(200);
        for address in 1..=12 {
            for _ in 0..5 {
                log_in(&app, &format!("192.0.2.{address}"), WRONG).await.problem(401, "LOGIN_FAILED");
            }
        }
        let refused = log_in(&app, "192.0.2.99", TestApp::PASSWORD).await;
        refused.problem(429, "LOGIN_LOCKED");
        assert_eq!(refused.header("retry-after"), Some("3600"));
        let token = log_in(&app, "203.0.113.1", TestApp::PASSWORD).await.expect(200);
        me(&app, token["token"].as_str().unwrap()).await.expect(200);
        app.clock.advance_millis(60 * MINUTE);
        log_in(&app, "192.0.2.99", TestApp::PASSWORD).await.expect(200);
    }

    async fn an_address_is_the_first_from_the_right_that_is_no_trusted_proxy(app: TestApp) {
        let login = json!({"username": "admin", "password": TestApp::PASSWORD});
        for (forwarded, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("10.9.9.9, 192.0.2.2", "192.0.2.2"),
            ("10.9.9.9, 192.0.2.3, 127.0.0.1", "192.0.2.3"),
            ("192.0.2.4, nonsense, 127.0.0.1", "127.0.0.1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
        ] {
            app.post("/auth/login", &login).from(forwarded).send().await.expect(200);
            let newest = events(&app, "limit=1").await;
            assert_eq!(newest["items"][0]["ip"], address, "{forwarded}");
        }
    }

    async fn every_write_by_an_admin_is_an_event_without_secret_values(app: TestApp) {
        let token = app.sign_in().await;
        let app_id = app.new_app().await;
        app.patch(&format!("/public-api/apps/{app_id}"), &json!({"name": "Other"})).token(&token).send().await.expect(200);
        let made = app.post("/public-api/secrets", &json!({"name": "s", "scopes": ["usage:read"]}));
        let made = made.root().header("x-request-id", "the-request").from("192.0.2.7").send().await.expect(201);
        let id = &made["id"];
        app.patch(&format!("/public-api/secrets/{id}"), &json!({"name": "t"})).root().send().await.expect(200);
        assert_eq!(app.delete(&format!("/public-api/secrets/{id}")).root().send().await.status, 204);
        app.patch("/public-api/settings", &json!({"kv.rate_read": 7})).root().send().await.expect(200);
        app.patch("/public-api/jobs/purge", &json!({"enabled": false})).root().send().await.expect(200);
        assert_eq!(app.delete(&format!("/public-api/apps/{app_id}")).root().send().await.status, 204);
        let device = app.new_device().await;
        let uuid = &device.uuid;
        app.patch(&format!("/public-api/devices/{uuid}"), &json!({"name": "n"})).root().send().await.expect(200);
        let hidden = "a password nobody may read";
        let set = app.put(&format!("/public-api/devices/{uuid}/password"), &json!({"password": hidden})).root();
        assert!(set.send().await.status < 300);
        assert_eq!(app.delete(&format!("/public-api/devices/{uuid}/password")).root().send().await.status, 204);
        assert_eq!(app.delete(&format!("/public-api/devices/{uuid}")).root().send().await.status, 204);
        let all = events(&app, "limit=200").await;
        let seen: Vec<String> = all["items"].as_array().unwrap().iter().rev().map(|event| {
            format!("{} {} {}", event["actor"].as_str().unwrap(), event["action"].as_str().unwrap(), event["entity"].as_str().unwrap())
        }).collect();
        assert_eq!(seen, [
            "admin:admin sign_in admin_user", "root create app", "admin:admin update app", "root create api_secret",
            "root update api_secret", "root delete api_secret", "root update setting", "root update job", "root delete app",
            "root create app", "root update device", "root set_password device", "root delete_password device", "root delete device",
        ]);
        let text = all.to_string();
        for secret in [made["secret"].as_str().unwrap(), TestApp::PASSWORD, TestApp::SECRET, &token, hidden, &device.token] {
            assert!(!text.contains(secret));
        }
        let by_request = all["items"].as_array().unwrap().iter().find(|event| event["request_id"] == "the-request").unwrap();
        assert_eq!((&by_request["ip"], &by_request["entity_id"]), (&json!("192.0.2.7"), &json!(id.to_string())));
    }

    async fn what_an_admin_does_in_an_owner_s_place_is_an_event_too_and_what_the_owner_does_is_none(app: TestApp) {
        let device = app.new_device().await;
        let listed = app.get(&format!("/apps/devices/{}/tokens", device.uuid)).root().send().await.expect(200);
        let install = &listed["tokens"][0]["id"];
        let path = format!("/devices/{}", device.uuid);
        let before = events(&app, "count=true").await["total"].as_u64().unwrap();
        app.put(&format!("{path}/name"), &json!({"name": "of the owner"})).send().await.expect(200);
        app.put(&format!("/apps/tokens/{}/note", device.token), &json!({"note": "of the owner"})).send().await.expect(200);
        assert_eq!(events(&app, "count=true").await["total"], before);
        app.put(&format!("{path}/name"), &json!({"name": "of the admin"})).root().send().await.expect(200);
        let password = json!({"newPassword": "nobody may read this"});
        app.put(&format!("{path}/password"), &password).root().send().await.expect(200);
        assert_eq!(app.delete(&format!("{path}/password")).root().send().await.status, 204);
        app.put(&format!("/apps/tokens/{install}/note"), &json!({"note": "n"})).root().send().await.expect(200);
        assert_eq!(app.delete(&format!("/apps/tokens/{install}")).root().send().await.status, 204);
        assert_eq!(app.delete(&path).root().send().await.status, 204);
        let all = events(&app, "limit=6").await;
        let seen: Vec<_> = all["items"].as_array().unwrap().iter().rev().map(|event| {
            (event["action"].as_str().unwrap(), event["entity"].as_str().unwrap(), event["entity_id"].as_str().unwrap().to_owned())
        }).collect();
        let uuid = || device.uuid.clone();
        assert_eq!(seen, [
            ("update", "device", uuid()), ("set_password", "device", uuid()), ("delete_password", "device", uuid()),
            ("update", "app_install", install.to_string()), ("delete", "app_install", install.to_string()), ("delete", "device", uuid()),
        ]);
        assert!(!all.to_string().contains("nobody may read this"));
    }

    async fn events_are_filtered_and_paged_from_the_newest(app: TestApp) {
        for _ in 0..7 {
            app.new_app().await;
            app.clock.advance_millis(1000);
        }
        app.sign_in().await;
        let all = events(&app, "limit=200").await;
        assert_eq!((&all["total"], &all["next_cursor"]), (&Value::Null, &Value::Null));
        assert_eq!(events(&app, "count=true").await["total"], 8);
        let ids = |page: &Value| page["items"].as_array().unwrap().iter().map(|event| event["id"].as_i64().unwrap()).collect::<Vec<_>>();
        let mut paged = Vec::new();
        let mut path = "/public-api/audit?limit=3".to_owned();
        loop {
            let answer = app.get(&path).root().send().await;
            let page = answer.expect(200);
            paged.extend(ids(&page));
            app.new_app().await; // what is added meanwhile moves nothing
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            let link = answer.header("link").unwrap();
            path = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
            assert!(path.contains(cursor) && path.contains("limit=3"));
        }
        assert_eq!(paged, ids(&all));
        assert_eq!(paged.iter().collect::<HashSet<_>>().len(), 8);
        for (filter, count) in [
            ("entity=app", 10), ("entity=app&actor=root", 10), ("actor=admin:admin", 1), ("action=sign_in", 1), ("entity=app&entity_id=1", 1),
            ("since=2026-11-21T04:31:02.000Z&until=2026-11-21T04:31:04Z", 2), ("entity=nothing", 0),
        ] {
            let page = events(&app, &format!("{filter}&count=true")).await;
            assert_eq!((ids(&page).len(), &page["total"]), (count, &json!(count)), "{filter}");
        }
        for bad in ["limit=0", "limit=201", "limit=x", "cursor=x", "since=yesterday", "count=maybe"] {
            app.get(&format!("/public-api/audit?{bad}")).root().send().await.problem(422, "INVALID_REQUEST");
        }
    }

    async fn bodies_of_the_auth_endpoints_are_checked(app: TestApp) {
        let post = |body: Value| app.post("/auth/login", &body);
        for (body, field, code) in [
            (json!({"username": "admin"}), "password", "required"),
            (json!({"username": 1, "password": "x"}), "username", "type"),
            (json!({"username": "admin", "password": "x", "pasword": "y"}), "pasword", "unknown_field"),
            (json!({"username": " ", "password": "x"}), "username", "length"),
            (json!({"username": "a\u{0}", "password": "x"}), "username", "control_character"),
        ] {
            let problem = post(body).send().await.problem(422, "INVALID_REQUEST");
            assert_eq!((&problem["errors"][0]["field"], &problem["errors"][0]["code"]), (&json!(field), &json!(code)));
        }
        post(json!({"username": " admin ", "password": TestApp::PASSWORD})).send().await.expect(200);
        let broken = app.call("POST", "/auth/login").text("{\n  \"username\": \"a\",\n  oops\n}").send().await;
        let detail = broken.problem(400, "MALFORMED_REQUEST")["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("line 3, column 3"), "{detail}");
        let text = app.call("POST", "/auth/login").body("text/plain", "{}").send().await;
        text.problem(415, "UNSUPPORTED_MEDIA_TYPE");
        let plus = app.call("POST", "/auth/login");
        let plus = plus.body("application/merge-patch+json; charset=utf-8", json!({"username": "admin", "password": TestApp::PASSWORD}).to_string());
        plus.send().await.expect(200);
    }
}
