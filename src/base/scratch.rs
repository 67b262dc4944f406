//! Databases for tests: a new SQLite file and a new database on the MySQL server, gone when the test ends.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use sea_orm::{ActiveValue::Set, DatabaseTransaction, EntityTrait};
use sqlx::{ConnectOptions, Executor, mysql::MySqlConnectOptions};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    clock::Clock,
    commit::Writer,
    db::{self, Db},
    input::Room,
    metrics::Metrics,
    secret::{MasterKey, Passwords, Sealer},
    state::{Shared, State},
    wake::Wakeups,
};
use crate::config::{Config, DatabaseKind, Secret, Synchronous};
use entity::{UtcMillis, sealing_key};

/// When scratch databases begin: 2026-11-21T04:31:00Z.
pub(crate) const START: UtcMillis = UtcMillis(1_795_235_460_000);

/// Runs the test once on SQLite and once on MySQL (root at 127.0.0.1:3306 without password), each with a state of
/// its own on an empty, migrated database. `LATCHKEY_TEST_MYSQL=off` leaves MySQL out.
pub(crate) async fn on_each(test: impl AsyncFn(State)) {
    on(DatabaseKind::Sqlite, &test).await;
    on_mysql(test).await;
}

/// The same on MySQL alone, for what is only there.
pub(crate) async fn on_mysql(test: impl AsyncFn(State)) {
    if std::env::var("LATCHKEY_TEST_MYSQL").as_deref() != Ok("off") {
        on(DatabaseKind::Mysql, &test).await;
    }
}

async fn on(kind: DatabaseKind, test: &impl AsyncFn(State)) {
    let name = format!("latchkey_scratch_{}", Uuid::new_v4().simple());
    let folder = std::env::temp_dir().join(&name);
    let mut config = Config::default();
    config.auth.api_secret = Secret::new("root-secret-of-the-tests-0123456789");
    config.auth.jwt_secret = Secret::new("jwt-secret-of-the-tests-01234567890");
    config.database.kind = kind;
    config.database.synchronous = Synchronous::Normal;
    match kind {
        DatabaseKind::Sqlite => config.database.database = folder.join("latchkey.db").to_string_lossy().into_owned(),
        DatabaseKind::Mysql => {
            config.database.host = "127.0.0.1".to_owned();
            config.database.database = name.clone();
            on_mysql_server(&format!("CREATE DATABASE {name}")).await;
        }
    }
    let run = async {
        db::migrate(&config.database, true).await.unwrap();
        let state = start(config).await;
        let outcome = AssertUnwindSafe(test(state.clone())).catch_unwind().await;
        state.writer.close().await;
        state.db.close().await;
        outcome
    };
    let outcome = AssertUnwindSafe(run).catch_unwind().await.flatten();
    match kind {
        DatabaseKind::Sqlite => std::fs::remove_dir_all(folder).unwrap(),
        DatabaseKind::Mysql => on_mysql_server(&format!("DROP DATABASE {name}")).await,
    }
    if let Err(panic) = outcome {
        eprintln!("on {kind:?}:");
        resume_unwind(panic);
    }
}

async fn start(config: Config) -> State {
    let master = MasterKey::parse(&"5a".repeat(32)).unwrap();
    let data_key = master.new_data_key().unwrap();
    let metrics = Metrics::new(START).unwrap();
    let writer = Writer::start(&config.database, metrics.commits()).await.unwrap();
    let row = sealing_key::ActiveModel { id: Set(1), sealed_key: Set(data_key.clone()), created_at: Set(START) };
    let insert = async move |tx: &DatabaseTransaction| {
        Ok(sealing_key::Entity::insert(row.clone()).exec_without_returning(tx).await?)
    };
    writer.write(insert).await.unwrap();
    State::new(Shared {
        db: Db::connect(&config.database, 1, writer.generation()).await.unwrap(),
        writer,
        clock: Clock::manual(START),
        sealer: Sealer::open(&master, &[(1, data_key)], None).unwrap(),
        passwords: Passwords::default(),
        redis: None,
        config,
        metrics,
        room: Room::default(),
        wakeups: Wakeups::default(),
        stopping: CancellationToken::new(),
        closing: CancellationToken::new(),
    })
}

async fn on_mysql_server(statement: &str) {
    let options = MySqlConnectOptions::new().host("127.0.0.1").username("root");
    let mut connection = options.connect().await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(statement.to_owned())).await.unwrap();
}
