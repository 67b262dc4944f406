//! Generated secrets, their file, and that no secret is ever shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Dir, read};
use crate::config::{Config, Secret, Sources, all_keys, load, secrets, show};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn generated_secrets_are_written_for_the_owner_alone_and_loaded_again() {
    let dir = Dir::new();
    let before = dir.load().unwrap();
    let missing = secrets::missing(&before.config);
    assert_eq!(missing, secrets::GENERATED);
    let values = secrets::generate(&missing).unwrap();
    secrets::write(&before.secrets_file, &values).unwrap();
    assert_eq!(mode(&before.secrets_file), 0o600);
    assert_eq!(before.secrets_file, dir.path().join("data/secrets.yml"));

    let after = read(&Sources {
        env: BTreeMap::from([("LATCHKEY__SERVER__MODE".to_owned(), "release".to_owned())]),
        ..dir.sources()
    });
    let after = after.unwrap();
    assert!(secrets::missing(&after.config).is_empty());
    assert_eq!(after.config.auth.jwt_secret, values["auth.jwt_secret"]);
    assert!(after.config.security.master_key_bytes().is_some());
    assert!(after.warnings.is_empty());
    assert_eq!(fs::read_dir(dir.path().join("data")).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn writing_keeps_what_the_file_already_holds() {
    let dir = Dir::new();
    dir.write("data/secrets.yml", "auth:\n  jwt_secret: \"quote \\\" and \\\\\"\nkv:\n  site_key: kept\n");
    let path = dir.path().join("data/secrets.yml");
    secrets::write(&path, &BTreeMap::from([("auth.api_secret", Secret::new("new: #1\t'\""))])).unwrap();
    let config = dir.load().unwrap().config;
    assert_eq!(config.auth.jwt_secret.expose(), "quote \" and \\");
    assert_eq!(config.auth.api_secret.expose(), "new: #1\t'\"");
    assert_eq!(config.kv.site_key.expose(), "kept");
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_broken_secrets_file_is_not_overwritten() {
    let dir = Dir::new();
    dir.write("data/secrets.yml", "auth:\n  nonsense: x\n");
    let path = dir.path().join("data/secrets.yml");
    assert!(secrets::write(&path, &BTreeMap::from([("auth.api_secret", Secret::new("x"))])).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "auth:\n  nonsense: x\n");
}

#[test]
fn a_secrets_file_that_others_can_read_is_warned_about() {
    let dir = Dir::new();
    dir.write("data/secrets.yml", "auth: { api_secret: x }\n");
    let path = dir.path().join("data/secrets.yml");
    for (bits, warnings) in [(0o600, 0), (0o640, 1), (0o604, 1)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
        assert_eq!(dir.load().unwrap().warnings.len(), warnings, "mode {bits:o}");
    }
}

#[test]
fn the_secrets_file_holds_secrets_only() {
    let dir = Dir::new();
    dir.write("data/secrets.yml", "server:\n  port: 1\n");
    let errors = dir.load().unwrap_err();
    assert_eq!(errors, ["./data/secrets.yml:2: server.port is not a secret; it belongs into the configuration file"]);
}

#[test]
fn the_secrets_file_lies_beside_the_sqlite_file_and_for_mysql_in_data() {
    for (kind, database, expected) in [
        ("sqlite", "./data/latchkey.db", "./data/secrets.yml"),
        ("sqlite", "/var/lib/latchkey/db.sqlite", "/var/lib/latchkey/secrets.yml"),
        ("sqlite", "latchkey.db", "./data/secrets.yml"),
        ("sqlite", ":memory:", "./data/secrets.yml"),
        ("mysql", "some/name", "./data/secrets.yml"),
    ] {
        assert_eq!(secrets::location(kind, database), Path::new(expected), "{kind} {database}");
    }
}

#[test]
fn generated_secrets_have_the_promised_form_and_differ() {
    let mut seen = BTreeSet::new();
    let mut letters = BTreeSet::new();
    for _ in 0..200 {
        let values = secrets::generate(&secrets::GENERATED).unwrap();
        let password = values["auth.password"].expose();
        assert_eq!(password.len(), 20);
        assert!(password.chars().all(|c| c.is_ascii_alphanumeric() && !"0Oo1lIi".contains(c)), "{password}");
        letters.extend(password.chars());
        for name in ["auth.jwt_secret", "auth.api_secret", "security.master_key"] {
            let value = values[name].expose();
            assert!(value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit()));
        }
        seen.extend(values.values().map(|value| value.expose().to_owned()));
    }
    assert_eq!(seen.len(), 800);
    assert_eq!(letters.len(), 55, "every letter of the alphabet is used");
}

#[test]
fn no_error_and_no_listing_holds_a_secret() {
    // Each secret key with a value that passes for text and is wrong in every other respect.
    let marker = "hunter2";
    let mut file = String::new();
    let mut env = BTreeMap::from([("LATCHKEY__SERVER__MODE".to_owned(), "release".to_owned())]);
    for key in all_keys().filter(|key| key.is_secret()) {
        env.insert(key.env(), marker.to_owned());
        let (section, leaf) = key.path();
        // Several secrets share a section: the doubled section is one more thing to be wrong.
        file += &format!("{section}:\n  {leaf}: [{marker}]\n  {leaf}: {{ {marker}: 1 }}\n  {leaf}x: {marker}\n");
    }
    let dir = Dir::with_config(&file);
    let errors = load(&Sources { env: env.clone(), ..dir.sources() }).unwrap_err();
    assert!(errors.len() > 25, "{errors:?}");
    assert!(!format!("{errors:?}").contains(marker), "{errors:?}");
    assert!(errors.iter().all(|error| !error.to_string().contains(marker)));

    env.remove("LATCHKEY__SERVER__MODE");
    for (name, value) in [
        ("LATCHKEY__SECURITY__MASTER_KEY", "hunter2-hunter2-hunter2-hunter2-hunter2-hunter2-hunter2"),
        ("LATCHKEY__REDIS__URL", "redis://user:hunter2@localhost"),
        ("LATCHKEY__WECHAT__API_V3_KEY", "hunter2hunter2hunter2hunter2-32b"),
    ] {
        env.insert(name.to_owned(), value.to_owned());
    }
    assert!(load(&Sources { env: env.clone(), ..Dir::new().sources() }).is_err());
    env.insert("LATCHKEY__SECURITY__MASTER_KEY".to_owned(), "ab".repeat(32));
    let loaded = load(&Sources { env, ..Dir::new().sources() }).unwrap();
    let shown = format!("{:?} {:?} {:#?} {}", show::lines(&loaded), loaded, loaded.config, show::json(&loaded));
    assert!(!shown.contains(marker) && !shown.contains(&"ab".repeat(32)), "{shown}");
    let redacted = show::lines(&loaded).iter().filter(|line| line.contains(" = [redacted]  (env ")).count();
    assert_eq!(redacted, all_keys().filter(|key| key.is_secret()).count());
}

#[test]
fn a_secret_prints_as_redacted_and_compares_by_value() {
    let secret = Secret::new("hunter2");
    assert_eq!(
        format!("{secret} {secret:?} {}", serde_json::to_string(&secret).unwrap()),
        "[redacted] [redacted] \"[redacted]\""
    );
    assert!(secret == Secret::new("hunter2") && secret != Secret::new("hunter3") && secret != Secret::default());
    assert!(Config::default().auth.password.is_empty());
}
