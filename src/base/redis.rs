//! The Redis that the replicas of one service share (`redis.url`): what all of them count together.
//!
//! Nothing hangs on it once the service runs. Who asks waits at most [`PATIENCE`]; then Redis counts as away, is asked
//! no more, and [`Redis::watch`] connects anew until it answers. Meanwhile each process goes on with what it has in
//! its own memory.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use prometheus::{IntCounter, IntGauge};
use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, RedisError, RedisResult, ScriptInvocation,
    aio::MultiplexedConnection,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{db::StartError, metrics::Metrics, secret::sha256_hex};
use crate::config::{self, Config, DatabaseKind};

/// Longest wait for an answer while the service runs.
pub const PATIENCE: Duration = Duration::from_millis(250);
/// Longest wait for a connection, and for its first answer.
const CONNECTING: Duration = Duration::from_secs(3);
/// How often is looked whether Redis is there.
const LOOK: Duration = Duration::from_millis(500);
/// Complaints about one that is away are at least so far apart.
const COMPLAINT: Duration = Duration::from_secs(60);

/// The shared Redis. Cheap to clone.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    client: Client,
    /// Host and port, for people.
    address: String,
    /// Begins the name of every key.
    namespace: String,
    connection: RwLock<MultiplexedConnection>,
    patience: Duration,
    is_away: AtomicBool,
    complained: Mutex<Option<Instant>>,
    up: IntGauge,
    unshared: IntCounter,
}

impl fmt::Debug for Redis {
    /// Without the address as configured: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redis").field(&self.0.address).field(&self.0.namespace).finish()
    }
}

impl Redis {
    /// Connects to the configured one. `None`: none is configured.
    ///
    /// # Errors
    /// When it does not answer, lets nobody in, or takes no writes.
    pub async fn connect(config: &Config, metrics: &Metrics) -> Result<Option<Self>, StartError> {
        if config.redis.url.is_empty() {
            return Ok(None);
        }
        Self::open(config, metrics, PATIENCE).await.map(Some)
    }

    async fn open(config: &Config, metrics: &Metrics, patience: Duration) -> Result<Self, StartError> {
        let client = Client::open(config.redis.url.expose()).map_err(|error| format!("redis.url: {error}"))?;
        let address = client.get_connection_info().addr().to_string();
        let out = |error: RedisError| format!("redis.url is set, but Redis at {address} cannot be used: {error}");
        let namespace = namespace(&config.database);
        let connection = connect(&client, &namespace).await.map_err(out)?;
        let (up, unshared) = register(metrics).map_err(|error| format!("the metrics cannot be set up: {error}"))?;
        up.set(1);
        Ok(Self(Arc::new(Inner {
            client,
            address,
            namespace,
            connection: RwLock::new(connection),
            patience,
            is_away: AtomicBool::new(false),
            complained: Mutex::default(),
            up,
            unshared,
        })))
    }

    /// The tests' Redis, with keys of its own, and so patient that a busy machine makes no difference.
    #[cfg(test)]
    pub(crate) async fn of_tests(name: &str) -> Self {
        let mut config = Config::default();
        config.redis.url = config::Secret::new(Self::OF_TESTS);
        (config.database.kind, config.database.database) = (DatabaseKind::Mysql, name.to_owned());
        let metrics = Metrics::new(entity::UtcMillis(0)).unwrap();
        Self::open(&config, &metrics, Duration::from_secs(60)).await.unwrap()
    }

    /// Where the tests' Redis is.
    #[cfg(test)]
    pub(crate) const OF_TESTS: &str = "redis://127.0.0.1:6379";

