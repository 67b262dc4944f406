//! Forms and ranges of single values.

use std::net::IpAddr;

use super::{from_env, from_file};
use crate::config::{Amount, Network, Span};

#[test]
fn a_master_key_is_exactly_32_bytes_in_hex_or_padded_base64() {
    let bytes: Vec<u8> = (1..=32).collect();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let base64 = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    for key in [hex.as_str(), &hex.to_uppercase(), base64] {
        let config = from_env(&[("LATCHKEY__SECURITY__MASTER_KEY", key)]).unwrap();
        assert_eq!(config.security.master_key_bytes().unwrap().as_slice(), bytes);
    }
    let url_safe = "__________________________________________8=";
    for key in [&hex[..62], &format!("{hex}00"), &base64[..43], "AQID", url_safe, &"é".repeat(32), " "] {
        let errors = from_env(&[("LATCHKEY__SECURITY__MASTER_KEY", key)]).unwrap_err();
        assert!(errors.len() == 1 && errors[0].contains("exactly 32 bytes"), "{key}: {errors:?}");
    }
}

#[test]
fn trusted_proxies_are_addresses_and_ranges() {
    let list = "10.0.0.0/8,192.168.1.7,fd00::/8,::ffff:172.16.0.0/108";
    let config = from_env(&[("LATCHKEY__SERVER__TRUSTED_PROXIES", list)]).unwrap();
    let trusted = |ip: &str| config.server.is_trusted(ip.parse::<IpAddr>().unwrap());
    for ip in ["10.1.2.3", "192.168.1.7", "fdff::1", "::ffff:10.1.2.3", "172.31.255.255"] {
        assert!(trusted(ip), "{ip}");
    }
    for ip in ["11.0.0.1", "192.168.1.8", "fe80::1", "::1", "172.32.0.0", "::10.1.2.3"] {
        assert!(!trusted(ip), "{ip}");
    }
    for text in ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "proxy.example", "10.0.0", "10.0.0.1/8/8"] {
        assert!(from_env(&[("LATCHKEY__SERVER__TRUSTED_PROXIES", text)]).is_err(), "{text:?} was taken");
    }
    let all: Network = "0.0.0.0/0".parse().unwrap();
    assert!(all.contains("1.2.3.4".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
    assert!(!from_env(&[]).unwrap().server.is_trusted("127.0.0.1".parse().unwrap()));
}

#[test]
fn a_table_prefix_is_up_to_16_letters_digits_and_underscores() {
    for (prefix, fits) in [("", true), ("lk_", true), ("aZ9_aZ9_aZ9_aZ9_", true)].into_iter().chain([
        ("aZ9_aZ9_aZ9_aZ9_x", false),
        ("a-b", false),
        ("a b", false),
        ("ä", false),
        ("a.b", false),
    ]) {
        assert_eq!(from_env(&[("LATCHKEY__DATABASE__TABLE_PREFIX", prefix)]).is_ok(), fits, "{prefix:?}");
    }
}

#[test]
fn values_that_belong_together_are_checked_together() {
    for (text, key) in [
        ("server: { tls_cert_file: a.pem }", "server.tls_key_file"),
        ("server: { tls_key_file: a.pem }", "server.tls_cert_file"),
        ("server: { public_url: a.example }", "server.public_url"),
        ("database: { type: mysql }", "database.database"),
        ("database: { database: \"\" }", "database.database"),
        ("auth: { username: \"\" }", "auth.username"),
        ("keys: { currency: usd }", "keys.currency"),
        ("kv: { cors_origins: [https://a.example/] }", "kv.cors_origins"),
        ("wechat: { api_v3_key: short }", "wechat.api_v3_key"),
        ("wechat: { pay_base: \"\" }", "wechat.pay_base"),
        ("wechat: { api_base: \"https://\" }", "wechat.api_base"),
        ("wechat: { platform_public_key_id: a }", "wechat.platform_public_key_file"),
        ("redis: { url: localhost }", "redis.url"),
        ("redis: { url: \"http://localhost\" }", "redis.url"),
        ("redis: { url: \"redis://\" }", "redis.url"),
        ("redis: { url: \"redis://user:secret@\" }", "redis.url"),
        ("redis: { url: \"redis://host:many\" }", "redis.url"),
        ("redis: { url: \"redis://host/first\" }", "redis.url"),
        ("redis: { url: \"rediss://host#insecure\" }", "redis.url"),
        ("recharge: { min_amount: 20, amounts: [50], max_amount: 10 }", "recharge.min_amount"),
        ("recharge: { amounts: [0.5] }", "recharge.amounts"),
        ("recharge: { amounts: [5, 5.00] }", "recharge.amounts"),
        ("recharge: { amounts: [], allow_custom: false }", "recharge.amounts"),
    ] {
        let errors = from_file(text).unwrap_err();
        assert!(errors[0].contains(&format!("{key} ")), "{text}: {errors:?}");
    }
    for text in [
        "server: { tls_cert_file: a.pem, tls_key_file: b.pem }",
        "database: { type: mysql, database: latchkey }",
        "kv: { cors_origins: [\"*\", capacitor://localhost, \"http://localhost:5173\"] }",
        "redis: { url: \"rediss://:p@host:6379/0\" }",
        "redis: { url: \"redis://user:p%40ss@[::1]:6380\" }",
        "redis: { url: redis://localhost/ }",
        "recharge: { amounts: [] }",
    ] {
        from_file(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
    }
}

#[test]
fn an_error_about_two_values_names_the_source_of_the_one_it_names() {
    let errors =
        from_env(&[("LATCHKEY__DATABASE__TYPE", "mysql"), ("LATCHKEY__DATABASE__DATABASE", "a/b")]).unwrap_err();
    assert_eq!(
        errors,
        ["env LATCHKEY__DATABASE__DATABASE: database.database must be the name of the MySQL database, not \"a/b\""]
    );
}

#[test]
fn amounts_are_exact() {
    for (text, micros) in
        [("0.1", 100_000), ("100", 100_000_000), ("0.000001", 1), ("-1.5", -1_500_000), ("007.10", 7_100_000)]
    {
        assert_eq!(text.parse(), Ok(Amount::from_micros(micros)), "{text}");
    }
    for text in ["", ".5", "5.", "1e3", "1,5", "+1", "0.0000001", "--1", "- 1", "9999999999999999", "NaN", "१"] {
        assert!(text.parse::<Amount>().is_err(), "{text:?} was taken");
    }
    assert_eq!(Amount::from_micros(-1_500_000).to_string(), "-1.5");
    assert_eq!(Amount::whole(3).to_string(), "3");
    assert_eq!((Amount::whole(3).places(), Amount::from_micros(10).places()), (0, 5));
    let reward = from_file("checkin: { reward_amount: 123456789.123456 }").unwrap().checkin.reward_amount;
    assert_eq!(reward.micros(), 123_456_789_123_456);
    assert_eq!(serde_json::to_string(&reward).unwrap(), "123456789.123456");
}

#[test]
fn spans_need_a_unit() {
    for (text, seconds) in [("30s", 30), ("2m", 120), ("1h", 3600), ("7d", 604_800), ("366d", 31_622_400)] {
        let span: Span = text.parse().unwrap();
        assert_eq!((span.seconds(), span.to_string().as_str()), (seconds, text));
        assert_eq!(span.duration().as_secs(), u64::from(seconds));
    }
    assert_eq!("90m".parse::<Span>().unwrap().to_string(), "90m");
    for text in ["", "h", "1", "0s", "1.5h", "-1h", "+1h", "1 h", "1hh", "1h30m", "367d", "99999999999d", "1w"] {
        assert!(text.parse::<Span>().is_err(), "{text:?} was taken");
    }
}
