//! What a sink finds at its target, without changing anything there.

use std::time::Duration;

use entity::{sink_link, token_sink};
use sea_orm::ConnectionTrait;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::{
    channel::{Channel, Meant},
    config::Target,
    database, file,
    live::Ways,
    relay::{Relay, why},
    sink, webhook,
};
use crate::{
    base::{error::Result, secret::Sealer},
    outbox::Delivery,
};

/// Most links that are looked at.
const MOST_LINKS: u64 = 100;
/// Longest time for everything.
const PATIENCE: Duration = Duration::from_secs(40);

/// What was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Findings {
    /// Whether all is as it should be.
    #[schema(example = true)]
    pub ok: bool,
    /// What was found of the place itself, for people.
    #[schema(example = "The relay lets us in.")]
    pub detail: String,
    /// What was found of the target of each link; up to 100 links.
    pub links: Vec<LinkFinding>,
}

/// What was found of the target of a link.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LinkFinding {
    /// The link.
    #[schema(example = 5)]
    pub link_id: i64,
    /// Its target.
    #[schema(example = "12")]
    pub channel_id: String,
    /// Whether a token would be written there.
    #[schema(example = true)]
    pub ok: bool,
    /// For people.
    #[schema(example = "Channel 'gpt-plus-7' of type 1.")]
    pub detail: String,
}

/// Looks at the target.
///
/// # Errors
/// 404 when there is no such sink; what goes wrong at the target is part of the answer.
pub(super) async fn look(db: &impl ConnectionTrait, sealer: &Sealer, ways: &Ways, id: i64) -> Result<Findings> {
    let row: token_sink::Model = sink::require(db, id).await?;
    let target = sink::target(sealer, &row)?;
    let links = sink::links(db, id, MOST_LINKS).await?;
    let mut findings = Findings { ok: false, detail: String::new(), links: Vec::new() };
    if timeout(PATIENCE, look_at(ways, &target, &links, &mut findings)).await.is_err() {
        findings.ok = false;
        findings.detail.push_str(" It took too long; the rest was not looked at.");
    }
    Ok(findings)
}

async fn look_at(ways: &Ways, target: &Target, links: &[sink_link::Model], findings: &mut Findings) {
    match place(ways, target).await {
        Ok(detail) => (findings.ok, findings.detail) = (true, detail),
        Err(failed) => {
            findings.detail = why(&failed).to_owned();
            return;
        }
    }
    for link in links {
        let found = match each(ways, target, link).await {
            Ok(detail) => (true, detail),
            Err(failed) => (false, why(&failed).to_owned()),
        };
        findings.ok &= found.0;
        let (link_id, channel_id) = (link.id, link.channel_id.clone());
        findings.links.push(LinkFinding { link_id, channel_id, ok: found.0, detail: found.1 });
    }
}

/// What is found of the place itself.
async fn place(ways: &Ways, target: &Target) -> Result<String, Delivery> {
    match target {
        Target::Relay(config) | Target::Codex(config) => {
            Relay { net: &ways.net, config, secrets: Vec::new() }.look().await?;
            Ok("The relay lets us in.".to_owned())
        }
        Target::Database(config) => {
            database::reach(ways, config).await?;
            Ok("The database has a table of channels.".to_owned())
        }
        Target::Webhook(config) => webhook::look(&ways.net, config).await,
        Target::Folder(config) => {
            file::look(ways, config, None).await?;
            Ok("The folder is there.".to_owned())
        }
    }
}

/// What is found of the target of a link.
async fn each(ways: &Ways, target: &Target, link: &sink_link::Model) -> Result<String, Delivery> {
    let meant = Meant::of(link, matches!(target, Target::Codex(_)));
    let meant = || meant.ok_or_else(|| Delivery::never("the link names no channel"));
    match target {
        Target::Relay(config) | Target::Codex(config) => {
            let meant = meant()?;
            let found = Relay { net: &ways.net, config, secrets: Vec::new() }.channel(meant.id).await?;
            meant.check(&found).map_err(Delivery::never)?;
            Ok(named(&found))
        }
        Target::Database(config) => database::look(ways, config, &meant()?).await.map(|found| named(&found)),
        Target::Webhook(_) => Ok("Calls carry this name.".to_owned()),
        Target::Folder(config) => {
            file::look(ways, config, Some(&link.channel_id)).await?;
            Ok("A file can be there.".to_owned())
        }
    }
}

fn named(found: &Channel) -> String {
    format!("Channel '{}' of type {}.", super::text::harmless(&found.name, &[]), found.kind)
}
