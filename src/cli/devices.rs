//! `latchkey devices list|delete`

use clap::Subcommand;
use serde_json::json;

use super::{Global, Outcome, database::with_database, say_line};
use crate::{
    admin::{Actor, audit},
    base::{clock::Clock, page::PageQuery},
    devices::{self, DeviceQuery},
};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Lists devices, newest first: uuid, keys, bytes, installs, name.
    List {
        /// Part of the uuid or the name.
        #[arg(long)]
        search: Option<String>,
        /// How many, 1 to 200.
        #[arg(long, default_value_t = 50)]
        limit: u64,
        /// Where to go on: `next_cursor` of the page before.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Deletes a device with its tokens and keys.
    Delete {
        /// The device's uuid.
        uuid: String,
    },
}

impl Command {
    pub(super) fn run(self, global: &Global) -> Outcome {
        match self {
            Self::List { search, limit, cursor } => {
                list(global, PageQuery { limit: Some(limit), cursor }, DeviceQuery { search })
            }
            Self::Delete { uuid } => delete(global, uuid),
        }
    }
}

fn list(global: &Global, page: PageQuery, query: DeviceQuery) -> Outcome {
    let page = with_database(global, async |session| devices::list(session.db.orm(), &page, &query).await)?;
    if global.json {
        say_line(format_args!("{:#}", json!(page)));
        return Ok(());
    }
    for device in page.items {
        let name = device.name.unwrap_or_default();
        say_line(format_args!(
            "{}\t{} keys\t{} bytes\t{} installs\t{name}",
            device.uuid, device.key_count, device.byte_count, device.install_count
        ));
    }
    if let Some(cursor) = page.next_cursor {
        say_line(format_args!("more: --cursor {cursor}"));
    }
    Ok(())
}

fn delete(global: &Global, uuid: String) -> Outcome {
    let now = Clock::System.now();
    with_database(global, async |session| {
        let write = async move |tx: &sea_orm::DatabaseTransaction| {
            let device = devices::require(tx, &uuid).await?;
            devices::delete(tx, device).await?;
            audit::record(tx, &Actor::cli(), "delete", "device", &uuid, json!({}), now).await
        };
        session.writer.write(write).await
    })
}
