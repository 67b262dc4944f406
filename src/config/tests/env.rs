//! The environment: names, types, files, older systems' names.

use super::{Dir, from_env, pairs};
use crate::config::{Amount, Kind, Origin, Sources, all_keys, load};

/// A value that fits the kind and differs from every default of that kind, as a variable's text.
fn other_value(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Integer { .. } => Some("7"),
        Kind::Amount { .. } => Some("77.5"),
        Kind::Secret => Some("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="),
        Kind::Span => Some("90s"),
        Kind::Timezone => Some("Europe/Berlin"),
        Kind::Networks => Some("10.0.0.0/8,::1"),
        Kind::Prices => Some("[15, 25.5]"),
        Kind::Bool | Kind::Text | Kind::Texts | Kind::Choice(_) => None,
    }
}

#[test]
fn every_key_has_a_variable_that_sets_it() {
    let dir = Dir::new();
    for key in all_keys() {
        let value = match (key.name, key.kind) {
            ("redis.url", _) => "redis://localhost",
            ("wechat.api_v3_key", _) => "0123456789abcdef0123456789abcdef",
            (_, Kind::Bool) if key.default == "true" => "false",
            (_, Kind::Bool) => "true",
            (_, Kind::Choice(words)) => words.last().unwrap(),
            (_, Kind::Texts) => "https://a.example",
            ("keys.currency", _) => "CNY",
            ("server.public_url" | "wechat.api_base" | "wechat.pay_base" | "wechat.notify_url", _) => {
                "https://a.example"
            }
            (_, kind) => other_value(kind).unwrap_or("text"),
        };
        let env = pairs(&[
            (key.env().as_str(), value),
            // What has to be there together with the key under test.
            ("LATCHKEY__SERVER__TLS_CERT_FILE", "text"),
            ("LATCHKEY__SERVER__TLS_KEY_FILE", "text"),
            ("LATCHKEY__WECHAT__PLATFORM_PUBLIC_KEY_ID", "text"),
            ("LATCHKEY__WECHAT__PLATFORM_PUBLIC_KEY_FILE", "text"),
        ]);
        let mut env: std::collections::BTreeMap<_, _> = env.into_iter().collect();
        env.insert(key.env(), value.to_owned());
        if key.name == "database.type" {
            env.insert("LATCHKEY__DATABASE__DATABASE".into(), "latchkey".into());
        }
        if key.name == "recharge.min_amount" || key.name == "recharge.max_amount" {
            env.insert("LATCHKEY__RECHARGE__AMOUNTS".into(), "77.5".into());
        }
        let loaded = load(&Sources { env, ..dir.sources() }).unwrap_or_else(|errors| panic!("{errors:?}"));
        assert_eq!(loaded.origins[key.name], Origin::Env { name: key.env() });
        let shown = crate::config::show::json(&loaded)[key.name]["value"].clone();
        let defaults = crate::config::show::json(&dir.load().unwrap())[key.name]["value"].clone();
        assert_ne!(shown, defaults, "{} did not change", key.name);
    }
}

#[test]
fn an_unknown_variable_of_ours_is_named() {
    for (name, hint) in [
        ("LATCHKEY__SERVER__PROT", "; did you mean LATCHKEY__SERVER__PORT?"),
        ("LATCHKEY__QUOTA_HISTORY_TTTL", "; did you mean LATCHKEY__QUOTA_HISTORY_TTL?"),
        ("latchkey__server__port", ""),
        ("LATCHKEY__", ""),
    ] {
        let errors = from_env(&[(name, "1")]).unwrap_err();
        assert_eq!(errors, [format!("env {name}: {name} is not a known variable{hint}")]);
    }
}

#[test]
fn variables_of_others_are_left_alone() {
    assert!(from_env(&[("LATCHKEY_PASSPHRASE", "x"), ("PATH", "/bin"), ("PORT", "x")]).is_ok());
}

#[test]
fn lists_are_comma_separated_or_json() {
    for text in ["https://a.example, https://b.example", r#"["https://a.example", "https://b.example"]"#] {
        let config = from_env(&[("LATCHKEY__KV__CORS_ORIGINS", text)]).unwrap();
        assert_eq!(config.kv.cors_origins, ["https://a.example", "https://b.example"]);
    }
    for text in ["10,20.5", "[10, 20.5]", "[\"10\", \"20.5\"]"] {
        let config = from_env(&[("LATCHKEY__RECHARGE__AMOUNTS", text)]).unwrap();
        assert_eq!(config.recharge.amounts, [Amount::whole(10), Amount::from_micros(20_500_000)]);
    }
    for text in ["", " ", "[]"] {
        assert!(from_env(&[("LATCHKEY__KV__CORS_ORIGINS", text)]).unwrap().kv.cors_origins.is_empty());
    }
    for text in ["a,,b", "[\"a\"", "[[\"a\"]]", "[null]"] {
        assert!(from_env(&[("LATCHKEY__RECHARGE__PLATFORMS", text)]).is_err(), "{text:?} was taken");
    }
}

#[test]
fn booleans_are_true_or_false_and_nothing_else() {
    assert!(!from_env(&[("LATCHKEY__REFRESH__ENABLED", "false")]).unwrap().refresh.enabled);
    for text in ["1", "yes", "True", ""] {
        assert!(from_env(&[("LATCHKEY__REFRESH__ENABLED", text)]).is_err(), "{text:?} was taken");
    }
}

