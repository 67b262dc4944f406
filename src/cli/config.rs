//! `latchkey config check|show`

use clap::Subcommand;
use serde_json::json;

use super::{Failure, Global, Outcome, say_line};
use crate::config::show;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Reads the configuration and says what is wrong with it.
    Check,
    /// Prints every effective value with its source, secrets redacted.
    Show,
}

impl Command {
    pub(super) fn run(&self, global: &Global) -> Outcome {
        match self {
            Self::Check => check(global),
            Self::Show => {
                let loaded = global.load()?;
                if global.json {
                    say_line(format_args!("{:#}", show::json(&loaded)));
                } else {
                    show::lines(&loaded).iter().for_each(|line| say_line(format_args!("{line}")));
                }
                Ok(())
            }
        }
    }
}

fn check(global: &Global) -> Outcome {
    let outcome = global.load();
    if global.json {
        let errors = match &outcome {
            Err(Failure::Failed(errors)) => errors.as_slice(),
            _ => &[],
        };
        say_line(format_args!("{:#}", json!({ "ok": outcome.is_ok(), "errors": errors })));
    } else if outcome.is_ok() {
        say_line(format_args!("The configuration is valid."));
    }
    outcome.map(|_| ())
}
