use serde_json::{Value, json};

use super::{
    table::{ENTRIES, Kind},
    *,
};
use crate::{
    admin::Actor,
    base::{
        error::{Dialect, Error},
        http_client::HttpClient,
        scratch::on_each,
    },
    config::{self, Config},
};

async fn change(settings: &Settings, patch: Value) -> Result<Value, Error> {
    let view = settings.change(Actor::cli(), &serde_json::from_value(patch).unwrap()).await?;
    Ok(serde_json::to_value(view).unwrap()["settings"].clone())
}

#[actix_web::test]
async fn a_setting_outranks_the_configuration_until_it_is_null_again() {
    on_each(async |state| {
        let settings = Settings::load(state.clone()).await.unwrap();
        let configured = state.config.kv.rate_read;
        let views = change(&settings, json!({ "kv.rate_read": 7 })).await.unwrap();
        assert_eq!(settings.get().kv_rate_read, 7);
        assert_eq!(views[0]["value"], 7);
        assert_eq!(views[0]["default"], configured);
        assert_eq!(views[0]["source"], "setting");
        assert_eq!(views[0]["updated_at"], "2026-11-21T04:31:00.000Z");
        let views = change(&settings, json!({ "kv.rate_read": null })).await.unwrap();
        assert_eq!(settings.get().kv_rate_read, configured);
        assert_eq!(views[0]["source"], "configuration");
    })
    .await;
}

#[actix_web::test]
async fn another_replica_sees_a_change_when_it_looks() {
    on_each(async |state| {
        let here = Settings::load(state.clone()).await.unwrap();
        let there = Settings::load(state.clone()).await.unwrap();
        change(&here, json!({ "kv.rate_write": 3, "kv.rate_batch": 0 })).await.unwrap();
        there.refresh().await.unwrap();
        assert_eq!(here.get(), there.get());
        assert_eq!((there.get().kv_rate_write, there.get().kv_rate_batch), (3, 0));
    })
    .await;
}

#[actix_web::test]
async fn a_patch_with_a_wrong_field_changes_nothing_and_names_every_one() {
    on_each(async |state| {
        let settings = Settings::load(state.clone()).await.unwrap();
        let before = settings.get();
        let patch = json!({
            "kv.rate_read": 5, "kv.rate_write": -1, "kv.rate_delete": "5", "kv.rate_batch": 1_000_001,
            "kv.rate_address": 1.5, "kv.rate_raed": 5, "kv.max_value_bytes": 5,
        });
        let error = change(&settings, patch).await.unwrap_err();
        let document = error.document("", Dialect::Plain);
        let named = document["errors"].as_array().unwrap().iter();
        let named: Vec<_> =
            named.map(|field| (field["field"].as_str().unwrap(), field["code"].as_str().unwrap())).collect();
        assert_eq!(
            named,
            [
                ("kv.max_value_bytes", "unknown_field"),
                ("kv.rate_address", "type"),
                ("kv.rate_batch", "range"),
                ("kv.rate_delete", "type"),
                ("kv.rate_raed", "unknown_field"),
                ("kv.rate_write", "range"),
            ]
        );
        settings.refresh().await.unwrap();
        assert_eq!(settings.get(), before);
    })
    .await;
}

#[actix_web::test]
async fn each_change_is_audited_and_no_change_is_not() {
    use sea_orm::EntityTrait;
    on_each(async |state| {
        let settings = Settings::load(state.clone()).await.unwrap();
        for value in [json!(5), json!(5), json!(null), json!(null)] {
            change(&settings, json!({ "kv.rate_read": value })).await.unwrap();
        }
        let events = entity::audit_event::Entity::find().all(state.db.orm()).await.unwrap();
        let changes: Vec<Value> = events.iter().map(|event| serde_json::from_str(&event.changes).unwrap()).collect();
        assert_eq!(
            changes,
            [json!({ "value": { "old": null, "new": 5 } }), json!({ "value": { "old": 5, "new": null } })]
        );
        assert!(events.iter().all(|event| event.entity == "setting" && event.entity_id == "kv.rate_read"));
    })
    .await;
}

