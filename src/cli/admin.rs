//! `latchkey admin password`

use std::io::{IsTerminal, stdin};

use clap::Subcommand;
use sea_orm::DatabaseTransaction;
use serde_json::json;

use super::{Global, Outcome, explained, read_stdin, runtime, say_line};
use crate::{
    admin::reset_password,
    base::{clock::Clock, commit::Writer, metrics::CommitMetrics, secret::Passwords},
    config::{Config, Secret, secrets},
    server::prove_master_key,
};

/// Shortest password, in characters.
const SHORTEST: usize = 12;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Sets an administrator's password and ends their sessions. The new one is read from standard input; on a
    /// terminal, or when there is none, one is generated and printed.
    Password {
        /// Whose [default: auth.username].
        #[arg(long)]
        username: Option<String>,
    },
}

impl Command {
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let Self::Password { username } = self;
        let mut config = global.load_for_database()?;
        let username = username.clone().unwrap_or_else(|| config.auth.username.clone());
        let given = if stdin().is_terminal() { None } else { Some(read_stdin()?).filter(|text| !text.is_empty()) };
        if given.as_ref().is_some_and(|text| text.chars().count() < SHORTEST) {
            return Err(format!("a password must have at least {SHORTEST} characters").into());
        }
        let (password, is_new) = match given {
            Some(text) => (Secret::new(text.as_str()), false),
            None => (generated()?, true),
        };
        runtime()?.block_on(set(&mut config, username.clone(), &password))?;
        let shown = is_new.then(|| password.expose());
        if global.json {
            say_line(format_args!("{:#}", json!({ "username": username, "password": shown })));
        } else if let Some(password) = shown {
            say_line(format_args!("The new password of '{username}': {password}"));
        } else {
            say_line(format_args!("The password of '{username}' is changed."));
        }
        Ok(())
    }
}

fn generated() -> Result<Secret, String> {
    let mut values = secrets::generate(&["auth.password"]).map_err(|error| error.to_string())?;
    values.remove("auth.password").ok_or_else(|| "no password was generated".to_owned())
}

async fn set(config: &mut Config, username: String, password: &Secret) -> Result<(), String> {
    prove_master_key(config).await?;
    let hash = Passwords::default().hash(password.expose()).await.map_err(|error| explained(&error))?;
    let now = Clock::System.now();
    let commits = CommitMetrics::new().map_err(|error| error.to_string())?;
    let writer = Writer::start(&config.database, commits).await?;
    let work = async move |tx: &DatabaseTransaction| reset_password(tx, &username, &hash, now).await;
    let outcome = writer.write(work).await.map_err(|error| explained(&error));
    writer.close().await;
    outcome
}
