//! Putting the configuration together: command line over environment over file over `secrets.yml` over defaults.
//!
//! Everything the result depends on is in [`Sources`], so that tests need neither a process environment nor a working
//! directory of their own. All that is wrong is reported at once.

mod env;
mod file;
pub(super) mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::error::{ConfigError, Origin};
use super::table::{self, Key};
use super::{Config, Secret, secrets, validate};
use file::FileKind;
use yaml::{Data, Node, Problem};

/// The configuration file that is read when none is named and it exists.
pub const CONFIG_FILE: &str = "config/config.yml";

/// Where values may come from. Has no `Debug`: the environment holds secrets.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file named on the command line (`--config`); it has to exist. `None`: `config/config.yml` if it exists.
    pub config_file: Option<PathBuf>,
    /// The process environment.
    pub env: BTreeMap<String, String>,
    /// Values from the command line: dotted key and text, later ones win.
    pub overrides: Vec<(String, String)>,
    /// The working directory; relative paths start here.
    pub dir: PathBuf,
}

impl Sources {
    /// This process's environment and working directory. A variable that is not Unicode is left out.
    pub fn of_process(config_file: Option<PathBuf>, overrides: Vec<(String, String)>) -> std::io::Result<Self> {
        let env =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Ok(Self { config_file, env: env.collect(), overrides, dir: std::env::current_dir()? })
    }
}

/// A configuration that has passed every check.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// Where each value came from, by dotted key.
    pub origins: BTreeMap<&'static str, Origin>,
    /// Where generated secrets are kept, whether the file exists or not. Absolute when [`Sources::dir`] is.
    pub secrets_file: PathBuf,
    /// What the operator should be told although it stops nothing.
    pub warnings: Vec<String>,
}

/// A value read from one source.
pub(super) struct Setting {
    /// Its row in the table.
    pub key: &'static Key,
    /// The value, checked against the row's kind.
    pub value: Value,
    /// Where it was given.
    pub origin: Origin,
}

/// What a source gave.
#[derive(Default)]
pub(super) struct Found {
    /// The values that could be read.
    pub settings: Vec<Setting>,
    /// What is wrong with the others.
    pub errors: Vec<ConfigError>,
}

/// Reads all sources, checks everything and reports everything that is wrong. After new secrets were written
/// (see [`secrets::write`]), load again.
pub fn load(sources: &Sources) -> Result<Loaded, Vec<ConfigError>> {
    let mut merged = Merged { values: BTreeMap::new(), errors: Vec::new() };
    merged.defaults();
    if let Some(path) = config_file(sources) {
        merged.take(file::settings(&sources.dir, &path, FileKind::Config));
    }
    merged.take(env::settings(&sources.env, &sources.dir));
    merged.take(command_line(&sources.overrides));

    let secrets_file = secrets::location(&merged.text("database.type"), &merged.text("database.database"));
    let mut warnings = Vec::new();
    if sources.dir.join(&secrets_file).exists() {
        warnings.extend(secrets::exposed(&sources.dir, &secrets_file));
        merged.secrets(file::settings(&sources.dir, &secrets_file, FileKind::Secrets));
    }
    let (config, origins) = merged.finish()?;
    Ok(Loaded { config, origins, secrets_file: sources.dir.join(secrets_file), warnings })
}

/// The configuration with nothing set at all.
pub(super) fn defaults() -> Result<Config, Vec<ConfigError>> {
    let mut merged = Merged { values: BTreeMap::new(), errors: Vec::new() };
    merged.defaults();
    merged.finish().map(|(config, _)| config)
}

/// The secrets in an existing `secrets.yml`, by dotted key.
pub(super) fn secrets_in(path: &Path) -> Result<BTreeMap<&'static str, Secret>, ConfigError> {
    let Found { settings, errors } = file::settings(Path::new(""), path, FileKind::Secrets);
    match errors.into_iter().next() {
        Some(error) => Err(error),
        None => {
            Ok(settings.into_iter().map(|s| (s.key.name, Secret::new(s.value.as_str().unwrap_or_default()))).collect())
        }
    }
}

fn config_file(sources: &Sources) -> Option<PathBuf> {
    let usual = || Some(PathBuf::from(CONFIG_FILE)).filter(|path| sources.dir.join(path).exists());
    sources.config_file.clone().or_else(usual)
}

fn command_line(overrides: &[(String, String)]) -> Found {
    let mut found = Found::default();
    for (name, text) in overrides {
        let origin = Origin::CommandLine;
        let read = match table::find(name) {
            Some(key) => key.kind.read_text(text).map(|value| (key, value)),
            None => Err(table::unknown(name)),
        };
        match read {
            Ok((key, value)) => found.settings.push(Setting { key, value, origin }),
            Err(message) => found.errors.push(ConfigError::new(name, origin, message)),
        }
    }
    found
}

/// The values so far; a source taken later outranks those before it.
struct Merged {
    values: BTreeMap<&'static str, (Value, Origin)>,
    errors: Vec<ConfigError>,
}

impl Merged {
    fn defaults(&mut self) {
        for key in table::all() {
            let read = yaml::read(key.default).and_then(|node| {
                // The reader takes a null document for an empty one.
                let null = || Node { line: 1, data: Data::Scalar { text: String::new(), plain: true } };
                key.kind.read(&node.unwrap_or_else(null))
            });
            match read {
                Ok(value) => drop(self.values.insert(key.name, (value, Origin::Default))),
                Err(Problem { message, .. }) => {
                    self.errors.push(ConfigError::new(key.name, Origin::Default, message));
                }
            }
        }
    }

    fn take(&mut self, found: Found) {
        self.errors.extend(found.errors);
        self.values.extend(found.settings.into_iter().map(|s| (s.key.name, (s.value, s.origin))));
    }

    /// `secrets.yml` ranks below all other sources, but an empty secret there counts as missing: a configuration that
    /// was copied from the example has all of them, empty, and must not hide what the first start generated.
    fn secrets(&mut self, mut found: Found) {
        found.settings.retain(|setting| self.text(setting.key.name).is_empty());
        self.take(found);
    }

    fn text(&self, name: &str) -> String {
        self.values.get(name).and_then(|(value, _)| value.as_str()).unwrap_or_default().to_owned()
    }

    /// The typed configuration, after the checks of values against each other.
    fn finish(mut self) -> Result<(Config, BTreeMap<&'static str, Origin>), Vec<ConfigError>> {
        let mut root = Map::new();
        let mut origins = BTreeMap::new();
        for (name, (value, origin)) in self.values {
            origins.insert(name, origin);
            match name.split_once('.') {
                None => drop(root.insert(name.to_owned(), value)),
                Some((section, leaf)) => {
                    let section = root.entry(section).or_insert_with(|| Map::new().into());
                    if let Some(section) = section.as_object_mut() {
                        section.insert(leaf.to_owned(), value);
                    }
                }
            }
        }
        // The table has checked each value; this can only fail when table and structs have drifted apart.
        let config: Config = serde_json::from_value(Value::Object(root)).map_err(|error| {
            vec![ConfigError::general(Origin::Default, format!("the table of keys is wrong: {error}"))]
        })?;
        // A value that could not be read was replaced by a lower one: what that one lacks is not the operator's slip.
        let unread: BTreeSet<_> = self.errors.iter().filter_map(|error| error.key.clone()).collect();
        let wrong = validate::check(&config, &origins);
        self.errors
            .extend(wrong.into_iter().filter(|error| error.key.as_ref().is_none_or(|key| !unread.contains(key))));
        if self.errors.is_empty() { Ok((config, origins)) } else { Err(self.errors) }
    }
}
