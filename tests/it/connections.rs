//! What every connection to MySQL is told before it is used.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, Statement};
use tokio::sync::Barrier;

use crate::kit::{Database, TestApp, block_on};

/// As many as the smaller pool of the tests holds, that of the writers.
const MANY: usize = 3;

async fn isolation(db: &impl ConnectionTrait, sql: &str) -> String {
    let sql = Statement::from_string(db.get_database_backend(), sql);
    db.query_one_raw(sql).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

#[test]
fn each_of_them_sees_what_was_committed_while_it_waited_for_a_lock() {
    block_on(async {
        let app = TestApp::start(Database::mysql().await).await;
        // While one connection sleeps, the next query needs another one.
        let reads = (0..MANY).map(|_| isolation(app.state.db.orm(), "SELECT @@tx_isolation, SLEEP(0.2)"));
        assert_eq!(futures_util::future::join_all(reads).await, ["READ-COMMITTED"; MANY]);
        let all_there = Arc::new(Barrier::new(MANY));
        let writes = (0..MANY).map(|_| {
            let all_there = Arc::clone(&all_there);
            app.state.writer.write(async move |tx| {
                all_there.wait().await;
                Ok(isolation(tx, "SELECT @@tx_isolation").await)
            })
        });
        for seen in futures_util::future::join_all(writes).await {
            assert_eq!(seen.unwrap(), "READ-COMMITTED");
        }
        app.stop().await;
    });
}
