//! `log`: what is logged, and how.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::table::Key;

/// The log on standard error.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The least important level that is logged. Default info.
    pub level: LogLevel,
    /// The form of a line. Default text.
    pub format: LogFormat,
}

/// Levels, most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What looks wrong.
    Warn,
    /// What happened.
    Info,
    /// What helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "log.level",
        Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        "info",
        "The least important level that is logged: error, warn, info, debug, trace.",
    ),
    Key::new("log.format", Kind::Choice(&["text", "json"]), "text", "`text`, or `json` for one object a line."),
];
