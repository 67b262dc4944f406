//! `latchkey tokens export`

use std::{
    fs::OpenOptions,
    io::{Write, stdout},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    pin::pin,
};

use clap::Args;
use futures_util::StreamExt;
use sea_orm::DatabaseTransaction;

use super::Fitting;
use crate::{
    admin::Actor,
    base::{clock::Clock, error::Error},
    cli::{Failure, Global, Outcome, database::with_database},
    server::open_sealer,
    tokens::{self, AccountFilter, ExportFormat, Source},
};

#[derive(Args)]
pub(in crate::cli) struct ExportArgs {
    /// Its form.
    #[arg(long, default_value = "json")]
    format: ExportFormat,
    /// A new file, which only its owner may read [default: standard output].
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    fitting: Fitting,
}

pub(super) fn export(global: &Global, arguments: ExportArgs) -> Outcome {
    let ExportArgs { format, output, fitting } = arguments;
    let (filter, now) = (AccountFilter::from(fitting), Clock::System.now());
    let mut target = open(output.as_deref())?;
    with_database(global, async |session| {
        let sealer = open_sealer(&session.config, &session.db).await.map_err(Error::internal)?;
        let note = async move |tx: &DatabaseTransaction| tokens::note_export(tx, &Actor::cli(), format, now).await;
        session.writer.write(note).await?;
        let source = Source { db: session.db.clone(), sealer, now };
        let mut pieces = pin!(tokens::export(source, filter, format));
        while let Some(piece) = pieces.next().await {
            target.write_all(&piece.map_err(Error::internal)?).map_err(Error::internal)?;
        }
        target.flush().map_err(Error::internal)
    })
}

fn open(output: Option<&Path>) -> Result<Box<dyn Write>, Failure> {
    let Some(path) = output else { return Ok(Box::new(stdout())) };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    Ok(Box::new(file))
}
