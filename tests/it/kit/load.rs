//! Writers that remember what they were promised, and hold the service to it.
//!
//! Each writer owns its keys and writes them one after the other, so what may be stored is known exactly: what was
//! answered last, or one of the writes since then that got no clear answer. Keys that are written together are equal.

use std::{collections::HashSet, net::SocketAddr};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Database, Process};

/// Many writers of one device.
pub struct Load {
    token: String,
    uuid: String,
    writers: Vec<Writer>,
    revisions: HashSet<i64>,
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Writes that were promised.
    pub acknowledged: usize,
    /// Writes that were answered 503.
    pub unavailable: usize,
    /// Calls that got no answer.
    pub unanswered: usize,
}

struct Writer {
    name: String,
    step: u64,
    slots: [Slot; 4],
    /// Revisions of single writes that were promised.
    promised: Vec<i64>,
}

/// Keys that always hold the same number, or are absent together.
struct Slot {
    keys: Vec<String>,
    known: Option<u64>,
    since: Vec<Option<u64>>,
    revision: i64,
}

/// How a call ended.
enum Ending {
    /// Promised; the revision it was given, if the answer tells.
    Kept(Option<i64>),
    Unavailable,
    Unanswered,
}

impl Load {
    /// An app and a device of `process`, with that many writers whose keys begin with `name`.
    pub async fn new(process: &Process, name: &str, writers: usize) -> Self {
        let app = json!({"name": "Load", "developer_name": "Tests"});
        let app = process.call("POST", "/public-api/apps").root().json(&app).send().await.expect(201);
        let uuid = format!("device of {name}");
        let granted =
            process.call("POST", &format!("/apps/{}/authorize", app["id"])).json(&json!({"deviceUuid": uuid}));
        let token = granted.send().await.expect(200)["token"].as_str().expect("a token").to_owned();
        Self::resume(token, uuid, name, writers)
    }

    /// The same device, written by others too.
    pub fn beside(&self, name: &str, writers: usize) -> Self {
        Self::resume(self.token.clone(), self.uuid.clone(), name, writers)
    }

    fn resume(token: String, uuid: String, name: &str, writers: usize) -> Self {
        let writers = (0..writers).map(|nth| Writer::new(&format!("{name}-{nth}"))).collect();
        Self { token, uuid, writers, revisions: HashSet::new() }
    }

    /// The device's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Writes until `stop`, or until the service is gone.
    pub async fn run(&mut self, addr: SocketAddr, stop: &CancellationToken) -> Outcome {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let token = self.token.as_str();
        let runs = self.writers.iter_mut().map(|writer| writer.run(&client, addr, token, stop));
        let mut sum = Outcome::default();
        for outcome in join_all(runs).await {
            sum.acknowledged += outcome.acknowledged;
            sum.unavailable += outcome.unavailable;
            sum.unanswered += outcome.unanswered;
        }
        for revision in self.writers.iter_mut().flat_map(|writer| std::mem::take(&mut writer.promised)) {
            assert!(self.revisions.insert(revision), "revision {revision} was given twice");
        }
        sum
    }

    /// Checks that no revision was given to both.
    pub fn assert_apart(&self, other: &Self) {
        let both: Vec<_> = self.revisions.intersection(&other.revisions).collect();
        assert!(both.is_empty(), "given twice: {both:?}");
    }

    /// Checks every key against what was promised, and takes what is there as the new beginning.
    pub async fn verify(&mut self, addr: SocketAddr) {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        for slot in self.writers.iter_mut().flat_map(|writer| &mut writer.slots) {
            let mut found = Vec::new();
            for key in &slot.keys {
                let call = client.get(format!("http://{addr}/kv/{key}")).bearer_auth(&self.token);
                let answer = call.send().await.expect("an answer");
                let status = answer.status().as_u16();
                assert!(matches!(status, 200 | 404), "{key}: {status}");
                if status == 404 {
                    found.push(None);
                    continue;
                }
                let tag = answer.headers()["etag"].to_str().expect("a tag").to_owned();
                // Weak when the answer was compressed.
                let revision: i64 = tag.trim_start_matches("W/").trim_matches('"').parse().expect("a revision");
                let value: Value = answer.json().await.expect("JSON");
                assert!(revision >= slot.revision, "{key}: revision {revision} after {} was promised", slot.revision);
                found.push(value["n"].as_u64());
            }
            let keys = &slot.keys;
            assert!(
                found.windows(2).all(|pair| pair[0] == pair[1]),
                "{keys:?} are written together, but hold {found:?}"
            );
            let is = found[0];
            let may_be = is == slot.known || slot.since.contains(&is);
            assert!(may_be, "{keys:?}: {is:?}, promised was {:?}, tried since: {:?}", slot.known, slot.since);
            (slot.known, slot.since) = (is, Vec::new());
        }
    }

