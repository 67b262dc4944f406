//! Brings an account's newest access token to the target of a link.

use entity::{UtcMillis, outbox as row, refresh_token, sink_link, token_sink};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder};
use serde_json::json;

use super::{
    channel::Meant,
    config::{RelayConfig, Target},
    database, file,
    link::note_delivery,
    live::Ways,
    push::{bring_back, link_of},
    relay::Relay,
    sink, webhook,
};
use crate::{
    base::{error::Result, http_client::HttpClient, sealed::Place, secret::Secret, state::State},
    notify::{self, Event, EventKind},
    outbox::{Courier, Delivery, End},
};

/// After how many tries in a row people are told that a target does not take its token: about five minutes.
const TOLD_AFTER: i64 = 6;

/// The courier of messages of kind `sink`.
#[derive(Clone, Debug)]
pub struct SinkCourier {
    state: State,
    ways: Ways,
}

/// A link with what it joins.
struct Joined {
    link: sink_link::Model,
    sink: token_sink::Model,
    account: refresh_token::Model,
}

impl SinkCourier {
    /// A courier that calls out through `net`.
    #[must_use]
    pub fn new(state: &State, net: HttpClient) -> Self {
        Self { state: state.clone(), ways: Ways::new(state, net) }
    }

    async fn try_deliver(&self, message: &row::Model) -> Result<Delivery> {
        let joined = match link_of(&message.target) {
            Some(id) => joined(self.state.db.orm(), id).await?,
            None => None,
        };
        let Some(joined) = joined else { return Ok(Delivery::obsolete("the link is gone")) };
        if !joined.sink.enabled {
            return Ok(Delivery::obsolete("the sink is switched off"));
        }
        let now = self.state.clock.now();
        let Some(sealed) = &joined.account.access_token else {
            return Ok(Delivery::obsolete("the account has no access token"));
        };
        if joined.account.access_expires_at.is_some_and(|end| end <= now) {
            return Ok(Delivery::obsolete("the access token has expired"));
        }
        let place = Place { table: "refresh_token", id: joined.account.id, column: "access_token" };
        let access_token = place.unseal(&self.state.sealer, sealed)?;
        let target = sink::target(&self.state.sealer, &joined.sink)?;
        Ok(self.bring(&target, message, &joined, &access_token, now).await)
    }

    async fn bring(
        &self,
        target: &Target,
        message: &row::Model,
        Joined { link, account, .. }: &Joined,
        access_token: &Secret,
        now: UtcMillis,
    ) -> Delivery {
        let pair = (link, account);
        let meant = || Meant::of(link, matches!(target, Target::Codex(_)));
        let meant = || meant().ok_or_else(|| Delivery::never("the link names no channel"));
        match target {
            Target::Relay(relay) => match meant() {
                Ok(meant) => self.relay(relay, access_token).deliver(&meant, access_token).await,
                Err(failed) => failed,
            },
            Target::Codex(relay) => match (meant(), codex_key(account, access_token)) {
                (Ok(meant), Ok(key)) => self.relay(relay, access_token).deliver(&meant, &key).await,
                (Err(failed), _) | (_, Err(failed)) => failed,
            },
            Target::Database(database) => match meant() {
                Ok(meant) => database::deliver(&self.ways, database, &meant, access_token).await,
                Err(failed) => failed,
            },
            Target::Webhook(webhook) => {
                webhook::deliver(&self.ways.net, webhook, message, pair, access_token, now).await
            }
            Target::Folder(folder) => file::deliver(&self.ways, folder, pair, access_token).await,
        }
    }

    fn relay<'a>(&'a self, config: &'a RelayConfig, access_token: &'a Secret) -> Relay<'a> {
        Relay { net: &self.ways.net, config, secrets: vec![access_token.expose()] }
    }
}

async fn joined(db: &impl ConnectionTrait, link_id: i64) -> Result<Option<Joined>> {
    let Some(link) = sink_link::Entity::find_by_id(link_id).one(db).await? else { return Ok(None) };
    let sink = token_sink::Entity::find_by_id(link.sink_id).one(db).await?;
    let account = refresh_token::Entity::find_by_id(link.token_id).one(db).await?;
    Ok(sink.zip(account).map(|(sink, account)| Joined { link, sink, account }))
}

/// The key of a Codex channel. Without a refresh token New-API leaves the refreshing to us; two who refresh would end
/// each other's token.
fn codex_key(account: &refresh_token::Model, access_token: &Secret) -> std::result::Result<Secret, Delivery> {
    let Some(account_id) = &account.account_id else {
        return Err(Delivery::never("the account's id at its provider is not known, and a Codex channel needs it"));
    };
    let key = json!({
        "access_token": access_token.expose(),
        "account_id": account_id,
        "email": account.email.as_deref().unwrap_or_default(),
        "expired": account.access_expires_at,
    });
    Ok(Secret::new(key.to_string()))
}

impl Courier for SinkCourier {
    async fn deliver(&self, message: &row::Model) -> Delivery {
        self.try_deliver(message).await.unwrap_or_else(|error| {
            log::error!("delivery {} cannot be begun: {error} ({})", message.id, error.cause().unwrap_or("no cause"));
            Delivery::later("it could not be begun on our side; the log tells more")
        })
    }

    async fn settled(&self, tx: &DatabaseTransaction, message: &row::Model, end: &End, now: UtcMillis) -> Result<()> {
        let Some(link_id) = link_of(&message.target) else { return Ok(()) };
        match end {
            End::Delivered => note_delivery(tx, link_id, message.version, now).await,
            End::Again { error } if message.attempts == TOLD_AFTER => tell(tx, link_id, message, error, now).await,
            End::Failed { error } if message.attempts <= TOLD_AFTER => tell(tx, link_id, message, error, now).await,
            _ => Ok(()),
        }
    }

    async fn overtaken(&self, tx: &DatabaseTransaction, message: &row::Model, now: UtcMillis) -> Result<()> {
        match link_of(&message.target) {
            Some(link_id) => bring_back(tx, link_id, message.version, now).await,
            None => Ok(()),
        }
    }
}

/// Tells that a target does not take its token: once, until it has taken one.
async fn tell(
    tx: &impl ConnectionTrait,
    link_id: i64,
    message: &row::Model,
    error: &str,
    now: UtcMillis,
) -> Result<()> {
    let telling = Condition::any()
        .add(row::Column::State.is_in(["delivered", "failed"]))
        .add(row::Column::Attempts.gte(TOLD_AFTER));
    let before = row::Entity::find()
        .filter(row::Column::Target.eq(&message.target))
        .filter(row::Column::Id.lt(message.id))
        .filter(telling)
        .order_by_desc(row::Column::Id)
        .one(tx)
        .await?;
    if before.is_some_and(|before| before.state != "delivered") {
        return Ok(());
    }
    let Some(Joined { link, sink, account }) = joined(tx, link_id).await? else { return Ok(()) };
    let params = json!({ "name": account.label(), "sink": sink.name, "target": link.channel_id, "error": error });
    let event = Event {
        kind: EventKind::SinkFailed,
        subject: message.target.clone(),
        cause: format!("sink:{}", sink.id),
        params,
    };
    notify::tell(tx, &event, now).await
}
