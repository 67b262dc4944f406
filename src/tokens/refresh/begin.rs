//! The beginning of an attempt, as the account's own flight sees it.

use std::time::Instant;

use entity::{provider, refresh_token};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use super::{
    Cause, Inner, Outcome, Refusal,
    beginning::{Asked, Held, Read},
    failure::uses_the_provider_s_client,
};
use crate::{
    base::{
        error::Result,
        sealed::Place,
        secret::{Sealer, Secret, sha256_hex},
    },
    providers::FailureClass,
    tokens::TABLE,
};

/// An account under lease, ready for the call.
pub(super) struct Attempt {
    /// Joins the intent with its end.
    pub(super) name: String,
    pub(super) row: refresh_token::Model,
    pub(super) provider: provider::Model,
    pub(super) refresh_token: Secret,
    pub(super) previous: Option<Secret>,
    pub(super) proxy: Option<Secret>,
    pub(super) epoch: i64,
    /// How long the lease is held before it has to be renewed.
    pub(super) lease_ms: i64,
    /// An earlier call was sent and its answer never came: the refresh token may be spent.
    pub(super) uncertain: bool,
    pub(super) cause: Cause,
    pub(super) started: Instant,
}

/// What the transaction found.
pub(super) enum Begun {
    Held(Box<Attempt>),
    /// Somebody else holds the lease; the account had this version.
    Elsewhere {
        version: i64,
    },
    /// Somebody else has refreshed it since it was asked for.
    Settled,
    Refused(Refusal),
    Gone,
}

impl Inner {
    /// Takes the lease, reads the account under it, and writes the intent down. `seen`: the version at which somebody
    /// else was found to be at it; a refresh that ended since then is as good.
    pub(super) async fn begin(&self, id: i64, cause: Cause, seen: Option<i64>) -> Result<Begun> {
        let name = Uuid::now_v7().to_string();
        let asked = Asked { id, cause, seen, attempt: name.clone() };
        let read = match self.beginnings.write(asked).await {
            Ok(read) => read,
            Err(error) => {
                self.give_up(id, name).await;
                return Err(error);
            }
        };
        let Held { row, provider, uncertain, lease_ms } = match read {
            Read::Held(held) => *held,
            Read::Elsewhere { version } => return Ok(Begun::Elsewhere { version }),
            Read::Settled => return Ok(Begun::Settled),
            Read::Refused(refusal) => return Ok(Begun::Refused(refusal)),
            Read::Gone => return Ok(Begun::Gone),
        };
        let sealer = &self.state.sealer;
        let refresh_token = open(sealer, id, "refresh_token", &row.refresh_token)?;
        let previous = row.previous_refresh_token.as_deref();
        let previous = previous.map(|sealed| open(sealer, id, "previous_refresh_token", sealed)).transpose()?;
        let proxy = row.proxy.as_deref().map(|sealed| open(sealer, id, "proxy", sealed)).transpose()?;
        let (epoch, started) = (row.lease_epoch, Instant::now());
        let attempt =
            Attempt { name, row, provider, refresh_token, previous, proxy, epoch, lease_ms, uncertain, cause, started };
        Ok(Begun::Held(Box::new(attempt)))
    }

    /// What became of a refresh that another replica was at, once it is over.
    pub(super) async fn settled_elsewhere(&self, id: i64, version: i64) -> Option<Outcome> {
        let row = refresh_token::Entity::find_by_id(id).one(self.state.db.orm()).await.ok()??;
        if row.version > version && row.state == "ok" {
            return Some(Outcome::Refreshed);
        }
        // A lease that was given back without a new version: it failed. One that lapsed is there to be taken.
        let class = FailureClass::parse(row.failure_class.as_deref().filter(|_| row.lease_until.is_none())?)?;
        let wait = row.next_refresh_at.map(|next| next.seconds_after(self.state.clock.now()));
        let provider = provider::Entity::find().filter(provider::Column::Name.eq(&row.provider));
        let provider = provider.one(self.state.db.orm()).await.ok()??;
        let pauses = uses_the_provider_s_client(&row, &provider);
        let refusal = Refusal::failed(class, row.failure_detail.unwrap_or_default(), pauses);
        Some(Refusal { retry_after_s: wait, ..refusal }.into())
    }
}

fn open(sealer: &Sealer, id: i64, column: &str, sealed: &str) -> Result<Secret> {
    Place { table: TABLE, id, column }.unseal(sealer, sealed)
}

/// Ends a lease, if it is still that one.
pub(super) async fn give_back(tx: &impl ConnectionTrait, id: i64, epoch: i64) -> Result<()> {
    use refresh_token::Column;
    refresh_token::Entity::update_many()
        .col_expr(Column::LeaseOwner, Expr::val(None::<String>))
        .col_expr(Column::LeaseUntil, Expr::val(None::<i64>))
        .filter(Column::Id.eq(id))
        .filter(Column::LeaseEpoch.eq(epoch))
        .exec(tx)
        .await?;
    Ok(())
}

/// As it is stored for look-ups.
pub(super) fn hash(token: &Secret) -> String {
    sha256_hex(token.expose().as_bytes())
}
