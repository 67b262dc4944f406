//! `latchkey providers list|pause|resume`

use clap::Subcommand;
use entity::provider::{Column, Entity};
use sea_orm::{DatabaseTransaction, EntityTrait, QueryOrder};
use serde_json::json;

use super::{Global, Outcome, database::with_database, say_line};
use crate::{admin::Actor, base::clock::Clock, providers};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Lists providers by name: name, state, address, reason of the pause.
    List,
    /// Stops sending anything to a provider.
    Pause {
        /// Its name.
        name: String,
        /// Why, for others to read.
        #[arg(long, default_value = "paused by hand")]
        reason: String,
    },
    /// Takes a paused provider into use again.
    Resume {
        /// Its name.
        name: String,
    },
}

impl Command {
    pub(super) fn run(self, global: &Global) -> Outcome {
        match self {
            Self::List => list(global),
            Self::Pause { name, reason } => pause(global, name, reason),
            Self::Resume { name } => resume(global, name),
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

fn pause(global: &Global, name: String, reason: String) -> Outcome {
    let now = Clock::System.now();
    with_database(global, async |session| {
        let work = async move |tx: &DatabaseTransaction| {
            providers::pause_by_hand(tx, &Actor::cli(), &name, &reason, now).await
        };
        session.writer.write(work).await
    })
}

fn resume(global: &Global, name: String) -> Outcome {
    let now = Clock::System.now();
    with_database(global, async |session| {
        let work = async move |tx: &DatabaseTransaction| providers::resume(tx, &Actor::cli(), &name, now).await;
        session.writer.write(work).await.map(drop)
    })
}
