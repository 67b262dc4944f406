//! The exchange of refresh tokens, with a stub provider that speaks the real protocol and misbehaves on request.

use std::time::Duration;

use entity::provider::Model;
use latchkey::{
    base::{http_client::HttpClient, secret::Secret},
    providers::{self, Call, Failed, Providers, Tokens},
    settings::Settings,
};
use serde_json::{Value, json};

use crate::kit::{
    Database, OutboundProxy, Provider, Speaks, TestApp, block_on,
    provider::{Act, Acting, Rules, Said},
};

/// A service, a stub, and a provider that leads to it.
struct Bench {
    app: TestApp,
    stub: Provider,
    providers: Providers,
    model: Model,
}

async fn settings(app: &TestApp) -> Settings {
    Settings::load(app.state.clone()).await.unwrap()
}

impl Bench {
    async fn with(rules: Rules, fields: Value) -> Self {
        let app = TestApp::start_with(Database::sqlite(), |config| config.security.allow_private_targets = true).await;
        let stub = Provider::start_with(&app.clock, rules);
        let mut new = json!({"name": "stub", "token_url": stub.url(), "client_id": "the-client"});
        new.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        app.post("/public-api/providers", &new).root().send().await.expect(201);
        let providers = Providers::new(&app.state, settings(&app).await, HttpClient::new(true));
        let model = providers::require(app.state.db.orm(), "stub").await.unwrap();
        Self { app, stub, providers, model }
    }

    async fn change(&mut self, fields: &Value) {
        self.app.patch("/public-api/providers/stub", fields).root().send().await.expect(200);
        self.model = providers::require(self.app.state.db.orm(), "stub").await.unwrap();
    }

    async fn send(&self, refresh_token: &str) -> Result<Tokens, Failed> {
        self.send_as(refresh_token, None, None).await
    }

    async fn send_as(
        &self,
        refresh_token: &str,
        client_id: Option<&str>,
        proxy: Option<&str>,
    ) -> Result<Tokens, Failed> {
        let (refresh_token, proxy) = (Secret::new(refresh_token), proxy.map(Secret::new));
        let call =
            Call { account: 1, provider: &self.model, client_id, refresh_token: &refresh_token, proxy: proxy.as_ref() };
        self.providers.exchange(&call).await
    }

    /// The next call is treated so: what comes of it.
    async fn fail(&self, act: Act) -> Failed {
        self.stub.next(act);
        self.send(&self.stub.issue("someone")).await.expect_err("a failure")
    }
}

/// Runs a test with a stub that rotates and forgives nothing.
fn bench(fields: Value, test: impl AsyncFnOnce(&mut Bench)) {
    bench_with(Rules::default(), fields, test);
}

fn bench_with(rules: Rules, fields: Value, test: impl AsyncFnOnce(&mut Bench)) {
    block_on(async {
        let mut bench = Bench::with(rules, fields).await;
        test(&mut bench).await;
        bench.app.stop().await;
    });
}

fn class(failed: &Failed) -> (&'static str, bool) {
    (failed.class.as_str(), failed.unanswered)
}

#[test]
fn an_exchange_gives_the_new_tokens_and_whom_they_are_for() {
    bench(json!({"body_format": "json"}), async |bench| {
        let first = bench.stub.issue("ann");
        let tokens = bench.send(&first).await.unwrap();
        assert_eq!(tokens.expires_in, Some(3600));
        let identity = &tokens.identity;
        assert_eq!(
            (identity.email.as_deref(), identity.account_type.as_deref()),
            (Some("ann@example.com"), Some("plus"))
        );
        assert_eq!(identity.account_id.as_deref(), Some("acc-ann"));
        assert_eq!(identity.expires_at, Some(bench.app.clock.now().plus_seconds(3600)));
        let second = tokens.refresh_token.unwrap();
        assert_eq!(bench.stub.current("ann").as_deref(), Some(second.expose()));
        bench.send(second.expose()).await.unwrap();
        assert_eq!((bench.stub.calls(), bench.stub.calls_of("ann"), bench.stub.most_at_once()), (2, 2, 1));
        let reused = bench.send(&first).await.unwrap_err();
        assert_eq!(class(&reused), ("permanent.reused", false));
        assert_eq!(bench.stub.current("ann"), None, "the family is dead");
        let shown = format!("{reused:?}");
        assert!(!shown.contains(&first), "{shown}");
    });
}

