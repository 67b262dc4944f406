//! `cargo run -p migration -- up|down|status|fresh|refresh|reset [--yes]`
//!
//! Takes the database from `DATABASE_URL` (default `sqlite://data/latchkey.db?mode=rwc`) and the table prefix from
//! `LATCHKEY__DATABASE__TABLE_PREFIX`. `latchkey migrate …` does the same with the service's own configuration.

use std::{env, io, io::Write, process::ExitCode};

use migration::{Command, Migrator, set_table_prefix};
use sea_orm_migration::sea_orm::{ConnectOptions, Database, DbErr};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let yes = words.iter().any(|word| word == "--yes");
    let Some(command) = words.iter().find(|word| *word != "--yes").and_then(|word| Command::parse(word)) else {
        eprintln!("usage: migration up|down|status|fresh|refresh|reset [--yes]");
        return ExitCode::from(2);
    };
    if command.destroys_data() && !yes && !confirmed() {
        eprintln!("Nothing was changed.");
        return ExitCode::from(3);
    }
    match run(command).await {
        Ok(report) => {
            let _ = io::stdout().write_all(report.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<String, DbErr> {
    set_table_prefix(&env::var("LATCHKEY__DATABASE__TABLE_PREFIX").unwrap_or_default());
    let url = env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite://data/latchkey.db?mode=rwc".to_owned());
    // One connection: SQLite switches foreign keys off and on for a migration, which must hit the same one.
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await?;
    Migrator::run(command, &db).await
}

fn confirmed() -> bool {
    eprint!("This deletes every row of Latchkey's tables. Type 'yes' to go on: ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}
