//! The exchange of a refresh token for an access token.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use entity::provider;
use tokio_util::sync::CancellationToken;

use super::{
    breaker::{Breakers, Health},
    class::FailureClass,
    classify::{Failed, Judge},
    lane::Lanes,
    pace::Pace,
    provider::Desk,
    reply::Tokens,
    request,
    sealed::Secrets,
};
use crate::{
    base::{
        clock::Clock,
        http_client::{Failure, HttpClient, Incoming},
        secret::{Sealer, Secret},
        state::State,
    },
    settings::{Settings, Values},
};

/// Why nothing was sent: the call waited for its turn when the service was told to stop.
pub const STOPPING: &str = "not sent: the service is stopping";

/// One exchange.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Number of the account, by which its proxy is chosen.
    pub account: i64,
    /// Where.
    pub provider: &'a provider::Model,
    /// The client of the account; none: that of the provider.
    pub client_id: Option<&'a str>,
    /// What is exchanged. It may be spent by this.
    pub refresh_token: &'a Secret,
    /// The account's own proxy; none: as the settings choose.
    pub proxy: Option<&'a Secret>,
}

/// Exchanges refresh tokens. Cheap to clone; the clones share caps and circuit breakers.
#[derive(Clone, Debug)]
pub struct Providers {
    client: HttpClient,
    sealer: Sealer,
    clock: Clock,
    stopping: CancellationToken,
    settings: Settings,
    lanes: Lanes,
    breakers: Breakers,
    /// How many calls have taken a proxy from the list.
    turns: Arc<AtomicUsize>,
}

impl Providers {
    /// For this service; calls go out by `client`.
    #[must_use]
    pub fn new(state: &State, settings: Settings, client: HttpClient) -> Self {
        let (sealer, clock, stopping) = (state.sealer.clone(), state.clock.clone(), state.stopping.clone());
        let (lanes, breakers, turns) = (Lanes::default(), Breakers::default(), Arc::default());
        Self { client, sealer, clock, stopping, settings, lanes, breakers, turns }
    }

    /// What holds for providers without numbers of their own.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What rows are read and shown with.
    pub(super) fn desk(&self) -> Desk {
        Desk { sealer: self.sealer.clone(), settings: self.settings.get() }
    }

    /// The client that the calls go out by, for the check of addresses that are entered.
    #[must_use]
    pub fn client(&self) -> &HttpClient {
        &self.client
    }

    /// Exchanges a refresh token: one request, never repeated; none when the service stops. Waits first for a turn within the provider's caps, up
    /// to a minute for a place and a minute for its time, then at most `timeout_ms` for the answer.
    ///
    /// When the future is dropped, a request that was sent stays sent, and nobody learns the answer.
    ///
    /// # Errors
    /// [`Failed`] with its class. Only with `unanswered` may the refresh token have been spent.
    pub async fn exchange(&self, call: &Call<'_>) -> Result<Tokens, Failed> {
        let secrets = Secrets::open(&self.sealer, call.provider).map_err(|_| {
            Failed::new(FailureClass::InvalidClient, "what is stored sealed of the provider does not open")
        })?;
        let settings = self.settings.get();
        let (pace, proxy) = (Pace::of(call.provider, &settings), self.proxy(call, &settings));
        let path = Breakers::path(&call.provider.token_url, proxy);
        // At once, not after a turn was waited for.
        self.breakers.closed_for(&path, self.clock.now()).map_or(Ok(()), |seconds| Err(open(seconds)))?;
        let turn = self.stopping.run_until_cancelled(self.lanes.turn(call.provider.id, pace)).await;
        let turn = turn.ok_or_else(|| Failed::new(FailureClass::RateLimited, STOPPING).after(Some(1)))?;
        let _turn = turn.map_err(|crowded| {
            Failed::new(FailureClass::RateLimited, "too many calls to this provider wait here").after(Some(crowded.0))
        })?;
        let pass = self.breakers.pass(&path, &self.clock).map_err(open)?;
        let answer = self.client.send(request::outgoing(call, &secrets, proxy, pace.timeout_ms)).await;
        let result = self.judge(call, &secrets, &answer);
        pass.end(health(&answer, &result));
        result
    }

    /// The way: the account's own proxy, else one of the list; none: a direct connection.
    fn proxy<'a>(&self, call: &Call<'a>, settings: &'a Values) -> Option<&'a Secret> {
        let Values { proxy_list, proxy_choice, .. } = settings;
        call.proxy.or_else(|| {
            let turn = self.turns.fetch_add(1, Ordering::Relaxed);
            proxy_list.choose(*proxy_choice, call.account, turn)
        })
    }

    fn judge(&self, call: &Call<'_>, secrets: &Secrets, answer: &Result<Incoming, Failure>) -> Result<Tokens, Failed> {
        // Short ones are words such as `openid`.
        let hidden = secrets.headers.values().chain(secrets.extra_params.values());
        let hidden = hidden.filter(|value| value.expose().len() >= 8);
        let sent: Vec<&Secret> = hidden.chain(&secrets.client_secret).chain([call.refresh_token]).collect();
        let judge = Judge { error_map: &call.provider.error_map, sent: &sent, now: self.clock.now() };
        match answer {
            Ok(answer) => judge.judge(answer),
            Err(failure) => Err(Failed::without_answer(*failure)),
        }
    }
}

fn open(seconds: i64) -> Failed {
    Failed::new(FailureClass::Connect, "not sent: this host has failed too often (circuit breaker)")
        .after(Some(seconds))
}

/// What a call says about the host.
fn health(answer: &Result<Incoming, Failure>, result: &Result<Tokens, Failed>) -> Health {
    match (answer, result.as_ref().err().map(|failed| failed.class)) {
        (Err(Failure::Connect | Failure::Unanswered { .. }), _) => Health::Bad,
        (Err(_), _) => Health::Unknown,
        // A challenge comes from something before the host.
        (Ok(_), Some(class)) if class.is_egress() => Health::Unknown,
        (Ok(answer), _) if answer.status >= 500 => Health::Bad,
        (Ok(_), _) => Health::Good,
    }
}
