use serde_json::{Value, json};

use super::*;
use crate::{
    admin::Actor,
    base::{
        error::{Dialect, Error},
        scratch::on_each,
    },
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
fn every_setting_is_a_configuration_value_with_a_range() {
    for entry in values::ENTRIES {
        assert!(entry.key().is_some(), "{}", entry.name);
        let (min, max) = entry.range();
        assert!(min < max, "{}", entry.name);
    }
}

#[test]
fn the_bound_of_a_second_leaves_time_for_the_answer() {
    assert!(live::POLL * 2 <= std::time::Duration::from_secs(1));
}
