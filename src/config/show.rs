//! The effective values and where each came from, with secrets redacted.

use serde_json::{Map, Value, json};

use super::table::{self, Key};
use super::{Config, Loaded, Origin, REDACTED};

/// A line per key: `server.port = 9000  (env LATCHKEY__SERVER__PORT)`.
pub fn lines(loaded: &Loaded) -> Vec<String> {
    let values = values(&loaded.config);
    let line = |(key, value): (&Key, Value)| {
        let value = match value {
            Value::String(text) if text.is_empty() => "\"\"".to_owned(),
            Value::String(text) => text.escape_debug().to_string(),
            other => other.to_string(),
        };
        format!("{} = {value}  ({})", key.name, origin(loaded, key))
    };
    values.into_iter().map(line).collect()
}

/// An object by dotted key: `{"server.port": {"value": 9000, "source": "env", "name": "LATCHKEY__SERVER__PORT"}}`.
/// `source` is `default`, `secrets`, `file` (both with `file` and `line`), `env` (with `name`) or `command_line`.
pub fn json(loaded: &Loaded) -> Value {
    let member = |(key, value): (&Key, Value)| {
        let mut member = match origin(loaded, key) {
            Origin::Default => json!({"source": "default"}),
            Origin::Secrets { file, line } => {
                json!({"source": "secrets", "file": file.display().to_string(), "line": line})
            }
            Origin::File { file, line } => json!({"source": "file", "file": file.display().to_string(), "line": line}),
            Origin::Env { name } => json!({"source": "env", "name": name}),
            Origin::CommandLine => json!({"source": "command_line"}),
        };
        if let Some(member) = member.as_object_mut() {
            member.insert("value".to_owned(), value);
        }
        (key.name.to_owned(), member)
    };
    Value::Object(values(&loaded.config).into_iter().map(member).collect::<Map<_, _>>())
}

fn origin<'a>(loaded: &'a Loaded, key: &Key) -> &'a Origin {
    loaded.origins.get(key.name).unwrap_or(&Origin::Default)
}

/// Each key with its value; a secret is `[redacted]` or, when none is set, empty.
fn values(config: &Config) -> Vec<(&'static Key, Value)> {
    let root = serde_json::to_value(config).unwrap_or_default(); // plain data: cannot fail
    let value = |key: &'static Key| {
        let value = match key.path() {
            ("", leaf) => root.get(leaf),
            (section, leaf) => root.get(section).and_then(|section| section.get(leaf)),
        };
        let value = value.cloned().unwrap_or_default();
        match value.as_str() {
            Some(text) if key.is_secret() && !text.is_empty() => (key, REDACTED.into()),
            _ => (key, value),
        }
    };
    table::all().map(value).collect()
}
