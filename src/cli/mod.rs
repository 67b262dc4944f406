//! The command line: one file a command. A command reads its arguments, calls a room's function and prints; it has no
//! logic of its own. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a decision is needed.

mod admin;
mod apps;
mod config;
mod database;
mod devices;
mod doctor;
mod keys;
mod migrate;
mod openapi;
mod providers;
mod schema;
mod serve;
mod tokens;

use std::{
    fmt,
    io::{IsTerminal, Read, Write, stdout},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::{
    base::error::Error,
    config::{Config, Loaded, Sources, load},
};

/// Self-hosted credentials and small state for AI-backed apps.
#[derive(Parser)]
#[command(name = "latchkey", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Args)]
struct Global {
    /// Configuration file [default: config/config.yml, if there is one].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets a value over file and environment: --set server.port=9000. May be repeated.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// Answers in JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the service until it is told to stop (SIGTERM, Ctrl-C).
    Serve,
    /// Changes or shows the state of the database's schema.
    Migrate(migrate::Migrate),
    /// Checks or shows the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Prints the OpenAPI document.
    Openapi,
    /// Prints the full schema as SQL, with comments.
    Schema(schema::Schema),
    /// Registers, lists and deletes apps.
    #[command(subcommand)]
    Apps(apps::Command),
    /// Lists and deletes devices.
    #[command(subcommand)]
    Devices(devices::Command),
    /// Lists, pauses and resumes providers.
    #[command(subcommand)]
    Providers(providers::Command),
    /// Imports, lists, refreshes, changes and exports accounts.
    #[command(subcommand)]
    Tokens(tokens::Command),
    /// Works on administrators.
    #[command(subcommand)]
    Admin(admin::Command),
    RotateMasterKey(keys::RotateMasterKey),
    RotateDataKey(keys::RotateDataKey),
    /// Looks over configuration, files and database, and says what is wrong.
    Doctor,
}

/// How a command ends when it does not succeed.
enum Failure {
    /// Exit code 1; one line each, for standard error.
    Failed(Vec<String>),
    /// Exit code 3: nothing was done, since nobody has decided.
    Undecided(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Failed(vec![message])
    }
}

type Outcome = Result<(), Failure>;

/// Runs the command of this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse(); // ends the process with 2 when it cannot
    let outcome = match command {
        Command::Serve => serve::run(&global),
        Command::Migrate(command) => command.run(&global),
        Command::Config(command) => command.run(&global),
        Command::Openapi => openapi::run(),
        Command::Schema(command) => command.run(),
        Command::Apps(command) => command.run(&global),
        Command::Devices(command) => command.run(&global),
        Command::Providers(command) => command.run(&global),
        Command::Tokens(command) => command.run(&global),
        Command::Admin(command) => command.run(&global),
        Command::RotateMasterKey(command) => command.run(&global),
        Command::RotateDataKey(command) => command.run(&global),
        Command::Doctor => doctor::run(&global),
    };
    let (code, lines) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Failed(lines)) => (1, lines),
        Err(Failure::Undecided(line)) => (3, vec![line]),
    };
    for line in lines {
        eprintln!("latchkey: {line}");
    }
    ExitCode::from(code)
}

impl Global {
    /// The configuration, after every check; warnings go to standard error.
    fn load(&self) -> Result<Loaded, Failure> {
        let sources = Sources::of_process(self.config.clone(), self.set.clone())
            .map_err(|error| format!("the working directory is not readable: {error}"))?;
        let loaded =
            load(&sources).map_err(|errors| Failure::Failed(errors.iter().map(ToString::to_string).collect()))?;
        for warning in &loaded.warnings {
            eprintln!("latchkey: warning: {warning}");
        }
        Ok(loaded)
    }

    /// The configuration of a command that works on the database.
    fn load_for_database(&self) -> Result<Config, Failure> {
        Ok(self.load_all_for_database()?.config)
    }

    /// The same, with where each value came from.
    fn load_all_for_database(&self) -> Result<Loaded, Failure> {
        let loaded = self.load()?;
        entity::table::set_prefix(&loaded.config.database.table_prefix);
        migration::set_table_prefix(&loaded.config.database.table_prefix);
        Ok(loaded)
    }
}

/// `key=value`, split at the first `=`.
fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE, such as server.port=9000")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// The runtime on which commands wait for the database.
fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::from(format!("the runtime cannot be started: {error}")))
}

/// All of standard input, without the line end.
fn read_stdin() -> Result<zeroize::Zeroizing<String>, Failure> {
    let mut text = zeroize::Zeroizing::new(String::new());
    std::io::stdin().read_to_string(&mut text).map_err(|error| format!("standard input is not readable: {error}"))?;
    Ok(zeroize::Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Asks whether to go on, where somebody can answer.
fn confirmed(what: &str) -> bool {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return false;
    }
    eprint!("{what} Type 'yes' to go on: ");
    let mut answer = String::new();
    stdin.read_line(&mut answer).is_ok() && answer.trim() == "yes"
}

/// An error for the operator, who may see the cause.
fn explained(error: &Error) -> String {
    error.cause().map_or_else(|| error.to_string(), |cause| format!("{error} ({cause})"))
}

/// Writes to standard output. Who stopped reading it (`| head`) has seen enough: that is no failure.
fn say(text: &str) {
    let _ = stdout().write_all(text.as_bytes());
}

/// The same, with a line end.
fn say_line(text: fmt::Arguments<'_>) {
    say(&format!("{text}\n"));
}
