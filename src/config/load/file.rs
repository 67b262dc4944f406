//! The values in a YAML file: sections of keys, checked against the table.

use std::collections::BTreeMap;
use std::path::Path;

use super::yaml::{Data, Pair, Problem, read};
use super::{Found, Setting};
use crate::config::error::{ConfigError, Origin};
use crate::config::table;

/// Which of the two files is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// The operator's file: every key.
    Config,
    /// `secrets.yml`: secrets only.
    Secrets,
}

/// Reads the file at `path` (relative to `dir`). Everything wrong with it is collected.
pub fn settings(dir: &Path, path: &Path, kind: FileKind) -> Found {
    let mut reading = Reading { path, kind, found: Found::default() };
    match std::fs::read_to_string(dir.join(path)) {
        Ok(text) => match read(&text) {
            Ok(Some(node)) => match node.data {
                Data::Map(sections) => reading.sections(sections),
                _ => reading.general(node.line, "must consist of sections and their keys"),
            },
            Ok(None) => {}
            Err(Problem { line, message }) => reading.general(line, &message),
        },
        Err(error) => reading.general(0, &format!("cannot be read: {error}")),
    }
    reading.found
}

struct Reading<'a> {
    path: &'a Path,
    kind: FileKind,
    found: Found,
}

impl Reading<'_> {
    fn origin(&self, line: usize) -> Origin {
        let file = self.path.to_owned();
        match self.kind {
            FileKind::Config => Origin::File { file, line },
            FileKind::Secrets => Origin::Secrets { file, line },
        }
    }

    fn general(&mut self, line: usize, message: &str) {
        self.found.errors.push(ConfigError::general(self.origin(line), format!("the file {message}")));
    }

    fn wrong(&mut self, name: &str, line: usize, message: impl Into<String>) {
        self.found.errors.push(ConfigError::new(name, self.origin(line), message));
    }

    fn sections(&mut self, pairs: Vec<Pair>) {
        for pair in self.without_doubles("", pairs) {
            let Pair { name, line, value } = pair;
            if !table::is_section(&name) {
                self.value(&name, Pair { name: name.clone(), line, value }, table::unknown_section);
                continue;
            }
            match value.data {
                Data::Map(keys) => {
                    for pair in self.without_doubles(&format!("{name}."), keys) {
                        self.value(&format!("{name}.{}", pair.name), pair, table::unknown);
                    }
                }
                // A section whose keys are all commented out.
                _ if value.is_null() => {}
                _ => self.wrong(&name, value.line, "must be a section with keys below it"),
            }
        }
    }

    /// One value; `name` is its dotted name, `unknown` what to say when there is no such key.
    fn value(&mut self, name: &str, pair: Pair, unknown: fn(&str) -> String) {
        let Some(key) = table::find(name) else {
            return self.wrong(name, pair.line, unknown(name));
        };
        if self.kind == FileKind::Secrets && !key.is_secret() {
            return self.wrong(name, pair.line, "is not a secret; it belongs into the configuration file");
        }
        match key.kind.read(&pair.value) {
            Ok(value) => self.found.settings.push(Setting { key, value, origin: self.origin(pair.line) }),
            Err(Problem { line, message }) => self.wrong(name, line, message),
        }
    }

    /// Reports each key that is given a second time, and leaves those out.
    fn without_doubles(&mut self, prefix: &str, pairs: Vec<Pair>) -> Vec<Pair> {
        let mut first: BTreeMap<String, usize> = BTreeMap::new();
        let mut kept = Vec::new();
        for pair in pairs {
            if let Some(line) = first.get(&pair.name) {
                let message = format!("is given twice, first in line {line}");
                self.wrong(&format!("{prefix}{}", pair.name), pair.line, message);
            } else {
                first.insert(pair.name.clone(), pair.line);
                kept.push(pair);
            }
        }
        kept
    }
}
