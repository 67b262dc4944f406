//! Where a value came from, and what is wrong with it.

use std::fmt;
use std::path::PathBuf;

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// `secrets.yml`, written at the first start.
    Secrets {
        /// The file's path, as reported to the operator.
        file: PathBuf,
        /// Line of the key, from 1; 0 is the file as a whole.
        line: usize,
    },
    /// The configuration file.
    File {
        /// The file's path, as reported to the operator.
        file: PathBuf,
        /// Line of the key, from 1; 0 is the file as a whole.
        line: usize,
    },
    /// An environment variable.
    Env {
        /// The variable's name; ends in `_FILE` when the value was read from a file it names.
        name: String,
    },
    /// The command line.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Secrets { file, line: 0 } | Self::File { file, line: 0 } => write!(f, "{}", file.display()),
            Self::Secrets { file, line } | Self::File { file, line } => write!(f, "{}:{line}", file.display()),
            Self::Env { name } => write!(f, "env {name}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// One thing that is wrong with the configuration. Never holds a secret's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The dotted key (`server.port`) as it was written; `None` when a file as a whole is at fault.
    pub key: Option<String>,
    /// Where the value was given.
    pub origin: Origin,
    /// What is wrong and what would be right; reads on after the key's name.
    pub message: String,
}

impl ConfigError {
    /// An error about one key.
    pub fn new(key: impl Into<String>, origin: Origin, message: impl Into<String>) -> Self {
        Self { key: Some(key.into()), origin, message: message.into() }
    }

    /// An error about a source as a whole.
    pub fn general(origin: Origin, message: impl Into<String>) -> Self {
        Self { key: None, origin, message: message.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default {
            write!(f, "{}: ", self.origin)?;
        }
        match &self.key {
            Some(key) => write!(f, "{key} {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ConfigError {}
