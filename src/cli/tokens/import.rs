//! `latchkey tokens import`

use std::{fs, path::PathBuf};

use clap::Args;
use serde_json::json;

use crate::{
    admin::Actor,
    base::{clock::Clock, error::Error, http_client::HttpClient, secret::Secret},
    cli::{Failure, Global, Outcome, database::with_database, read_stdin, say_line},
    server::open_sealer,
    tokens::{AccountImport, Content, ImportDefaults, ImportFormat, ImportStatus, Importer},
};

#[derive(Args)]
pub(in crate::cli) struct ImportArgs {
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

pub(super) fn import(global: &Global, arguments: ImportArgs) -> Outcome {
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
        return read_stdin();
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