    /// Checks the device's books in the database: counters, and a change log without holes.
    pub async fn check_books(&self, database: &Database) {
        let db = database.connect().await;
        let row = number_row(
            &db,
            &format!("SELECT id, revision, key_count, byte_count FROM device WHERE uuid = '{}'", self.uuid),
        )
        .await;
        let [id, revision, keys, bytes] = row[..] else { panic!("{row:?}") };
        let length = if database.name.is_some() { "LENGTH(value)" } else { "LENGTH(CAST(value AS BLOB))" };
        let integer = if database.name.is_some() { "SIGNED" } else { "INTEGER" };
        let sums = format!(
            "SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS {integer}), CAST(COALESCE(SUM({length}), 0) AS {integer}), \
             COALESCE(MAX(revision), 0) FROM kv_store WHERE device_id = {id}"
        );
        let stored = number_row(&db, &sums).await;
        assert_eq!(stored[..3], [keys, bytes, bytes], "key_count and byte_count are what the rows say");
        assert!(stored[3] <= revision);
        let log = format!(
            "SELECT COUNT(*), COALESCE(MIN(revision), 1), COALESCE(MAX(revision), 0) FROM kv_change WHERE device_id = {id}"
        );
        let log = number_row(&db, &log).await;
        assert_eq!(
            (log[2], log[2] - log[1] + 1),
            (revision, log[0]),
            "the change log ends at the revision and has no holes"
        );
        let unlogged = format!(
            "SELECT COUNT(*) FROM kv_store s LEFT JOIN kv_change c ON c.device_id = s.device_id AND c.revision = s.revision \
             WHERE s.device_id = {id} AND s.revision >= {} AND (c.deleted IS NULL OR c.deleted <> 0)",
            log[1]
        );
        assert_eq!(number_row(&db, &unlogged).await, [0], "the last change of every key is in the log");
        if database.name.is_none() {
            let sql = Statement::from_string(db.get_database_backend(), "PRAGMA integrity_check");
            let found = db.query_one_raw(sql).await.expect("an answer").expect("a row");
            assert_eq!(found.try_get_by_index::<String>(0).expect("text"), "ok");
            let sql = Statement::from_string(db.get_database_backend(), "PRAGMA foreign_key_check");
            assert!(db.query_all_raw(sql).await.expect("an answer").is_empty(), "foreign keys hold");
        }
        db.close().await.expect("closed");
    }
}

async fn number_row(db: &DatabaseConnection, sql: &str) -> Vec<i64> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.expect("an answer").expect("a row");
    (0..row.column_names().len()).map(|nth| row.try_get_by_index(nth).expect("a number")).collect()
}

impl Writer {
    fn new(name: &str) -> Self {
        let slot = |kind: &str, keys: usize| Slot {
            keys: (0..keys).map(|nth| format!("{name}-{kind}-{nth}")).collect(),
            known: None,
            since: Vec::new(),
            revision: 0,
        };
        let slots = [slot("value", 1), slot("pair", 2), slot("import", 5), slot("fleeting", 1)];
        Self { name: name.to_owned(), step: 0, slots, promised: Vec::new() }
    }

    async fn run(
        &mut self,
        client: &reqwest::Client,
        addr: SocketAddr,
        token: &str,
        stop: &CancellationToken,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        while !stop.is_cancelled() {
            self.step += 1;
            let step = self.step;
            let kind = usize::try_from(step % 4).expect("small");
            let slot = &mut self.slots[kind];
            let (request, becomes) = slot.request(client, addr, kind, step);
            // Until it is answered it may have happened or not.
            slot.since.push(becomes);
            match ending(request.bearer_auth(token), &self.name).await {
                Ending::Kept(revision) => {
                    outcome.acknowledged += 1;
                    (slot.known, slot.since) = (becomes, Vec::new());
                    slot.revision = revision.unwrap_or(slot.revision);
                    self.promised.extend(revision.filter(|_| kind == 0));
                }
                Ending::Unavailable => outcome.unavailable += 1,
                Ending::Unanswered => {
                    outcome.unanswered += 1;
                    break;
                }
            }
        }
        outcome
    }
}

impl Slot {
    /// A call, and what the slot holds after it.
    fn request(
        &self,
        client: &reqwest::Client,
        addr: SocketAddr,
        kind: usize,
        step: u64,
    ) -> (reqwest::RequestBuilder, Option<u64>) {
        let url = |path: &str| format!("http://{addr}/kv/{path}");
        // Of different lengths, so that a wrong sum shows.
        let value = json!({"n": step, "pad": "x".repeat(usize::try_from(step % 13).expect("small") * 97)});
        let removes = step % 12 > 7;
        match kind {
            1 if removes => {
                let ops: Vec<_> = self.keys.iter().map(|key| json!({"op": "delete", "key": key})).collect();
                (client.post(url("_batch")).json(&json!({"ops": ops})), None)
            }
            1 => {
                let ops: Vec<_> =
                    self.keys.iter().map(|key| json!({"op": "set", "key": key, "value": value})).collect();
                (client.post(url("_batch")).json(&json!({"ops": ops})), Some(step))
            }
            2 => {
                let all: serde_json::Map<_, _> = self.keys.iter().map(|key| (key.clone(), value.clone())).collect();
                (client.post(url("_batchimport")).json(&all), Some(step))
            }
            3 if removes => (client.delete(url(&self.keys[0])), None),
            _ => (client.put(url(&self.keys[0])).json(&value), Some(step)),
        }
    }
}

async fn ending(request: reqwest::RequestBuilder, name: &str) -> Ending {
    let Ok(answer) = request.send().await else { return Ending::Unanswered };
    let status = answer.status().as_u16();
    let retry_after = answer.headers().contains_key("retry-after");
    let Ok(body) = answer.bytes().await else { return Ending::Unanswered };
    let text = String::from_utf8_lossy(&body);
    match status {
        200 => {
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            // Of a batch the first key's: those after it have larger ones.
            Ending::Kept(body["results"][0]["revision"].as_i64().or(body["revision"].as_i64()))
        }
        204 | 404 => Ending::Kept(None), // only deletes are answered so: the key is gone
        503 => {
            assert!(retry_after, "{name}: 503 without Retry-After: {text}");
            Ending::Unavailable
        }
        _ => panic!("{name}: {status} {text}"),
    }
}
