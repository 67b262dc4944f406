//! The guarantees of the configuration, each test named after one.

mod env;
mod file;
mod precedence;
mod release;
mod secrets;
mod table;
mod values;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Config, Loaded, Sources, load};

/// A working directory of the test's own, removed when it ends.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("latchkey-config-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    /// A directory whose `config/config.yml` holds `text`.
    fn with_config(text: &str) -> Self {
        let dir = Self::new();
        dir.write("config/config.yml", text);
        dir
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn sources(&self) -> Sources {
        Sources { dir: self.0.clone(), ..Sources::default() }
    }

    fn load(&self) -> Result<Loaded, Vec<String>> {
        read(&self.sources())
    }

    fn load_env(&self, env: &[(&str, &str)]) -> Result<Loaded, Vec<String>> {
        read(&Sources { env: pairs(env).into_iter().collect(), ..self.sources() })
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Loads, with the errors as the operator reads them.
fn read(sources: &Sources) -> Result<Loaded, Vec<String>> {
    load(sources).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// The configuration of an environment and nothing else.
fn from_env(env: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    Dir::new().load_env(env).map(|loaded| loaded.config)
}

/// The configuration of a `config/config.yml` and nothing else.
fn from_file(text: &str) -> Result<Config, Vec<String>> {
    Dir::with_config(text).load().map(|loaded| loaded.config)
}
