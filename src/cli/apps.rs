//! `latchkey apps create|list|delete`

use clap::Subcommand;
use serde_json::json;

use super::{Global, Outcome, database::with_database, say_line};
use crate::{
    admin::{Actor, audit},
    apps::{self, NewApp},
    base::{clock::Clock, page::PageQuery},
};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Registers an app and prints its number.
    Create {
        /// Name shown to device owners.
        #[arg(long)]
        name: String,
        /// Who makes it.
        #[arg(long)]
        developer_name: String,
        /// What it is for.
        #[arg(long)]
        description: Option<String>,
    },
    /// Lists apps, newest first.
    List {
        /// Part of name, description or developer's name.
        #[arg(long)]
        search: Option<String>,
        /// How many, 1 to 200.
        #[arg(long, default_value_t = 50)]
        limit: u64,
        /// Where to go on: `next_cursor` of the page before.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Deletes an app; its tokens end with it.
    Delete {
        /// Number of the app.
        id: i64,
    },
}

impl Command {
    pub(super) fn run(self, global: &Global) -> Outcome {
        match self {
            Self::Create { name, developer_name, description } => {
                create(global, NewApp { name, developer_name, description, ..NewApp::default() })
            }
            Self::List { search, limit, cursor } => {
                list(global, PageQuery { limit: Some(limit), cursor }, search.as_deref())
            }
            Self::Delete { id } => delete(global, id),
        }
    }
}

fn create(global: &Global, new: NewApp) -> Outcome {
    let now = Clock::System.now();
    let app = with_database(global, async |session| {
        let new = apps::clean(new)?;
        let write = async move |tx: &sea_orm::DatabaseTransaction| {
            let app = apps::create(tx, new.clone(), now).await?;
            audit::record(tx, &Actor::cli(), "create", "app", app.id, json!({ "name": app.name }), now).await?;
            Ok(app)
        };
        session.writer.write(write).await
    })?;
    if global.json {
        say_line(format_args!("{}", json!({ "id": app.id, "name": app.name })));
    } else {
        say_line(format_args!("{}", app.id));
    }
    Ok(())
}

fn list(global: &Global, page: PageQuery, search: Option<&str>) -> Outcome {
    let page = with_database(global, async |session| apps::list(session.db.orm(), &page, search).await)?;
    if global.json {
        say_line(format_args!("{:#}", json!(page)));
        return Ok(());
    }
    for app in page.items {
        say_line(format_args!("{}\t{}\t{}", app.id, app.name, app.developer_name));
    }
    if let Some(cursor) = page.next_cursor {
        say_line(format_args!("more: --cursor {cursor}"));
    }
    Ok(())
}

fn delete(global: &Global, id: i64) -> Outcome {
    let now = Clock::System.now();
    with_database(global, async |session| {
        let write = async move |tx: &sea_orm::DatabaseTransaction| {
            apps::delete(tx, id).await?;
            audit::record(tx, &Actor::cli(), "delete", "app", id, json!({}), now).await
        };
        session.writer.write(write).await
    })
}
