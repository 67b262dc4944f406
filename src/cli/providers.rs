//! `latchkey providers list`

use clap::Subcommand;
use entity::provider::{Column, Entity};
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::json;

use super::{Global, Outcome, database::with_database, say_line};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Lists providers by name: name, state, address, reason of the pause.
    List,
}

impl Command {
    pub(super) fn run(self, global: &Global) -> Outcome {
        match self {
            Self::List => list(global),
        }
    }
}

fn list(global: &Global) -> Outcome {
    let providers = with_database(global, async |session| {
        Ok(Entity::find().order_by_asc(Column::Name).all(session.db.orm()).await?)
    })?;
    for provider in &providers {
        let reason = provider.paused_reason.as_deref().unwrap_or_default();
        if !global.json {
            say_line(format_args!("{}\t{}\t{}\t{reason}", provider.name, provider.state, provider.token_url));
        }
    }
    if global.json {
        let shown = providers.iter().map(|provider| {
            json!({ "name": provider.name, "state": provider.state, "paused_reason": provider.paused_reason, "token_url": provider.token_url })
        });
        say_line(format_args!("{:#}", json!({ "items": shown.collect::<Vec<_>>() })));
    }
    Ok(())
}