    /// The full name of a key.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.0.namespace)
    }

    /// Runs a script. `None`: Redis is away, and the caller has to do without.
    pub async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Option<T> {
        if self.0.is_away.load(Ordering::Relaxed) {
            self.0.unshared.inc();
            return None;
        }
        let mut connection = self.0.connection.read().unwrap_or_else(PoisonError::into_inner).clone();
        match in_time(self.0.patience, script.invoke_async(&mut connection)).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.away(&error);
                self.0.unshared.inc();
                None
            }
        }
    }

    /// Looks whether Redis is there, and connects anew when it was not, until `stop`.
    pub async fn watch(self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            self.look().await;
        }
    }

    async fn look(&self) {
        let is_away = self.0.is_away.load(Ordering::Relaxed);
        let looked = if is_away {
            connect(&self.0.client, &self.0.namespace).await.map(Some)
        } else {
            let mut connection = self.0.connection.read().unwrap_or_else(PoisonError::into_inner).clone();
            probe(&mut connection, &self.0.namespace).await.map(|()| None)
        };
        match looked {
            Ok(Some(connection)) => self.back(connection),
            Ok(None) => {}
            Err(error) => self.away(&error),
        }
    }

    /// It is there again.
    fn back(&self, connection: MultiplexedConnection) {
        *self.0.connection.write().unwrap_or_else(PoisonError::into_inner) = connection;
        self.0.is_away.store(false, Ordering::Relaxed);
        self.0.up.set(1);
        log::info!("Redis at {} answers again", self.0.address);
    }

    /// It is not there, for whoever asks next.
    fn away(&self, error: &RedisError) {
        self.0.is_away.store(true, Ordering::Relaxed);
        self.0.up.set(0);
        let mut complained = self.0.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if complained.is_none_or(|at| at.elapsed() >= COMPLAINT) {
            *complained = Some(Instant::now());
            log::warn!("Redis at {} is away: each replica counts for itself meanwhile: {error}", self.0.address);
        }
    }
}

/// What begins the names of keys: services that share a Redis, but no tables, keep out of each other's way.
fn namespace(database: &config::Database) -> String {
    let name = match database.kind {
        DatabaseKind::Mysql => database.database.clone(),
        DatabaseKind::Sqlite => {
            let path = std::path::absolute(&database.database).unwrap_or_else(|_| (&database.database).into());
            let mut hash = sha256_hex(path.as_os_str().as_encoded_bytes());
            hash.truncate(16);
            hash
        }
    };
    match database.table_prefix.as_str() {
        "" => format!("latchkey:{name}:"),
        prefix => format!("latchkey:{name}.{prefix}:"),
    }
}

fn register(metrics: &Metrics) -> prometheus::Result<(IntGauge, IntCounter)> {
    let up = IntGauge::new("latchkey_redis_up", "1 while Redis answers, else 0.")?;
    let help = "What this process counted by itself because Redis was away.";
    let unshared = IntCounter::new("latchkey_redis_unshared_total", help)?;
    metrics.registry().register(Box::new(up.clone()))?;
    metrics.registry().register(Box::new(unshared.clone()))?;
    Ok((up, unshared))
}

/// A new connection that has proved its worth.
async fn connect(client: &Client, namespace: &str) -> RedisResult<MultiplexedConnection> {
    // Waiting is bounded here, not there: one bound is enough.
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    in_time(CONNECTING, async {
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        write(&mut connection, namespace).await?;
        Ok(connection)
    })
    .await
}

async fn probe(connection: &mut MultiplexedConnection, namespace: &str) -> RedisResult<()> {
    in_time(CONNECTING, write(connection, namespace)).await
}

/// A ping would be answered by one that is full, or that only reads.
async fn write(connection: &mut MultiplexedConnection, namespace: &str) -> RedisResult<()> {
    redis::cmd("SET").arg(format!("{namespace}probe")).arg(1).arg("PX").arg(60_000).query_async(connection).await
}

async fn in_time<T>(time: Duration, work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let silence = || std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer within {time:?}"));
    timeout(time, work).await.unwrap_or_else(|_| Err(silence().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_with_other_tables_have_other_keys() {
        let of = |kind, database: &str, prefix: &str| {
            let mut config = Config::default().database;
            (config.kind, config.database, config.table_prefix) = (kind, database.to_owned(), prefix.to_owned());
            namespace(&config)
        };
        assert_eq!(of(DatabaseKind::Mysql, "store", ""), "latchkey:store:");
        assert_eq!(of(DatabaseKind::Mysql, "store", "b_"), "latchkey:store.b_:");
        let files = ["/a/latchkey.db", "/b/latchkey.db"].map(|path| of(DatabaseKind::Sqlite, path, ""));
        assert!(files[0] != files[1] && files.iter().all(|name| name.len() == 26 && !name.contains('/')), "{files:?}");
    }

    #[actix_web::test]
    async fn what_is_shown_of_it_holds_no_password() {
        let redis = Redis::of_tests("latchkey_test_shown").await;
        assert_eq!(format!("{redis:?}"), r#"Redis("127.0.0.1:6379", "latchkey:latchkey_test_shown:")"#);
        let mut config = Config::default();
        config.redis.url = config::Secret::new("redis://user:hunter2@127.0.0.1:1/0");
        let refusal = Redis::connect(&config, &Metrics::new(entity::UtcMillis(0)).unwrap()).await.unwrap_err();
        assert!(refusal.contains("127.0.0.1:1") && !refusal.contains("hunter2"), "{refusal}");
    }
}
