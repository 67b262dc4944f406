//! The composition root: it starts everything in order, serves, and stops everything in order.
//!
//! Only this folder and `cli` know every room. Nothing here is global but the table prefix and the log, so several
//! services can run in one process, as they do in tests.

mod fallback;
mod first_start;
mod frame;
mod instance;
mod jobs;
mod live;
pub mod logging;
pub mod openapi;
mod pages;
mod problems;
mod proof;
mod replica;
pub mod rotation;
pub mod routes;
mod tls;
pub mod watch;

use std::{io, net::SocketAddr, time::Duration};

use actix_web::{App, HttpServer, dev::ServerHandle, http::KeepAlive, web};
use tokio::{signal::unix, task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;
use utoipa_actix_web::AppExt;

pub use self::{first_start::open_sealer, proof::prove_master_key};
use self::{frame::Frame, live::Live};
use crate::{
    base::{
        clock::Clock,
        commit::Writer,
        db::{self, Db, ServerLock, StartError},
        input::Room,
        metrics::Metrics,
        redis::Redis,
        secret::Passwords,
        state::{Shared, State},
        wake::Wakeups,
    },
    config::{self, Config},
};

/// Longest time for a request's head to arrive.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Longest time for a client to take its leave.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long an idle connection is kept; longer than the 60 s of the usual proxies, which should be first to close.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A service that runs.
pub struct Running {
    /// Where it listens; with `server.port` 0, on the port it was given.
    pub addr: SocketAddr,
    /// What its handlers see.
    pub state: State,
    live: Live,
    handle: ServerHandle,
    served: JoinHandle<io::Result<()>>,
    lock: Option<ServerLock>,
}

/// Starts a service: lock, Redis, schema, secrets, writer, readers, place among the replicas, jobs, HTTP. It answers requests when this returns.
///
/// # Errors
/// A sentence for the operator: what does not work, and with which value.
pub async fn start(config: Config, clock: Clock) -> Result<Running, StartError> {
    let tls = tls::read(&config.server)?;
    // Boxed: callers would otherwise carry the types of everything below in their own.
    let (state, lock) = Box::pin(prepare(config, clock)).await?;
    let live = Box::pin(Live::start(&state)).await?;
    let listening = listen(&state, &live, tls);
    match listening {
        Ok((addr, handle, served)) => Ok(Running { addr, state, live, handle, served, lock }),
        Err(error) => {
            state.closing.cancel();
            live.stop(&state).await;
            Err(error)
        }
    }
}

/// Everything but HTTP and jobs.
async fn prepare(mut config: Config, clock: Clock) -> Result<(State, Option<ServerLock>), StartError> {
    entity::table::set_prefix(&config.database.table_prefix);
    migration::set_table_prefix(&config.database.table_prefix);
    let lock = ServerLock::take(&config.database)?;
    let metrics = Metrics::new(clock.now())?;
    let redis = Redis::connect(&config, &metrics).await?;
    proof::prove_all(&mut config).await?;
    db::migrate(&config.database, config.database.auto_migrate).await?;
    let writer = Writer::start(&config.database, metrics.commits()).await?;
    let db = Db::connect(&config.database, workers(&config.server), writer.generation()).await?;
    let (config, sealer) = first_start::prepare(config, &db, &writer, &clock).await?;
    let passwords = Passwords::default();
    let (room, wakeups) = (Room::default(), Wakeups::default());
    let (stopping, closing) = (CancellationToken::new(), CancellationToken::new());
    let shared =
        Shared { config, db, writer, redis, clock, sealer, passwords, room, wakeups, metrics, stopping, closing };
    Ok((State::new(shared), lock))
}

/// Threads that serve requests: as configured, or one a core.
fn workers(config: &config::Server) -> usize {
    match config.workers {
        0 => std::thread::available_parallelism().map_or(1, Into::into),
        workers => workers,
    }
}

type Listening = (SocketAddr, ServerHandle, JoinHandle<io::Result<()>>);

fn listen(state: &State, live: &Live, tls: Option<rustls::ServerConfig>) -> Result<Listening, StartError> {
    let config = &state.config.server;
    let frame = Frame::new(state, openapi::document())?;
    let workers = workers(config);
    let (shared, live) = (state.clone(), live.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .configure(|cfg| live.register(cfg))
            .into_utoipa_app()
            .configure(routes::api)
            .into_app()
            .configure(pages::undocumented)
            .default_service(web::to(fallback::answer))
            .wrap(frame.clone())
    })
    .workers(workers)
    .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
    .client_request_timeout(HEAD_TIME)
    .client_disconnect_timeout(FAREWELL)
    .tcp_nodelay(true)
    .shutdown_timeout(config.shutdown_timeout.into())
    .disable_signals();
    let address = (config.host.as_str(), config.port);
    let server = match tls {
        Some(tls) => server.bind_rustls_0_23(address, tls),
        None => server.bind(address),
    };
    let server = server.map_err(|error| format!("cannot listen on {}:{}: {error}", config.host, config.port))?;
    let addr = server.addrs().first().copied().ok_or("no address to listen on")?;
    let server = server.run();
    let handle = server.handle();
    let served = tokio::spawn(server);
    log::info!("latchkey {} listens on {addr} with {workers} workers", env!("CARGO_PKG_VERSION"));
    Ok((addr, handle, served))
}

impl Running {
    /// Stops in order: `/ready` turns 503 at once; requests are still taken for `server.shutdown_delay`; then those
    /// that run may finish within `server.shutdown_timeout`; last, what was accepted for writing is written.
    pub async fn stop(self) {
        let Self { state, live, handle, served, lock, .. } = self;
        state.stopping.cancel();
        sleep(Duration::from_secs(state.config.server.shutdown_delay.into())).await;
        state.closing.cancel();
        handle.stop(true).await;
        let _ = served.await; // it was told to end, and how it did changes nothing
        live.stop(&state).await;
        state.writer.close().await;
        state.db.close().await;
        drop(lock);
    }
}

/// Serves until the process is told to stop (SIGTERM, SIGINT), then stops in order. A second signal stops at once.
///
/// # Errors
/// What [`start`] answers; that the server ended by itself; that a second signal came.
pub async fn run(config: Config) -> Result<(), StartError> {
    let no_signals = |error: io::Error| format!("cannot wait for signals: {error}");
    let mut terminate = unix::signal(unix::SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = unix::signal(unix::SignalKind::interrupt()).map_err(no_signals)?;
    let started = tokio::select! {
        running = start(config, Clock::System) => Some(running?),
        // It may be waiting for another replica's end. Wherever it is cut off, the next start can go on.
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    let Some(mut running) = started else {
        log::warn!("told to stop before it had started");
        return Ok(());
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = &mut running.served => {
            let why = ended.map_err(io::Error::other).and_then(|result| result);
            return Err(format!("the server ended by itself: {why:?}"));
        }
    }
    log::info!("stopping");
    tokio::select! {
        () = running.stop() => {
            log::info!("stopped");
            Ok(())
        }
        _ = terminate.recv() => Err("stopped at once by a second signal".to_owned()),
        _ = interrupt.recv() => Err("stopped at once by a second signal".to_owned()),
    }
}
