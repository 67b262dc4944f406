//! What the settings do: they hold at once, and rewrite no account and no provider.

use entity::{provider, refresh_event, refresh_token};
use latchkey::{
    base::{job::JobContext, lease::Fence},
    settings::Settings,
    tokens::refresh::{self, Refresher},
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use crate::kit::{
    Answer, Database, GOOD, Notifiers, OutboundProxy, Provider, Speaks, TestApp, eventually,
    provider::{Act, Acting},
};

const DAY: i64 = 86_400_000;

/// A service with a stub provider of its own.
struct House {
    app: TestApp,
    stub: Provider,
}

impl House {
    async fn open(database: Database) -> Self {
        let app = TestApp::start_with(database, |config| config.security.allow_private_targets = true).await;
        let stub = Provider::start(&app.clock);
        let provider = json!({"name": "stub", "token_url": stub.url(), "client_id": "c"});
        app.post("/public-api/providers", &provider).root().send().await.expect(201);
        Self { app, stub }
    }

    async fn set(&self, settings: Value) {
        self.app.patch("/public-api/settings", &settings).root().send().await.expect(200);
    }

    async fn account(&self, name: &str, more: Value) -> i64 {
        let mut new = json!({"biz_id": name, "provider": "stub", "refresh_token": self.stub.issue(name)});
        new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.app.post("/public-api/tokens", &new).root().send().await.expect(201)["id"].as_i64().unwrap()
    }

    async fn refresh(&self, name: &str) -> Answer {
        self.app.post("/public-api/refresh", &json!({"biz_id": name})).root().send().await
    }

    async fn row(&self, id: i64) -> refresh_token::Model {
        refresh_token::Entity::find_by_id(id).one(self.app.state.db.orm()).await.unwrap().unwrap()
    }

    /// Accounts whose time to be refreshed has come.
    async fn due(&self, names: &[&str]) -> Vec<i64> {
        let mut ids = Vec::new();
        for name in names {
            ids.push(self.account(name, json!({})).await);
            self.refresh(name).await.expect(200);
        }
        self.app.clock.advance_millis(400 * DAY);
        ids
    }

    /// A run of the job, on schedule or by hand.
    async fn run(&self, by_hand: bool) {
        let (context, refresher, settings) = self.job(by_hand).await;
        refresh::job(context, refresher, settings).await.unwrap();
    }

    async fn job(&self, by_hand: bool) -> (JobContext, Refresher, Settings) {
        use latchkey::{
            base::http_client::HttpClient,
            outbox::{Couriers, Outbox},
            providers::Providers,
        };
        let state = self.app.state_of_another();
        let settings = Settings::load(state.clone()).await.unwrap();
        let providers = Providers::new(&state, settings.clone(), HttpClient::new(true));
        let outbox = Outbox::new(state.clone(), "another", Couriers::default()).unwrap();
        let journal = self.app.database.folder.join("another");
        let refresher = Refresher::start(state.clone(), providers, outbox, "another", journal).await.unwrap();
        let context =
            JobContext { state, lease: "none".to_owned(), fence: Fence(1), by_hand, stop: Default::default() };
        (context, refresher, settings)
    }
}

macro_rules! in_both_houses {
    ($($(#[$meta:meta])* async fn $name:ident($house:ident) $body:block)*) => {
        on_each_database! {
            $($(#[$meta])* async fn $name(database: Database) {
                let $house = House::open(database).await;
                $body
                $house.app.stop().await;
            })*
        }
    };
}

in_both_houses! {
    async fn an_account_without_a_proxy_takes_one_of_the_list_and_one_with_its_own_keeps_it(house) {
        let login = Some(("user", "hush-hush"));
        let [first, second] = [OutboundProxy::start_with(Speaks::Http, login), OutboundProxy::start(Speaks::Socks)];
        let own = OutboundProxy::start(Speaks::Http);
        let plain = house.account("plain", json!({})).await;
        house.account("own", json!({"proxy": own.url("http", "")})).await;
        let used = || [first.targets().len(), second.targets().len(), own.targets().len()];
        house.set(json!({"proxy_list": [first.url("http", "user:hush-hush@"), second.url("socks5h", "")]})).await;
        house.refresh("plain").await.expect(200);
        house.refresh("own").await.expect(200);
        assert_eq!(used(), [1, 0, 1], "the first one; its own");
        house.set(json!({"proxy_list": [second.url("socks5h", "")]})).await;
        house.refresh("plain").await.expect(200);
        assert_eq!(used(), [1, 1, 1], "at once");
        let row = house.row(plain).await;
        assert_eq!((row.proxy, row.version), (None, 2), "the account is as it was");
        house.set(json!({"proxy_list": null})).await;
        house.refresh("plain").await.expect(200);
        assert_eq!((used(), house.stub.calls()), ([1, 1, 1], 4));
    }

    async fn round_robin_takes_turns_and_hash_keeps_an_account_to_one_proxy(house) {
        let proxies: Vec<_> = (0..3).map(|_| OutboundProxy::start(Speaks::Http)).collect();
        let list: Vec<_> = proxies.iter().map(|proxy| proxy.url("http", "")).collect();
        let used = || proxies.iter().map(|proxy| proxy.targets().len()).collect::<Vec<_>>();
        house.account("a", json!({})).await;
        house.set(json!({"proxy_list": list, "proxy_choice": "round_robin"})).await;
        for _ in 0..6 {
            house.refresh("a").await.expect(200);
        }
        assert_eq!(used(), [2, 2, 2]);
        house.set(json!({"proxy_choice": "hash"})).await;
        for _ in 0..6 {
            house.refresh("a").await.expect(200);
        }
        let mut more: Vec<_> = used().into_iter().map(|count| count - 2).collect();
        more.sort_unstable();
        assert_eq!(more, [0, 0, 6]);
    }

    async fn a_broken_proxy_of_the_list_fails_the_call_and_is_never_gone_around(house) {
        let id = house.account("a", json!({})).await;
        let stranger = OutboundProxy::start_with(Speaks::Http, Some(("user", "another")));
        for (proxy, class) in [("http://127.0.0.1:9".to_owned(), "egress.proxy_connect"), (stranger.url("http", "user:hush-hush@"), "egress.proxy_auth")] {
            house.set(json!({"proxy_list": [proxy]})).await;
            let refused = house.refresh("a").await.problem(502, "PROVIDER_FAILED");
            assert_eq!(refused["failure_class"], class);
            assert!(!refused.to_string().contains("hush-hush"));
        }
        let row = house.row(id).await;
        assert_eq!((house.stub.calls(), row.state.as_str(), row.failure_count), (0, "new", 0));
    }

    async fn auto_refresh_off_stops_the_job_and_nothing_else(house) {
        let ids = house.due(&["a", "b"]).await;
        house.set(json!({"auto_refresh": false})).await;
        house.run(false).await;
        assert_eq!(house.stub.calls(), 2, "none that is due");
        house.refresh("a").await.expect(200);
        house.run(true).await;
        assert_eq!((house.stub.calls(), house.row(ids[1]).await.version), (4, 2), "what somebody asks for is done");
        house.app.clock.advance_millis(400 * DAY);
        house.set(json!({"auto_refresh": null})).await;
        house.run(false).await;
        assert_eq!(house.stub.calls(), 6);
    }

    async fn the_job_keeps_to_the_concurrency_of_the_settings_while_it_runs(house) {
        house.due(&["a", "b", "c", "d"]).await;
        house.set(json!({"refresh_concurrency": 2})).await;
        let (context, refresher, settings) = house.job(false).await;
        house.stub.hold();
        let widen = async {
            house.stub.wait_for_calls(6).await;
            assert_eq!(house.stub.most_at_once(), 2);
            house.set(json!({"refresh_concurrency": 16})).await;
            settings.refresh().await.unwrap();
            house.stub.release();
        };
        let (done, ()) = tokio::join!(refresh::job(context, refresher, settings.clone()), widen);
        assert_eq!(done.unwrap().unwrap(), "4 refreshed, 0 not");
    }

    async fn a_provider_without_numbers_of_its_own_follows_the_settings_at_once(house) {
        let own = json!({"name": "own", "token_url": house.stub.url(), "timeout_ms": 30_000, "refresh_margin_s": 1000});
        house.app.post("/public-api/providers", &own).root().send().await.expect(201);
        house.set(json!({"provider_timeout_ms": 150, "provider_max_concurrency": 3, "refresh_margin_s": 7200})).await;
        let show = async |name: &str| house.app.get(&format!("/public-api/providers/{name}")).root().send().await.expect(200);
        let (stub, own) = (show("stub").await, show("own").await);
        assert_eq!([&stub["timeout_ms"], &stub["max_concurrency"], &stub["refresh_margin_s"]], [150, 3, 7200]);
        assert_eq!([&own["timeout_ms"], &own["max_concurrency"], &own["refresh_margin_s"]], [30_000, 3, 1000]);
        assert_eq!(own["inherited"], json!(["max_concurrency", "min_interval_ms"]));
        let row = provider::Entity::find().filter(provider::Column::Name.eq("stub")).one(house.app.state.db.orm()).await.unwrap().unwrap();
        assert_eq!((row.timeout_ms, row.max_concurrency, row.version), (None, None, 0), "the provider is as it was");
        house.account("a", json!({})).await;
        house.stub.next(Act::Hang(Acting::Not));
        house.refresh("a").await.problem(504, "PROVIDER_TIMEOUT");
        // Its own number, taken back, follows the settings again.
        house.app.patch("/public-api/providers/own", &json!({"timeout_ms": null})).root().send().await.expect(200);
        assert_eq!(show("own").await["timeout_ms"], 150);
    }

    async fn the_margin_holds_from_the_next_refresh_on(house) {
        let id = house.account("a", json!({})).await;
        let ahead = async || {
            house.refresh("a").await.expect(200);
            let row = house.row(id).await;
            (row.access_expires_at.unwrap().0 - row.next_refresh_at.unwrap().0) / 1000
        };
        let before = ahead().await;
        let wider = 1500;
        assert!(before < wider, "{before}");
        house.set(json!({"refresh_margin_s": wider})).await;
        let row = house.row(id).await;
        assert_eq!((row.access_expires_at.unwrap().0 - row.next_refresh_at.unwrap().0) / 1000, before, "not rewritten");
        let after = ahead().await;
        assert!(after >= wider, "{before} s, then {after} s");
    }

    async fn notifications_speak_the_language_of_the_settings(house) {
        let stubs = Notifiers::start().await;
        let channel = json!({"name": "ops", "kind": "bark", "config": {"device_key": GOOD, "base_url": stubs.url}});
        let channel = house.app.post("/public-api/notifications/channels", &channel).root().send().await.expect(201);
        let path = format!("/public-api/notifications/channels/{}/test", channel["id"]);
        let title = async || {
            assert_eq!(house.app.call("POST", &path).root().send().await.expect(200)["delivered"], true);
            stubs.take()[0].body["title"].as_str().unwrap().to_owned()
        };
        assert_eq!(title().await, "测试通知");
        house.set(json!({"language": "en"})).await;
        assert_eq!(title().await, "Test notification");
        house.set(json!({"language": null})).await;
        assert_eq!(title().await, "测试通知");
    }

    async fn events_of_accounts_are_kept_as_long_as_the_settings_say(house) {
        house.account("a", json!({})).await;
        house.refresh("a").await.expect(200);
        let events = async || refresh_event::Entity::find().count(house.app.state.db.orm()).await.unwrap();
        let purge = async || {
            let begun = house.app.post("/public-api/jobs/purge/run", &json!({})).root().send().await.expect(202);
            let task = format!("/public-api/tasks/{}", begun["task_id"].as_str().unwrap());
            eventually("the job is over", async || {
                house.app.get(&task).root().send().await.expect(200)["state"] == "done"
            })
            .await;
        };
        let all = events().await;
        assert!(all > 0);
        house.app.clock.advance_millis(10 * DAY + 1);
        purge().await;
        assert_eq!(events().await, all);
        house.set(json!({"log_retention_days": 10})).await;
        purge().await;
        assert_eq!(events().await, 0);
    }
}