#[test]
fn the_request_is_json_or_a_form_with_the_provider_s_parameters_and_headers() {
    let fields = json!({"body_format": "json", "client_secret": "s3cret+/=", "extra_params": {"redirect_uri": "app://x?y"},
        "headers": {"X-Extra": "one", "Origin": "https://example.com"}});
    bench(fields, async |bench| {
        let expected = |refresh_token: &str| {
            [
                ("client_id", "the-client"),
                ("client_secret", "s3cret+/="),
                ("grant_type", "refresh_token"),
                ("redirect_uri", "app://x?y"),
                ("refresh_token", refresh_token),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
        };
        let token = bench.stub.issue("ann");
        bench.send(&token).await.unwrap();
        let seen = bench.stub.last();
        assert_eq!((seen.target.as_str(), &seen.fields), ("/oauth/token", &expected(&token)));
        for (name, value) in [
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("x-extra", "one"),
            ("origin", "https://example.com"),
            ("user-agent", concat!("latchkey/", env!("CARGO_PKG_VERSION"))),
        ] {
            assert_eq!(seen.headers.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(!seen.headers.contains_key("authorization"));
        bench.change(&json!({"body_format": "form", "headers": {"user-agent": "their-agent/1"}})).await;
        let token = bench.stub.issue("ann");
        bench.send(&token).await.unwrap();
        let seen = bench.stub.last();
        assert_eq!(seen.fields, expected(&token));
        assert_eq!(seen.headers["content-type"], "application/x-www-form-urlencoded");
        assert_eq!(seen.headers["user-agent"], "their-agent/1");
    });
}

#[test]
fn basic_authentication_takes_client_and_secret_out_of_the_body() {
    bench(json!({"auth_method": "basic", "client_secret": "a b:c"}), async |bench| {
        bench.send(&bench.stub.issue("ann")).await.unwrap();
        let seen = bench.stub.last();
        // the-client:a+b%3Ac
        assert_eq!(seen.headers["authorization"], "Basic dGhlLWNsaWVudDphK2IlM0Fj");
        assert!(!seen.fields.contains_key("client_id") && !seen.fields.contains_key("client_secret"));
        bench.change(&json!({"client_secret": null})).await;
        bench.send(&bench.stub.issue("ann")).await.unwrap();
        let seen = bench.stub.last();
        assert_eq!((seen.fields["client_id"].as_str(), seen.headers.get("authorization")), ("the-client", None));
    });
}

#[test]
fn an_account_with_a_client_of_its_own_is_not_sent_with_another_client_s_secret() {
    bench(json!({"client_secret": "s3cret"}), async |bench| {
        bench.send_as(&bench.stub.issue("ann"), Some("its-own"), None).await.unwrap();
        let seen = bench.stub.last();
        assert_eq!((seen.fields["client_id"].as_str(), seen.fields.get("client_secret")), ("its-own", None));
        bench.change(&json!({"client_id": null})).await;
        bench.send_as(&bench.stub.issue("ann"), Some("its-own"), None).await.unwrap();
        assert_eq!(bench.stub.last().fields["client_secret"], "s3cret");
    });
}

#[test]
fn what_befalls_one_account_leaves_the_others_alone() {
    block_on(async {
        let app = TestApp::start_with(Database::sqlite(), |config| config.security.allow_private_targets = true).await;
        let stub = Provider::start(&app.clock);
        let new = json!({"name": "stub", "token_url": stub.url(), "body_format": "json"});
        app.post("/public-api/providers", &new).root().send().await.expect(201);
        let model = providers::require(app.state.db.orm(), "stub").await.unwrap();
        let bench = Bench {
            providers: Providers::new(&app.state, settings(&app).await, HttpClient::new(true)),
            app,
            stub,
            model,
        };
        bench.stub.always_of("bob", Act::openai(401, "account_deactivated"));
        let (ann, bob) = (bench.stub.issue("ann"), bench.stub.issue("bob"));
        assert_eq!(class(&bench.send(&bob).await.unwrap_err()), ("permanent.account_disabled", false));
        bench.send(&ann).await.unwrap();
        let bodies: Vec<String> = bench.stub.seen().into_iter().map(|seen| seen.body).collect();
        let body = |token: &str| json!({"grant_type": "refresh_token", "refresh_token": token}).to_string();
        assert_eq!(bodies, [body(&bob), body(&ann)]);
        bench.app.stop().await;
    });
}

#[test]
fn a_provider_that_does_not_rotate_leaves_the_token() {
    bench_with(Rules { rotates: false, ..Rules::default() }, json!({}), async |bench| {
        let token = bench.stub.issue("ann");
        for _ in 0..3 {
            assert!(bench.send(&token).await.unwrap().refresh_token.is_none());
        }
    });
}

#[test]
fn one_repetition_is_forgiven_by_who_forgives_it() {
    bench_with(Rules { forgives: true, ..Rules::default() }, json!({}), async |bench| {
        let token = bench.stub.issue("ann");
        bench.stub.next(Act::Reset(Acting::First));
        assert!(bench.send(&token).await.unwrap_err().unanswered);
        let again = bench.send(&token).await.unwrap().refresh_token.unwrap();
        assert_eq!(bench.stub.current("ann").as_deref(), Some(again.expose()));
        assert_eq!(class(&bench.send(&token).await.unwrap_err()), ("permanent.reused", false), "one, not two");
    });
}

#[test]
fn what_was_sent_and_not_answered_is_told_from_what_was_answered() {
    bench(json!({}), async |bench| {
        // Each is followed by a good one, so that the breaker stays closed.
        for (act, expected) in [
            (Act::Hang(Acting::Not), ("transient.timeout", true)),
            (Act::Hang(Acting::First), ("transient.timeout", true)),
            (Act::Late(Duration::from_secs(60)), ("transient.timeout", true)),
            (Act::Reset(Acting::Not), ("transient.connect", true)),
            (Act::Reset(Acting::First), ("transient.connect", true)),
            (Act::CutShort, ("transient.connect", true)),
            (Act::huge(2 * 1024 * 1024), ("transient.connect", true)),
            (Act::malformed(), ("transient.malformed", true)),
            (Act::Without("access_token"), ("transient.malformed", true)),
            (Act::Say(Acting::First, Said::of(200, "text/html", "<html>")), ("transient.malformed", true)),
            (Act::failure(500), ("transient.5xx", false)),
            (Act::failure(503), ("transient.5xx", false)),
            (Act::page(503), ("egress.challenge", false)),
            (Act::page(403), ("egress.challenge", false)),
            (Act::rate_limited(None), ("rate_limited", false)),
            (Act::openai(401, "refresh_token_expired"), ("permanent.expired", false)),
            (Act::openai(403, "unsupported_country_region_territory"), ("egress.region", false)),
            (Act::oauth(400, "invalid_grant"), ("permanent.invalid_grant", false)),
            (Act::oauth(401, "invalid_client"), ("config.invalid_client", false)),
            (Act::oauth(200, "bad_refresh_token"), ("permanent.invalid_grant", false)),
            (Act::redirect(&bench.stub.url()), ("transient.malformed", false)),
        ] {
            let calls = bench.stub.calls();
            bench.model.timeout_ms = (expected.0 == "transient.timeout").then_some(300);
            let failed = bench.fail(act.clone()).await;
            assert_eq!(class(&failed), expected, "{act:?}: {failed:?}");
            assert_eq!(bench.stub.calls(), calls + 1, "sent once: {act:?}");
            bench.model.timeout_ms = None;
            bench.send(&bench.stub.issue("good")).await.unwrap_or_else(|failed| panic!("after {act:?}: {failed:?}"));
        }
    });
}

#[test]
fn a_new_refresh_token_that_comes_without_an_access_token_is_kept() {
    bench(json!({}), async |bench| {
        let failed = bench.fail(Act::Without("access_token")).await;
        assert_eq!(failed.rotated.unwrap().expose(), bench.stub.current("someone").unwrap());
    });
}

#[test]
fn lifetimes_and_refresh_tokens_that_are_left_out_or_wrong_are_no_failure() {
    bench(json!({}), async |bench| {
        for value in [json!("soon"), json!(-5), json!(null), json!(1e40)] {
            bench.stub.next(Act::With("expires_in", value.clone()));
            assert_eq!(bench.send(&bench.stub.issue("ann")).await.unwrap().expires_in, None, "{value}");
        }
        bench.stub.next(Act::With("expires_in", json!("7200")));
        assert_eq!(bench.send(&bench.stub.issue("ann")).await.unwrap().expires_in, Some(7200));
        bench.stub.next(Act::Without("refresh_token"));
        assert!(bench.send(&bench.stub.issue("ann")).await.unwrap().refresh_token.is_none());
    });
}

#[test]
fn retry_after_is_passed_on_by_the_service_s_clock() {
    bench(json!({}), async |bench| {
        for (text, seconds) in [("17", 17), ("Sat, 21 Nov 2026 04:33:00 GMT", 120)] {
            let failed = bench.fail(Act::rate_limited(Some(text))).await;
            assert_eq!((failed.class.as_str(), failed.retry_after_s), ("rate_limited", Some(seconds)));
        }
    });
}

#[test]
fn the_provider_s_map_of_codes_comes_first() {
    bench(
        json!({"error_map": {"frozen": "permanent.account_disabled", "invalid_grant": "rate_limited"}}),
        async |bench| {
            assert_eq!(class(&bench.fail(Act::openai(400, "frozen")).await).0, "permanent.account_disabled");
            assert_eq!(class(&bench.fail(Act::oauth(400, "invalid_grant")).await).0, "rate_limited");
        },
    );
}

#[test]
fn after_five_failures_in_a_row_nothing_is_sent_until_one_is_let_through_to_see() {
    bench(json!({}), async |bench| {
        bench.stub.always(Act::failure(500));
        for _ in 0..5 {
            bench.send("any").await.unwrap_err();
        }
        let open = bench.send("any").await.unwrap_err();
        assert_eq!((class(&open), open.retry_after_s), (("transient.connect", false), Some(30)));
        assert_eq!(bench.stub.calls(), 5);
        bench.app.clock.advance_millis(30_000);
        assert_eq!(class(&bench.send("any").await.unwrap_err()).0, "transient.5xx");
        assert_eq!(bench.send("any").await.unwrap_err().retry_after_s, Some(60));
        assert_eq!(bench.stub.calls(), 6);
        bench.stub.always(Act::Good);
        bench.app.clock.advance_millis(60_000);
        bench.stub.hold();
        let token = bench.stub.issue("ann");
        let (through, others) = tokio::join!(bench.send(&token), async {
            bench.stub.wait_for_calls(7).await;
            let others = [bench.send("any").await, bench.send("any").await];
            bench.stub.release();
            others
        });
        through.unwrap();
        assert!(others.into_iter().all(|other| other.unwrap_err().retry_after_s == Some(1)), "one at a time");
        bench.send(&bench.stub.issue("ann")).await.unwrap();
        assert_eq!(bench.stub.calls(), 8);
    });
}

#[test]
fn a_call_that_is_given_up_does_not_keep_the_breaker_open() {
    bench(json!({}), async |bench| {
        bench.stub.always(Act::failure(502));
        for _ in 0..5 {
            bench.send("any").await.unwrap_err();
        }
        bench.app.clock.advance_millis(30_000);
        bench.stub.always(Act::Good);
        bench.stub.hold();
        let token = bench.stub.issue("ann");
        tokio::select! {
            _ = bench.send(&token) => panic!("it is held"),
            () = bench.stub.wait_for_calls(6) => {}
        }
        bench.stub.release();
        bench.send(&bench.stub.issue("ann")).await.unwrap();
    });
}

#[test]
fn no_more_calls_are_under_way_than_the_provider_takes() {
    bench(json!({"max_concurrency": 3}), async |bench| {
        let tokens: Vec<String> = (0..20).map(|nth| bench.stub.issue(&format!("a{nth}"))).collect();
        bench.stub.hold();
        let all = futures_util::future::join_all(tokens.iter().map(|token| bench.send(token)));
        let (all, ()) = tokio::join!(all, async {
            bench.stub.wait_for_calls(3).await;
            bench.stub.release();
        });
        assert!(all.into_iter().all(|one| one.is_ok()));
        assert_eq!((bench.stub.calls(), bench.stub.most_at_once()), (20, 3));
        bench.change(&json!({"max_concurrency": 1})).await;
        bench.send(&bench.stub.issue("ann")).await.unwrap();
    });
}

#[test]
fn calls_go_by_the_account_s_proxy_and_never_past_it() {
    bench(json!({}), async |bench| {
        let port = bench.stub.addr().port();
        bench.change(&json!({"token_url": format!("http://provider.test:{port}/oauth/token")})).await;
        for (speaks, scheme) in [(Speaks::Http, "http"), (Speaks::Socks, "socks5h")] {
            for login in [None, Some(("user", "pa:ss"))] {
                let proxy = OutboundProxy::start_with(speaks, login);
                let url = proxy.url(scheme, login.map_or("", |_| "user:pa%3Ass@"));
                bench
                    .send_as(&bench.stub.issue("ann"), None, Some(&url))
                    .await
                    .unwrap_or_else(|failed| panic!("{url}: {failed:?}"));
                assert_eq!((proxy.connections(), proxy.targets()), (1, vec![format!("provider.test:{port}")]), "{url}");
                let calls = bench.stub.calls();
                if login.is_some() {
                    let wrong = bench.send_as("any", None, Some(&proxy.url(scheme, "user:wrong@"))).await.unwrap_err();
                    assert_eq!(class(&wrong), ("egress.proxy_auth", false), "{url}");
                }
                let url = url.clone();
                drop(proxy);
                let gone = loop {
                    // A connection to it may be kept still; it is noticed to be dead when it is used.
                    match bench.send_as("any", None, Some(&url)).await.unwrap_err() {
                        failed if failed.unanswered => {}
                        failed => break failed,
                    }
                };
                assert_eq!(class(&gone), ("egress.proxy_connect", false), "{url}");
                assert_eq!(bench.stub.calls(), calls, "never past it");
            }
        }
    });
}

#[test]
fn a_proxy_that_finds_no_connection_is_to_blame_and_opens_no_breaker() {
    bench(json!({"token_url": "https://provider.test:1/token"}), async |bench| {
        for (speaks, scheme) in [(Speaks::Http, "http"), (Speaks::Socks, "socks5h")] {
            let proxy = OutboundProxy::start(speaks);
            let url = proxy.url(scheme, "");
            for _ in 0..7 {
                let failed = bench.send_as("any", None, Some(&url)).await.unwrap_err();
                assert_eq!((class(&failed), failed.retry_after_s), (("egress.proxy_connect", false), None), "{scheme}");
            }
            assert_eq!(proxy.targets(), vec!["provider.test:1".to_owned(); 7]);
        }
    });
}

#[test]
fn a_host_that_is_not_there_is_a_failure_in_which_nothing_was_sent() {
    bench(json!({"token_url": "http://127.0.0.1:1/token"}), async |bench| {
        assert_eq!(class(&bench.send("any").await.unwrap_err()), ("transient.connect", false));
        let strict = Providers::new(&bench.app.state, settings(&bench.app).await, HttpClient::new(false));
        let token = Secret::new("any");
        let call = Call { account: 1, provider: &bench.model, client_id: None, refresh_token: &token, proxy: None };
        let refused = strict.exchange(&call).await.unwrap_err();
        assert_eq!(class(&refused), ("transient.connect", false));
        assert!(refused.detail.contains("private"), "{}", refused.detail);
    });
}