#[test]
fn a_setting_over_the_configuration_takes_what_that_takes() {
    for entry in ENTRIES {
        let Some(name) = entry.key else { continue };
        let key = config::all_keys().find(|key| key.name == name).unwrap();
        match (&entry.kind, &key.kind) {
            (Kind::Switch(_), config::Kind::Bool) => {}
            (Kind::Number(min, max, _), config::Kind::Integer { min: least, max: most }) => {
                assert_eq!((i64::from(*min), i64::from(*max)), (*least, *most), "{name}");
            }
            _ => panic!("{name} is of another kind"),
        }
    }
}

#[test]
fn every_setting_has_a_place_of_its_own_that_takes_what_it_may_be() {
    let (http, configured) = (HttpClient::new(false), Values::configured(&Config::default()));
    let mut values = configured.clone();
    for entry in ENTRIES {
        let other = match &entry.kind {
            Kind::Switch(_) => json!(!entry.get(&values).shown().as_bool().unwrap()),
            Kind::Number(_, max, _) => json!(max),
            Kind::Word(words, ..) => json!(words.last()),
            Kind::Proxies(_) => json!(["http://proxy.example:8080"]),
        };
        let given = entry.check(&other, &http).unwrap();
        entry.put(&mut values, given.clone());
        assert_eq!(entry.get(&values), given, "{}", entry.name);
        assert_ne!(entry.get(&configured), given, "{}", entry.name);
    }
    // What was put later did not move what was put before.
    for entry in ENTRIES {
        assert_ne!(entry.get(&values), entry.get(&configured), "{}", entry.name);
    }
}

#[actix_web::test]
async fn proxies_are_stored_sealed_and_shown_without_their_credentials() {
    use sea_orm::EntityTrait;
    on_each(async |state| {
        let settings = Settings::load(state.clone()).await.unwrap();
        let list = |password: &str| json!({ "proxy_list": [format!("http://user:{password}@proxy.example:8080"), "socks5://b.example:1"] });
        let shown = json!(["http://***@proxy.example:8080", "socks5://b.example:1"]);
        let views = change(&settings, list("hush-hush")).await.unwrap();
        assert_eq!(views[position("proxy_list")]["value"], shown);
        let url = |settings: &Settings| {
            let values = settings.get();
            values.proxy_list.choose(values.proxy_choice, 7, 0).unwrap().expose().to_owned()
        };
        assert_eq!(url(&settings), "http://user:hush-hush@proxy.example:8080");
        // Sent back as it was shown, nothing changes; another password is a change, whose event holds no password.
        change(&settings, json!({ "proxy_list": shown })).await.unwrap();
        assert_eq!(url(&settings), "http://user:hush-hush@proxy.example:8080");
        change(&settings, list("rush-rush")).await.unwrap();
        assert_eq!(url(&Settings::load(state.clone()).await.unwrap()), "http://user:rush-rush@proxy.example:8080");
        let rows = entity::setting::Entity::find().all(state.db.orm()).await.unwrap();
        let events = entity::audit_event::Entity::find().all(state.db.orm()).await.unwrap();
        assert_eq!(events.len(), 2, "{events:?}");
        for text in [format!("{rows:?}"), format!("{events:?}"), format!("{settings:?}"), views.to_string()] {
            assert!(!text.contains("hush-hush") && !text.contains("rush-rush"), "{text}");
        }
    })
    .await;
}

#[actix_web::test]
async fn proxies_that_cannot_be_read_are_never_taken_for_none() {
    use sea_orm::EntityTrait;
    on_each(async |state| {
        let row = entity::setting::ActiveModel {
            name: sea_orm::ActiveValue::Set("proxy_list".to_owned()),
            value: sea_orm::ActiveValue::Set("1.AAAA".to_owned()),
            updated_at: sea_orm::ActiveValue::Set(state.clock.now()),
        };
        state
            .writer
            .write(async move |tx| {
                entity::setting::Entity::insert(row.clone()).exec_without_returning(tx).await?;
                Ok(())
            })
            .await
            .unwrap();
        let values = Settings::load(state.clone()).await.unwrap().get();
        let url = values.proxy_list.choose(ProxyChoice::Hash, 7, 0).unwrap();
        assert!(HttpClient::new(true).check_proxy(url.expose()).is_err());
    })
    .await;
}

fn position(name: &str) -> usize {
    ENTRIES.iter().position(|entry| entry.name == name).unwrap()
}

#[test]
fn the_bound_of_a_second_leaves_time_for_the_answer() {
    assert!(live::POLL * 2 <= std::time::Duration::from_secs(1));
}
