//! What `/metrics` says of refreshes.

use serde_json::json;

use crate::kit::{Provider, TestApp, provider::Act};

/// The value of a series; 0 when there is none.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

on_each_database! {
    async fn refreshes_are_counted_by_outcome_and_class_and_accounts_by_state(database: Database) {
        let app = TestApp::start_with(database, |config| config.security.allow_private_targets = true).await;
        let stub = Provider::start(&app.clock);
        let provider = json!({"name": "stub", "token_url": stub.url(), "client_id": "c"});
        app.post("/public-api/providers", &provider).root().send().await.expect(201);
        let metrics = async || app.get("/metrics").send().await.text();
        let refresh = async |name: &str| app.post("/public-api/refresh", &json!({"biz_id": name})).root().send().await;
        for name in ["good-account", "dead-account", "shy-account"] {
            let new = json!({"biz_id": name, "provider": "stub", "refresh_token": stub.issue(name)});
            app.post("/public-api/tokens", &new).root().send().await.expect(201);
        }
        let text = metrics().await;
        assert_eq!(value(&text, "latchkey_accounts{state=\"new\"}"), 3.0, "{text}");
        assert_eq!(value(&text, "latchkey_accounts_due"), 0.0);
        refresh("good-account").await.expect(200);
        refresh("good-account").await.expect(200);
        stub.next(Act::openai(401, "refresh_token_reused"));
        refresh("dead-account").await.problem(409, "ACCOUNT_DEAD");
        refresh("dead-account").await.problem(409, "ACCOUNT_DEAD");
        stub.next(Act::failure(503));
        refresh("shy-account").await.problem(502, "PROVIDER_FAILED");
        let text = metrics().await;
        for (series, expected) in [
            ("latchkey_refreshes_total{class=\"none\",outcome=\"refreshed\"}", 2.0),
            ("latchkey_refreshes_total{class=\"permanent.reused\",outcome=\"failed\"}", 1.0),
            ("latchkey_refreshes_total{class=\"permanent.reused\",outcome=\"refused\"}", 1.0),
            ("latchkey_refreshes_total{class=\"transient.5xx\",outcome=\"failed\"}", 1.0),
            ("latchkey_refresh_seconds_count{outcome=\"refreshed\"}", 2.0),
            ("latchkey_refresh_seconds_count{outcome=\"failed\"}", 2.0),
            ("latchkey_refresh_seconds_count{outcome=\"refused\"}", 0.0),
            ("latchkey_refresh_ahead_seconds_count", 1.0),
            ("latchkey_refresh_ahead_seconds_sum", 3600.0),
            ("latchkey_accounts{state=\"ok\"}", 1.0),
            ("latchkey_accounts{state=\"dead\"}", 1.0),
            ("latchkey_accounts{state=\"failing\"}", 1.0),
            ("latchkey_accounts{state=\"new\"}", 0.0),
            ("latchkey_rotation_journal_entries", 0.0),
            ("latchkey_refreshes_running", 0.0),
            ("latchkey_providers{state=\"paused\"}", 0.0),
        ] {
            assert!(text.contains(series) || expected == 0.0, "{series}: {text}");
            assert_eq!(value(&text, series), expected, "{series}");
        }
        for secret in ["good-account", "dead-account", "shy-account"] {
            assert!(!text.contains(secret), "a label names an account");
        }
        // A job that is switched off leaves what is due lying, and that can be seen.
        app.patch("/public-api/settings", &json!({"auto_refresh": false})).root().send().await.expect(200);
        app.clock.advance_millis(86_400_000);
        let text = metrics().await;
        assert_eq!(value(&text, "latchkey_accounts_due"), 2.0);
        assert!(value(&text, "latchkey_accounts_due_seconds") > 80_000.0, "{text}");
        stub.next(Act::oauth(401, "invalid_client"));
        refresh("good-account").await.problem(503, "PROVIDER_PAUSED");
        assert_eq!(value(&metrics().await, "latchkey_providers{state=\"paused\"}"), 1.0);
        app.stop().await;
    }
}
