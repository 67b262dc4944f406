//! `latchkey admin password`

use std::io::{IsTerminal, stdin};

use clap::Subcommand;

use super::{Global, Outcome, read_stdin, runtime};
use crate::{
    base::{
        clock::Clock,
        commit::Writer,
        metrics::CommitMetrics,
        secret::{Passwords, PlainToken},
    },
    config::Config,
};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Sets an administrator's password: the first line of standard input, or a generated one, which is printed.
    Password {
        /// Whose; the administrator is made if there is none of that name.
        #[arg(long)]
        username: Option<String>,
    },
}

impl Command {
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let Self::Password { username } = self;
        let config = global.load_for_database()?;
        let given = if stdin().is_terminal() { None } else { Some(read_stdin()?).filter(|text| !text.is_empty()) };
        let username = username.as_deref().unwrap_or(&config.auth.username);
        let _ = (given, username, runtime()?, Clock::System);
        let _ = (Writer::start, CommitMetrics::new, Passwords::default, PlainToken::generate);
        let _: Option<Config> = None;
        Err("to be wired with the admin room".to_owned().into())
    }
}