#[test]
fn null_is_a_value_only_where_the_key_is_nullable() {
    let dir = Dir::with_config("checkin: { max_total_cost_limit: 12.5 }\n");
    assert_eq!(dir.load().unwrap().config.checkin.max_total_cost_limit, Some(Amount::from_micros(12_500_000)));
    let loaded = dir.load_env(&[("LATCHKEY__CHECKIN__MAX_TOTAL_COST_LIMIT", "null")]).unwrap();
    assert_eq!(loaded.config.checkin.max_total_cost_limit, None);
    assert!(dir.load_env(&[("LATCHKEY__CHECKIN__REWARD_AMOUNT", "null")]).is_err());
}

#[test]
fn a_text_that_looks_like_a_number_stays_text() {
    let config = from_env(&[("LATCHKEY__WECHAT__MCH_ID", "0190"), ("LATCHKEY__DATABASE__PASSWORD", "null")]).unwrap();
    assert_eq!(config.wechat.mch_id, "0190");
    assert_eq!(config.database.password.expose(), "null");
}

#[test]
fn a_secret_is_read_from_the_file_that_its_file_variable_names() {
    let dir = Dir::new();
    dir.write("run/secrets/api", " with spaces \r\n");
    let loaded = dir.load_env(&[("LATCHKEY__AUTH__API_SECRET_FILE", "run/secrets/api")]).unwrap();
    assert_eq!(loaded.config.auth.api_secret.expose(), " with spaces ");
    assert_eq!(loaded.origins["auth.api_secret"], Origin::Env { name: "LATCHKEY__AUTH__API_SECRET_FILE".into() });

    let loaded = dir.load_env(&[("WECHAT_APP_SECRET_FILE", "run/secrets/api")]).unwrap();
    assert_eq!(loaded.config.wechat.app_secret.expose(), " with spaces ");
}

#[test]
fn a_missing_secret_file_is_an_error_that_names_it() {
    let errors = from_env(&[("LATCHKEY__AUTH__API_SECRET_FILE", "nowhere")]).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("env LATCHKEY__AUTH__API_SECRET_FILE: auth.api_secret cannot be read from"));
}

#[test]
fn a_variable_together_with_its_file_variable_is_an_error() {
    for name in ["LATCHKEY__AUTH__API_SECRET", "WECHAT_APP_SECRET"] {
        let file = format!("{name}_FILE");
        let errors = from_env(&[(name, "x"), (&file, "nowhere")]).unwrap_err();
        assert_eq!(errors.len(), 1);
        assert!(errors[0].ends_with(&format!("cannot be set while {name} is set too")), "{errors:?}");
    }
}

#[test]
fn keys_that_end_in_file_hold_paths() {
    let config = from_env(&[("LATCHKEY__WECHAT__MERCHANT_PRIVATE_KEY_FILE", "pay/key.pem")]).unwrap();
    assert_eq!(config.wechat.merchant_private_key_file, "pay/key.pem");
}

#[test]
fn only_secrets_have_a_file_variable() {
    let errors = from_env(&[("LATCHKEY__SERVER__PORT_FILE", "x")]).unwrap_err();
    assert!(
        errors[0].ends_with("is not known: only secrets are read from files, server.port is not one"),
        "{errors:?}"
    );
}

#[test]
fn the_older_systems_names_work_and_ours_outrank_them() {
    let older = [
        ("WECHAT_MINIAPP_ENABLED", "true"),
        ("WECHAT_APP_ID", "wx1"),
        ("WECHAT_APP_SECRET", "app-secret"),
        ("WECHAT_PAYMENT_MCH_ID", "190"),
        ("WECHAT_PAYMENT_API_KEY", "0123456789abcdef0123456789abcdef"),
        ("WECHAT_PAYMENT_NOTIFY_URL", "https://a.example/callback"),
        ("CHECKIN_REWARD_AMOUNT", "0.5"),
        ("CHECKIN_LIMIT_PER_USER_PER_DAY", "3"),
        ("QUOTA_HISTORY_TTL", "60"),
        ("CLEANUP_INTERVAL", "1500"),
    ];
    let config = from_env(&older).unwrap();
    assert!(config.wechat.enabled);
    assert_eq!(config.wechat.app_id, "wx1");
    assert_eq!(config.wechat.app_secret.expose(), "app-secret");
    assert_eq!(config.wechat.mch_id, "190");
    assert_eq!(config.wechat.api_v3_key.expose(), "0123456789abcdef0123456789abcdef");
    assert_eq!(config.wechat.notify_url, "https://a.example/callback");
    assert_eq!(config.checkin.reward_amount, Amount::from_micros(500_000));
    assert_eq!(config.checkin.limit_per_user_per_day, 3);
    assert_eq!(config.quota_history_ttl, 60);
    assert_eq!(config.keys.cleanup_interval.seconds(), 2);
    assert_eq!(all_keys().filter(|key| key.older.is_some()).count(), older.len());

    let both = [("QUOTA_HISTORY_TTL", "60"), ("LATCHKEY__QUOTA_HISTORY_TTL", "90")];
    assert_eq!(from_env(&both).unwrap().quota_history_ttl, 90);
}

#[test]
fn an_interval_in_milliseconds_has_to_be_a_number_above_zero() {
    for text in ["0", "-1", "1h", ""] {
        assert!(from_env(&[("CLEANUP_INTERVAL", text)]).is_err(), "{text:?} was taken");
    }
}
