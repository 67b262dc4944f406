//! `latchkey tokens import|list|refresh`

use std::{fs, path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use sea_orm::DatabaseTransaction;
use serde_json::json;

use super::{Failure, Global, Outcome, database::with_database, say_line};
use crate::{
    admin::Actor,
    base::{
        clock::Clock,
        error::{Error, Result},
        http_client::HttpClient,
        page::PageQuery,
        secret::Secret,
    },
    cli::database::Session,
    scheduler,
    server::open_sealer,
    tokens::{
        self, AccountFilter, AccountImport, AccountView, By, Content, ImportDefaults, ImportFormat, ImportStatus,
        Importer, Order, Selection,
    },
};

/// How often a task is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// For how long a task may stand still before it is clear that nobody works on it.
const STILL: u32 = 120;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Imports accounts from a file, line by line.
    Import(ImportArgs),
    /// Lists accounts, newest first: number, biz_id, provider, state, e-mail, end of the access token.
    List(ListArgs),
    /// Has a running server refresh accounts, and follows how far it has come.
    Refresh(RefreshArgs),
}

#[derive(Args)]
pub(super) struct ImportArgs {
    /// The file; `-` is standard input.
    file: PathBuf,
    /// Its form [default: as its name ends, else text].
    #[arg(long)]
    format: Option<ImportFormat>,
    /// For lines that name no provider.
    #[arg(long)]
    provider: Option<String>,
    /// For lines that name no client.
    #[arg(long)]
    client_id: Option<String>,
    /// For lines that name no proxy. Others on this machine can see it: better in the file.
    #[arg(long)]
    proxy: Option<String>,
    /// For lines that name no tag.
    #[arg(long)]
    tag: Option<String>,
    /// Stores the accounts as disabled.
    #[arg(long)]
    disabled: bool,
    /// Has the new accounts refreshed by a running server.
    #[arg(long)]
    refresh: bool,
}

#[derive(Args)]
pub(super) struct ListArgs {
    /// Part of biz_id, e-mail address, user name, tag or memo.
    #[arg(long)]
    search: Option<String>,
    /// How many, 1 to 200.
    #[arg(long, default_value_t = 50)]
    limit: u64,
    /// Where to go on: `next_cursor` of the page before.
    #[arg(long)]
    cursor: Option<String>,
}

#[derive(Args)]
#[group(id = "which", required = true, multiple = true, args = ["ids", "all", "tag"])]
pub(super) struct RefreshArgs {
    /// Numbers of accounts.
    #[arg(conflicts_with_all = ["all", "tag"])]
    ids: Vec<i64>,
    /// All enabled accounts.
    #[arg(long)]
    all: bool,
    /// All enabled accounts with this tag.
    #[arg(long)]
    tag: Option<String>,
    /// Prints the number of the task and does not wait for its end.
    #[arg(long)]
    no_wait: bool,
}

impl Command {
    pub(super) fn run(self, global: &Global) -> Outcome {
        match self {
            Self::Import(arguments) => import(global, arguments),
            Self::List(arguments) => list(global, arguments),
            Self::Refresh(arguments) => refresh(global, arguments),
        }
    }
}

fn import(global: &Global, arguments: ImportArgs) -> Outcome {
    let text = read(&arguments.file)?;
    let format = arguments.format.unwrap_or_else(|| by_name(&arguments.file));
    let ImportArgs { provider, client_id, proxy, tag, disabled, refresh, .. } = arguments;
    let proxy = proxy.map(Secret::new);
    let defaults = ImportDefaults { provider, client_id, proxy, tag, enabled: disabled.then_some(false) };
    let done = with_database(global, async |session| {
        let import = AccountImport { format, content: Content::of_text(&text)?, defaults, refresh };
        let sealer = open_sealer(&session.config, &session.db).await.map_err(Error::internal)?;
        let http = HttpClient::new(session.config.security.allow_private_targets);
        let importer = Importer { writer: session.writer.clone(), sealer, http, actor: Actor::cli() };
        importer.run(&import, Clock::System.now()).await
    })?;
    if global.json {
        say_line(format_args!("{:#}", json!(done)));
    } else {
        for line in done.results.iter().filter(|line| line.status != ImportStatus::Created) {
            say_line(format_args!("line {}: {}", line.line, line.reason.as_deref().unwrap_or_default()));
        }
        say_line(format_args!("{} created, {} duplicate, {} invalid", done.created, done.duplicate, done.invalid));
        if let Some(task) = &done.task_id {
            say_line(format_args!("task {task} refreshes them"));
        }
    }
    match done.invalid {
        0 => Ok(()),
        invalid => Err(Failure::Failed(vec![format!("{invalid} lines were not imported")])),
    }
}

