//! `/kv`: the store of the device that an app token opens.

mod admin;
mod batch;
mod changes;
mod list;
mod value;

use actix_web::HttpResponse;
use utoipa_actix_web::service_config::ServiceConfig;

use super::store::Store;
use crate::{
    base::{
        error::{Error, Result},
        rate::Quota,
        state::State,
    },
    devices::{Call, Grant, Meter, Use, install::claim},
    settings::Settings,
};

/// The room's routes, the hot ones first: the router looks from the top.
pub fn routes(cfg: &mut ServiceConfig) {
    list::routes(cfg);
    batch::routes(cfg);
    changes::routes(cfg);
    value::routes(cfg);
    admin::routes(cfg);
}

/// What limits the calls of an app token.
#[derive(Clone, Copy)]
struct Gate<'a> {
    state: &'a State,
    meter: &'a Meter,
    settings: &'a Settings,
}

impl Gate<'_> {
    async fn count(self, grant: &Grant, kind: Use) -> Result<Option<Quota>> {
        let rates = self.settings.get();
        let limit = match kind {
            Use::Read => rates.kv_rate_read,
            Use::Write => rates.kv_rate_write,
            Use::Delete => rates.kv_rate_delete,
            Use::Batch => rates.kv_rate_batch,
        };
        self.meter.count(grant.install_id, kind, limit, self.state.clock.now()).await
    }

    /// Looks the token up, counts the call, and does the work.
    async fn pass(
        self,
        store: &Store,
        call: &Call,
        kind: Use,
        work: impl AsyncFnOnce(Grant) -> Result<HttpResponse>,
    ) -> Result<HttpResponse> {
        let token = claim(call)?.hash();
        // A write proves its right in its own transaction, so until then a hint will do.
        let hint = if kind == Use::Read { None } else { store.hint(&token) };
        let grant = match hint {
            Some(hint) => hint,
            None => store.grant(self.state, &token).await?,
        };
        let outcome = match self.count(&grant, kind).await {
            Ok(quota) => Quota::tell(quota, work(grant).await),
            Err(too_many) => Err(too_many),
        };
        if outcome.is_err() && hint.is_some() {
            // Whose token is no good is told that, before anything else that is wrong.
            store.grant(self.state, &token).await?;
        }
        outcome
    }
}

/// Seconds of a `ttl` parameter.
fn ttl(text: Option<&str>) -> Result<Option<i64>> {
    let Some(text) = text else { return Ok(None) };
    match text.parse::<i64>() {
        Ok(seconds) if TTL.contains(&seconds) => Ok(Some(seconds)),
        _ => Err(Error::malformed("'ttl' must be a number of seconds from 1 to 315360000.")),
    }
}

/// Ten years.
pub(super) const TTL: std::ops::RangeInclusive<i64> = 1..=315_360_000;
