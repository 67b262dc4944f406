//! What is wrong in a file is named with its line.

use super::{Dir, from_file};

#[test]
fn an_unknown_key_is_named_with_file_and_line_and_the_key_that_was_meant() {
    let errors = from_file("server:\n  host: localhost\n  prot: 9000\n").unwrap_err();
    assert_eq!(errors, ["config/config.yml:3: server.prot is not a known key; did you mean server.port?"]);
}

#[test]
fn a_key_in_the_wrong_section_is_answered_with_the_right_one() {
    let errors = from_file("server:\n  jwt_secret: x\nport: 80\n").unwrap_err();
    assert_eq!(
        errors,
        [
            "config/config.yml:2: server.jwt_secret is not a known key; did you mean auth.jwt_secret?",
            "config/config.yml:3: port is not a known section; did you mean server.port?",
        ]
    );
}

#[test]
fn an_unknown_section_is_named_with_its_line() {
    let errors = from_file("\nsevrer:\n  port: 80\n").unwrap_err();
    assert_eq!(errors, ["config/config.yml:2: sevrer is not a known section; did you mean server?"]);
}

#[test]
fn a_wrong_type_is_named_with_its_line() {
    for (text, line, expected) in [
        ("server:\n  port: eighty", 2, "server.port must be a whole number from 0 to 65535, not \"eighty\""),
        ("server:\n  port: \"8080\"", 2, "server.port must be a whole number from 0 to 65535, not \"8080\""),
        ("server:\n  port: 65536", 2, "server.port must be a whole number from 0 to 65535, not \"65536\""),
        ("server:\n  port: 1.5", 2, "server.port must be a whole number from 0 to 65535, not \"1.5\""),
        ("server:\n  port: [80]", 2, "server.port must be a whole number from 0 to 65535, not a list"),
        ("server:\n  port:", 2, "server.port must be a whole number from 0 to 65535, not null"),
        ("server:\n  host: 5", 2, "server.host must be text; put it in quotes"),
        ("server:\n  host: true", 2, "server.host must be text; put it in quotes"),
        ("server:\n  host:", 2, "server.host must be text; write \"\" for none"),
        ("server:\n  mode: prod", 2, "server.mode must be one of debug, release, not \"prod\""),
        ("server:\n  timezone: Mars/Olympus", 2, "server.timezone must be an IANA time zone such as Asia/Shanghai"),
        ("refresh:\n  enabled: yes", 2, "refresh.enabled must be true or false, not \"yes\""),
        ("keys:\n  cleanup_interval: 60", 2, "keys.cleanup_interval must be a number with a unit"),
        ("keys:\n  cleanup_interval: 1w", 2, "keys.cleanup_interval must be a number with a unit"),
        ("keys:\n  cost_per_usd: 0", 2, "keys.cost_per_usd must be from 0.000001 to 999999999"),
        ("recharge:\n  min_amount: 0.001", 2, "recharge.min_amount must have at most 2 decimal places"),
        ("recharge:\n  amounts:\n    - 10\n    - ten", 4, "recharge.amounts has an element that must be a decimal"),
        ("kv:\n  cors_origins: \"*\"", 2, "kv.cors_origins must be a list"),
        ("server: 8080", 1, "server must be a section"),
        ("server:\n  - port", 2, "server must be a section"),
        ("- server", 1, "the file must consist of sections"),
    ] {
        let errors = from_file(text).unwrap_err();
        let expected = format!("config/config.yml:{line}: {expected}");
        assert!(errors.len() == 1 && errors[0].starts_with(&expected), "{text:?} gave {errors:?}");
    }
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let dir = Dir::with_config("server:\n  port: x\n  nonsense: 1\nlog:\n  level: loud\n");
    let errors = dir.load_env(&[("LATCHKEY__KV__RATE_READ", "-1"), ("LATCHKEY__NONSENSE", "1")]).unwrap_err();
    assert_eq!(errors.len(), 5, "{errors:?}");
}

#[test]
fn a_key_or_section_given_twice_is_an_error_with_both_lines() {
    let errors = from_file("server:\n  port: 1\n  port: 2\nlog: { level: info }\nserver:\n  host: x\n").unwrap_err();
    assert_eq!(
        errors,
        [
            "config/config.yml:5: server is given twice, first in line 1",
            "config/config.yml:3: server.port is given twice, first in line 2",
        ]
    );
}

#[test]
fn broken_yaml_is_reported_with_its_line() {
    let errors = from_file("server:\n  port: 1\n bad\n: [\n").unwrap_err();
    assert!(errors.len() == 1 && errors[0].contains("is not valid YAML"), "{errors:?}");
    assert!(errors[0].starts_with("config/config.yml:3:"), "{errors:?}");
}

#[test]
fn what_would_be_read_differently_than_it_looks_is_refused() {
    for text in ["a: &x 1\nb: *x\n", "server:\n  port: !!int \"80\"\n", "log: {}\n---\nlog: {}\n", "{ [a]: b }\n"] {
        assert!(from_file(text).is_err(), "{text:?} was taken");
    }
}

#[test]
fn an_empty_file_and_an_empty_section_change_nothing() {
    for text in ["", "# nothing\n", "---\n", "server:\n  # port: 1\nlog: {}\n", "\u{feff}server:\n"] {
        assert_eq!(from_file(text).unwrap(), crate::config::Config::default(), "{text:?}");
    }
}