fn read(file: &PathBuf) -> std::result::Result<zeroize::Zeroizing<String>, Failure> {
    if file.as_os_str() == "-" {
        return super::read_stdin();
    }
    let text = fs::read_to_string(file).map_err(|error| format!("{} is not readable: {error}", file.display()))?;
    Ok(zeroize::Zeroizing::new(text))
}

fn by_name(file: &std::path::Path) -> ImportFormat {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("json") => ImportFormat::Json,
        Some("csv") => ImportFormat::Csv,
        _ => ImportFormat::Text,
    }
}

fn list(global: &Global, arguments: ListArgs) -> Outcome {
    let ListArgs { search, limit, cursor } = arguments;
    let filter = AccountFilter { search, ..AccountFilter::default() };
    let page = PageQuery { limit: Some(limit), cursor };
    let page = with_database(global, async |session| {
        let sealer = open_sealer(&session.config, &session.db).await.map_err(Error::internal)?;
        let page = tokens::list(session.db.orm(), &filter, Order::default(), &page, Clock::System.now()).await?;
        Ok(page.map(|row| AccountView::new(row, &sealer)))
    })?;
    if global.json {
        say_line(format_args!("{:#}", json!(page)));
        return Ok(());
    }
    for account in page.items {
        let AccountView { id, biz_id, provider, state, .. } = account;
        let end = account.access_expires_at.map(|end| end.to_string()).unwrap_or_default();
        let email = account.email.unwrap_or_default();
        say_line(format_args!("{id}\t{biz_id}\t{provider}\t{state}\t{email}\t{end}"));
    }
    if let Some(cursor) = page.next_cursor {
        say_line(format_args!("more: --cursor {cursor}"));
    }
    Ok(())
}

fn refresh(global: &Global, arguments: RefreshArgs) -> Outcome {
    let RefreshArgs { ids, tag, no_wait, .. } = arguments;
    let enabled = AccountFilter { tag, enabled: Some(true), ..AccountFilter::default() };
    let selection = if ids.is_empty() { Selection::Filter(enabled) } else { Selection::Ids(ids) };
    let task = with_database(global, async |session| {
        let now = Clock::System.now();
        let begin = async move |tx: &DatabaseTransaction| {
            tokens::begin_refresh(tx, By { actor: &Actor::cli(), now }, &selection).await
        };
        let task = session.writer.write(begin).await?;
        if !no_wait {
            follow(session, &task.id, global.json).await?;
        }
        scheduler::show_task(session.db.orm(), &task.id).await
    })?;
    if global.json {
        say_line(format_args!("{:#}", json!(task)));
        return Ok(());
    }
    for item in task.items.iter().filter(|item| item.code.is_some()) {
        say_line(format_args!("account {}: {}", item.id, item.code.as_deref().unwrap_or_default()));
    }
    say_line(format_args!("task {}: {} of {} done", task.task.id, task.task.done, task.task.total));
    Ok(())
}

/// Waits until the task is over.
async fn follow(session: &Session, id: &str, quiet: bool) -> Result<()> {
    let (mut seen, mut still) = (-1, 0);
    loop {
        let task = scheduler::show_task(session.db.orm(), id).await?.task;
        if task.finished_at.is_some() {
            return Ok(());
        }
        still = if task.done == seen { still + 1 } else { 0 };
        if still == 0 && !quiet {
            eprintln!("{} of {}", task.done, task.total);
        }
        if still > STILL {
            return Err(Error::internal(format!("nobody works on task {id}; it goes on when a server runs")));
        }
        seen = task.done;
        tokio::time::sleep(LOOK).await;
    }
}
