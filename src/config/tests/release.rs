//! What `mode: release` refuses, and what recharges need.

use super::{Dir, from_env};
use crate::config::validate::{EXAMPLES, recharge_needs};

const RELEASE: (&str, &str) = ("LATCHKEY__SERVER__MODE", "release");

/// The key of the only error in release mode, after the same value has passed in debug mode.
fn refused(name: &str, value: &str) -> String {
    from_env(&[(name, value)]).unwrap_or_else(|errors| panic!("{errors:?}"));
    let errors = from_env(&[RELEASE, (name, value)]).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].clone()
}

#[test]
fn release_mode_refuses_a_short_secret() {
    for name in ["AUTH__JWT_SECRET", "AUTH__API_SECRET", "SECURITY__METRICS_TOKEN"] {
        let name = format!("LATCHKEY__{name}");
        assert!(refused(&name, &"x".repeat(31)).contains("must have at least 32 characters"));
        assert!(from_env(&[RELEASE, (&name, &"x".repeat(32))]).is_ok());
    }
    assert!(refused("LATCHKEY__AUTH__PASSWORD", "elevenchars").contains("must have at least 12 characters"));
    assert!(from_env(&[RELEASE, ("LATCHKEY__AUTH__PASSWORD", "twelve chars")]).is_ok());
}

#[test]
fn release_mode_refuses_the_examples_of_the_documentation() {
    for example in EXAMPLES {
        assert_eq!(*example, example.to_ascii_lowercase(), "is compared in lower case");
        assert!(refused("LATCHKEY__AUTH__API_SECRET", &example.to_ascii_uppercase()).contains("is an example"));
    }
    assert!(refused("LATCHKEY__DATABASE__PASSWORD", "changeme").contains("is an example"));
}

#[test]
fn release_mode_refuses_a_master_key_of_zeros_in_either_spelling() {
    for key in ["0".repeat(64), format!("{}=", "A".repeat(43))] {
        assert!(refused("LATCHKEY__SECURITY__MASTER_KEY", &key).contains("is an example"));
    }
}

#[test]
fn release_mode_takes_short_secrets_that_others_give_out_and_missing_ones() {
    assert!(from_env(&[RELEASE]).is_ok());
    let others = [RELEASE, ("LATCHKEY__DATABASE__PASSWORD", "p4ss"), ("LATCHKEY__KV__SITE_KEY", "k3y")];
    assert!(from_env(&others).is_ok());
}

#[test]
fn release_mode_refuses_payment_addresses_without_https() {
    for name in ["API_BASE", "PAY_BASE", "NOTIFY_URL"] {
        let message = refused(&format!("LATCHKEY__WECHAT__{name}"), "http://a.example");
        assert!(message.contains("must be an https address"), "{message}");
    }
    let derived = [("LATCHKEY__SERVER__PUBLIC_URL", "http://a.example"), ("LATCHKEY__RECHARGE__ENABLED", "true")];
    assert!(from_env(&derived).is_ok());
    let errors = from_env(&[RELEASE, derived[0], derived[1]]).unwrap_err();
    assert!(errors.len() == 1 && errors[0].contains("wechat.notify_url"), "{errors:?}");
}

#[test]
fn recharge_names_each_value_that_is_missing() {
    let dir = Dir::new();
    assert!(recharge_needs(&dir.load().unwrap()).is_empty());

    let needs = recharge_needs(&dir.load_env(&[("LATCHKEY__RECHARGE__ENABLED", "true")]).unwrap());
    assert_eq!(needs.len(), 9, "{needs:?}");

    let complete = "
server: { public_url: 'https://a.example/' }
recharge: { enabled: true }
wechat: { enabled: true, app_id: wx1, app_secret: s, mch_id: '190', api_v3_key: 0123456789abcdef0123456789abcdeX,
          merchant_serial: '5A', merchant_private_key_file: key.pem, fetch_platform_certificates: true }
";
    let loaded = Dir::with_config(complete).load().unwrap();
    assert!(recharge_needs(&loaded).is_empty());
    let url = loaded.config.wechat.notify_url(&loaded.config.server.public_url);
    assert_eq!(url.as_deref(), Some("https://a.example/wechat/recharge/callback"));
}
