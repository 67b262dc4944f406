//! `latchkey migrate up|down|status|fresh|refresh|reset`

use clap::{Args, ValueEnum};
use migration::Migrator;
use serde_json::json;

use super::{Failure, Global, Outcome, confirmed, runtime, say, say_line};
use crate::{
    base::db::{ServerLock, with_migration_lock},
    config::Config,
    server::prove_master_key,
};

#[derive(Args)]
pub(super) struct Migrate {
    /// What to do.
    #[arg(value_enum)]
    command: Word,
    /// Does not ask before rows are lost.
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Word {
    /// Apply what is pending.
    Up,
    /// Undo the last migration.
    Down,
    /// List migrations and whether they are applied.
    Status,
    /// Drop Latchkey's tables and make them anew.
    Fresh,
    /// Undo every migration, then apply them all.
    Refresh,
    /// Undo every migration.
    Reset,
}

impl From<Word> for migration::Command {
    fn from(word: Word) -> Self {
        match word {
            Word::Up => Self::Up,
            Word::Down => Self::Down,
            Word::Status => Self::Status,
            Word::Fresh => Self::Fresh,
            Word::Refresh => Self::Refresh,
            Word::Reset => Self::Reset,
        }
    }
}

impl Migrate {
    pub(super) fn run(&self, global: &Global) -> Outcome {
        let mut config = global.load_for_database()?;
        let command = migration::Command::from(self.command);
        if command.destroys_data() && !self.yes && !confirmed("This deletes every row of Latchkey's tables.") {
            return Err(Failure::Undecided(
                "this deletes rows of Latchkey's tables; nothing was changed. Add --yes to do it.".to_owned(),
            ));
        }
        let report = runtime()?.block_on(carry_out(&mut config, command))?;
        if global.json {
            let rows = report.lines().filter_map(|line| line.split_once("  "));
            let rows: Vec<_> = rows.map(|(state, name)| json!({ "name": name, "state": state })).collect();
            say_line(format_args!("{:#}", json!({ "migrations": rows })));
        } else {
            say(&report);
        }
        Ok(())
    }
}

async fn carry_out(config: &mut Config, command: migration::Command) -> Result<String, String> {
    // A server must not lose its tables under its feet; looking at them is harmless.
    let _lock = match command {
        migration::Command::Status => None,
        _ => {
            let lock = ServerLock::take(&config.database)?;
            prove_master_key(config).await?;
            lock
        }
    };
    with_migration_lock(&config.database, async |db| {
        Migrator::run(command, db).await.map_err(|error| format!("the schema cannot be changed: {error}"))
    })
    .await
}
