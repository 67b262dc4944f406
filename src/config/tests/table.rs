//! Table, structs, example and listing say the same.

use std::collections::BTreeSet;

use super::{Dir, from_env, from_file};
use crate::config::{Config, Kind, all_keys, example, show};

#[test]
fn the_example_file_is_the_table() {
    let file = include_str!("../../../config/config.example.yml");
    assert_eq!(file, example::render(), "write config::example::render() into config/config.example.yml");
}

#[test]
fn the_example_file_loads_as_the_defaults_and_lists_every_key() {
    let loaded = Dir::with_config(include_str!("../../../config/config.example.yml")).load().unwrap();
    assert_eq!(loaded.config, Config::default());
    for (key, origin) in &loaded.origins {
        assert!(matches!(origin, crate::config::Origin::File { .. }), "{key} is not in the example");
    }
    assert_eq!(loaded.origins.len(), all_keys().count());
}

#[test]
fn names_and_variables_are_unique_and_every_key_has_a_sentence() {
    let mut names = BTreeSet::new();
    for key in all_keys() {
        assert!(names.insert(key.name.to_owned()) && names.insert(key.env()), "{} is there twice", key.name);
        assert!(key.older.as_ref().is_none_or(|older| names.insert(older.name.to_owned())));
        assert!(key.about.ends_with('.') && key.about.len() > 8, "{}: {:?}", key.name, key.about);
    }
    // A secret's file variable must not be another key's own variable.
    let clash = |key: &crate::config::Key| key.is_secret() && names.contains(&format!("{}_FILE", key.env()));
    assert!(all_keys().all(|key| !clash(key)));
}

#[test]
fn every_word_and_both_ends_of_every_range_fit_the_fields() {
    for key in all_keys() {
        let values = match key.kind {
            Kind::Integer { min, max } => vec![min.to_string(), max.to_string()],
            Kind::Choice(words) => words.iter().map(ToString::to_string).collect(),
            _ => continue,
        };
        for value in values {
            let env = [(key.env(), value.clone()), ("LATCHKEY__DATABASE__DATABASE".to_owned(), "name".to_owned())];
            let env: Vec<_> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            from_env(&env).unwrap_or_else(|errors| panic!("{} = {value}: {errors:?}", key.name));
        }
    }
}

#[test]
fn the_defaults_are_those_that_are_documented() {
    // The published table of defaults, word for word.
    let documented = r#"
server:   { host: 0.0.0.0, port: 8080, mode: debug, workers: 0, public_url: "", timezone: Asia/Shanghai, trusted_proxies: [], shutdown_delay: 0, shutdown_timeout: 30, tls_cert_file: "", tls_key_file: "" }
database: { type: sqlite, database: ./data/latchkey.db, host: localhost, port: 3306, user: root, password: "", table_prefix: "", max_idle_conns: 10, max_open_conns: 100, conn_max_lifetime: 3600, synchronous: full, auto_migrate: true }
auth:     { username: admin, password: "", jwt_secret: "", jwt_expire_hours: 240, api_secret: "" }
security: { master_key: "", allow_private_targets: false, metrics_token: "" }
kv:       { site_key: "", max_value_bytes: 1048576, max_keys_per_device: 100000, max_device_bytes: 1073741824, cors_origins: ["*"], rate_read: 1024, rate_write: 512, rate_delete: 256, rate_batch: 128, rate_address: 50 }
keys:     { cleanup_interval: 1h, lease_seconds: 300, usage_retention_days: 400, currency: USD, cost_per_usd: 1, price_file: "", crs_encryption_key: "", weekly_reset_day: 1, weekly_reset_hour: 0, on_counter_failure: closed }
refresh:  { enabled: true, concurrency: 16, commit_retry_s: 60, keep_disabled_fresh: false }
wechat:   { enabled: false, app_id: "", app_secret: "", api_base: https://api.weixin.qq.com, pay_base: https://api.mch.weixin.qq.com, mch_id: "", api_v3_key: "", merchant_serial: "", merchant_private_key_file: "",
            platform_public_key_id: "", platform_public_key_file: "", platform_certificate_files: [], fetch_platform_certificates: false, notify_url: "" }
checkin:  { enabled: true, reward_amount: 100, limit_per_user_per_day: 5, max_total_cost_limit: null, require_usage_days: 0 }
recharge: { enabled: false, min_amount: 1, max_amount: 5000, amounts: [10, 50, 100, 200, 500, 1000], allow_custom: true, quota_per_yuan: 1, platforms: [android] }
quota_history_ttl: 43200
redis:    { url: "" }
log:      { level: info, format: text }
"#;
    let dir = Dir::with_config(documented);
    let loaded = dir.load().unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.origins.values().all(|origin| *origin != crate::config::Origin::Default));
}

#[test]
fn a_listing_has_every_key_with_its_value_and_source() {
    let dir = Dir::with_config("server:\n  port: 1\n  host: \"\\n\"\ncheckin: { reward_amount: 0.5 }\n");
    let loaded = dir.load_env(&[("LATCHKEY__SERVER__PORT", "9000")]).unwrap_err();
    assert!(loaded[0].contains("server.host must not be empty"), "{loaded:?}");

    let dir = Dir::with_config("server:\n  port: 1\n  host: localhost\ncheckin: { reward_amount: 0.5 }\n");
    let loaded = dir.load_env(&[("LATCHKEY__SERVER__PORT", "9000")]).unwrap();
    let lines = show::lines(&loaded);
    assert_eq!(lines.len(), all_keys().count());
    for line in [
        "server.port = 9000  (env LATCHKEY__SERVER__PORT)",
        "server.host = localhost  (config/config.yml:3)",
        "checkin.reward_amount = 0.5  (config/config.yml:4)",
        "checkin.max_total_cost_limit = null  (default)",
        "auth.password = \"\"  (default)",
        "kv.cors_origins = [\"*\"]  (default)",
        "keys.cleanup_interval = 1h  (default)",
    ] {
        assert!(lines.iter().any(|shown| shown == line), "{line} is not in {lines:#?}");
    }
    let json = show::json(&loaded);
    let port = serde_json::json!({"value": 9000, "source": "env", "name": "LATCHKEY__SERVER__PORT"});
    let host = serde_json::json!({"value": "localhost", "source": "file", "file": "config/config.yml", "line": 3});
    assert_eq!((&json["server.port"], &json["server.host"]), (&port, &host));
}

#[test]
fn what_show_lists_can_be_given_back_as_a_file() {
    let text =
        "keys: { cleanup_interval: 90s, cost_per_usd: 7.123456 }\nserver: { trusted_proxies: [10.0.0.0/8, \"::1\"] }\n";
    let config = from_file(text).unwrap();
    let shown = serde_json::to_value(&config).unwrap();
    assert_eq!(shown["keys"]["cleanup_interval"], "90s");
    assert_eq!(shown["keys"]["cost_per_usd"], 7.123456);
    assert_eq!(shown["server"]["trusted_proxies"], serde_json::json!(["10.0.0.0/8", "::1"]));
}
