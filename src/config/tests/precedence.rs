//! Which source wins, and what is known of it afterwards.

use std::path::PathBuf;

use super::{Dir, pairs, read};
use crate::config::{Config, Origin, Sources};

#[test]
fn command_line_outranks_environment_outranks_file_outranks_secrets_outranks_defaults() {
    let dir = Dir::new();
    let secret = |sources: &Sources| {
        let loaded = read(sources).unwrap();
        (loaded.config.auth.api_secret.expose().to_owned(), loaded.origins["auth.api_secret"].clone())
    };
    let mut sources = dir.sources();
    assert_eq!(secret(&sources), (String::new(), Origin::Default));

    dir.write("data/secrets.yml", "# generated\nauth:\n  api_secret: from-secrets\n");
    let file = PathBuf::from("./data/secrets.yml");
    assert_eq!(secret(&sources), ("from-secrets".into(), Origin::Secrets { file, line: 3 }));

    dir.write("config/config.yml", "auth:\n  api_secret: from-file\n");
    let file = PathBuf::from("config/config.yml");
    assert_eq!(secret(&sources), ("from-file".into(), Origin::File { file, line: 2 }));

    sources.env = pairs(&[("LATCHKEY__AUTH__API_SECRET", "from-env")]).into_iter().collect();
    let name = "LATCHKEY__AUTH__API_SECRET".to_owned();
    assert_eq!(secret(&sources), ("from-env".into(), Origin::Env { name }));

    sources.overrides = pairs(&[("auth.api_secret", "earlier"), ("auth.api_secret", "from-command-line")]);
    assert_eq!(secret(&sources), ("from-command-line".into(), Origin::CommandLine));
}

#[test]
fn without_any_source_every_value_is_the_default() {
    let loaded = Dir::new().load().unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.origins.values().all(|origin| *origin == Origin::Default));
    assert!(loaded.warnings.is_empty());
}

#[test]
fn a_named_file_replaces_the_usual_one_and_has_to_exist() {
    let dir = Dir::with_config("server: { port: 1111 }\n");
    dir.write("other.yml", "server: { host: localhost }\n");
    let named = |name: &str| read(&Sources { config_file: Some(name.into()), ..dir.sources() });

    let config = named("other.yml").unwrap().config;
    assert_eq!((config.server.host.as_str(), config.server.port), ("localhost", 8080));

    let errors = named("missing.yml").unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("missing.yml: the file cannot be read"), "{errors:?}");
}

#[test]
fn an_empty_secret_in_a_copied_example_does_not_hide_the_generated_one() {
    let dir = Dir::with_config(&crate::config::example::render());
    dir.write("data/secrets.yml", "auth:\n  jwt_secret: \"generated\"\n");
    let loaded = dir.load().unwrap();
    assert_eq!(loaded.config.auth.jwt_secret.expose(), "generated");
    assert!(matches!(loaded.origins["auth.jwt_secret"], Origin::Secrets { .. }));

    let loaded = dir.load_env(&[("LATCHKEY__AUTH__JWT_SECRET", "")]).unwrap();
    assert_eq!(loaded.config.auth.jwt_secret.expose(), "generated");
}

#[test]
fn an_unknown_or_wrong_option_of_the_command_line_is_an_error() {
    let dir = Dir::new();
    let errors =
        |overrides: &[(&str, &str)]| read(&Sources { overrides: pairs(overrides), ..dir.sources() }).unwrap_err();
    assert_eq!(
        errors(&[("server.prot", "1")]),
        ["command line: server.prot is not a known key; did you mean server.port?"]
    );
    assert_eq!(
        errors(&[("server.port", "many")]),
        ["command line: server.port must be a whole number from 0 to 65535, not \"many\""]
    );
}
