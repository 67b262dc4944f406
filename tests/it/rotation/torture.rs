//! `kill -9` at every step of a refresh and at any moment. `make torture-tokens ROUNDS=500` does it longer.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use futures_util::future::join_all;
use latchkey::base::clock::Clock;
use sea_orm::ConnectionTrait;
use serde_json::json;

use super::{
    accounts,
    books::{Books, journal},
    callers::{Seen, ask, ask_on},
    introduce, near,
    plan::{How, Kill, round_of_kills},
    revealed,
};
use crate::kit::{Database, Notifiers, Process, Provider, WHSEC, block_on, eventually, provider::Rules};

const ACCOUNTS: usize = 50;

/// How many kills, if it was said.
fn rounds() -> Option<usize> {
    std::env::var("ROUNDS").ok().map(|text| text.parse().expect("ROUNDS is a number"))
}

/// Some number below `most`, another one in every run.
fn random(most: u32) -> u32 {
    let [a, b, c, d, ..] = *uuid::Uuid::new_v4().as_bytes();
    u32::from_be_bytes([a, b, c, d]) % most
}

struct Torture {
    database: Database,
    stub: Provider,
    told: Notifiers,
    books: Books,
    client: reqwest::Client,
    /// Names the step at which the service ends.
    order: PathBuf,
    made: usize,
    kills: BTreeMap<&'static str, usize>,
}

impl Torture {
    async fn start(database: Database, forgives: bool) -> (Self, Process) {
        let stub = Provider::start_with(&Clock::System, Rules { forgives, ..Rules::default() });
        let order = database.folder.join("order");
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let (told, books) = (Notifiers::start().await, Books::new(forgives));
        let mut torture = Self { database, stub, told, books, client, order, made: 0, kills: BTreeMap::new() };
        let process = torture.serve().await;
        introduce(&process, &torture.stub, json!({"timeout_ms": 20_000})).await;
        let config = json!({"url": format!("{}/hook", torture.told.url), "secret": WHSEC});
        let channel = json!({"name": "deaths", "kind": "webhook", "config": config, "events": ["token.dead"]});
        process.call("POST", "/public-api/notifications/channels").root().json(&channel).send().await.expect(201);
        torture.fill_up(&process).await;
        (torture, process)
    }

    fn prepare(&self, command: &mut Command) {
        near(command);
        command.env("LATCHKEY_TEST_KILL_AT", &self.order);
    }

    async fn serve(&self) -> Process {
        Process::serve_logged(&self.database, |command| self.prepare(command)).await
    }

    /// New accounts for those that died or will.
    async fn fill_up(&mut self, process: &Process) {
        let missing = ACCOUNTS + self.books.doomed.len() - self.books.live.len();
        if missing == 0 {
            return;
        }
        let names: Vec<String> = (self.made..self.made + missing).map(|nth| format!("account-{nth}")).collect();
        self.made += missing;
        let ids = accounts(process, &self.stub, &names).await;
        self.books.live.extend(names.into_iter().zip(ids));
    }

    /// Kills the service under load, starts it again, and holds it to its word.
    async fn round(&mut self, process: Process, kill: &Kill) -> Process {
        self.books.begin_life(&self.stub);
        let refuses = matches!(kill.how, How::Refusing(_) | How::Starting);
        if refuses {
            refuse(&self.database).await;
        }
        if let How::Step(visits) | How::Refusing(visits) = kill.how {
            self.order(kill.step, 1 + random(visits));
        }
        let addr = process.addr;
        let load = join_all(self.books.live.keys().map(|name| ask_on(&self.client, addr, name)));
        let ended = async { tokio::join!(load, self.kill(process, kill)).0 };
        let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
        let seen =
            ended.unwrap_or_else(|_| panic!("'{}' was not reached: {}", kill.step, Process::log(&self.database)));
        *self.kills.entry(kill.step).or_default() += 1;
        self.stub.quiesce().await;
        self.stub.forget();
        self.note(seen);
        self.books.end_life(&self.stub);

        let (left, calls) = (journal(&self.database), self.stub.calls());
        assert!(!refuses || !left.is_empty() || kill.step == "drafted", "nothing was in the journal");
        if refuses {
            accept(&self.database).await;
        }
        if matches!(kill.how, How::Starting) {
            self.order(kill.step.split(' ').next().unwrap(), 1);
            let mut command = Process::command(&self.database, &["serve"]);
            self.prepare(&mut command);
            command.env("LATCHKEY__SERVER__PORT", "0").stderr(Stdio::null()).stdout(Stdio::null());
            assert_eq!(command.status().unwrap().code(), None, "'{}' was not reached", kill.step);
        }
        let _ = std::fs::remove_file(&self.order);
        let process = self.serve().await;
        assert_eq!(journal(&self.database), Vec::<String>::new(), "a start leaves nothing in the journal");
        let db = self.database.connect().await;
        self.books.check(&self.stub, &db, &left, kill.step).await;
        db.close().await.unwrap();
        assert_eq!(self.stub.calls(), calls, "a start spends nothing");
        if self.books.forgives {
            self.settle(process.addr).await;
        }
        self.fill_up(&process).await;
        process
    }

    fn order(&self, step: &str, visit: u32) {
        std::fs::write(&self.order, format!("{step} {visit}")).unwrap();
    }

    /// Waits for the moment, and until the process is gone.
    async fn kill(&self, process: Process, kill: &Kill) {
        match &kill.how {
            How::Step(_) | How::Refusing(_) => {
                let id = process.id();
                eventually("it has killed itself", async || {
                    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
                    status.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"))
                })
                .await;
                assert_eq!(process.wait(), None, "by a signal");
                return;
            }
            How::Random(most) => tokio::time::sleep(*most / 1000 * random(1000)).await, // the random moment
            How::Starting => eventually("some lie there", async || journal(&self.database).len() > 5).await,
            How::Provider(act) => {
                tokio::time::sleep(Duration::from_millis(random(100).into())).await; // so that it is another call
                let hung = self.stub.hung();
                self.stub.next(act.clone());
                eventually("a call is held", async || self.stub.hung() > hung).await;
            }
        }
        process.kill();
    }

    fn note(&mut self, seen: Vec<Seen>) {
        for Seen { name, refreshed, newest, is_dead } in seen {
            self.books.numbers.acknowledged += refreshed;
            if let Some(newest) = newest {
                self.books.recovered(&name);
                self.books.acknowledged.insert(name.clone(), newest);
            }
            if is_dead {
                let id = self.books.live[&name];
                self.books.bury(&self.stub, &name, id);
            }
        }
    }

    /// Has everybody who may have lost a token refreshed: a provider forgives one repetition, not two.
    async fn settle(&mut self, addr: SocketAddr) {
        let seen = join_all(self.books.doomed.keys().map(|name| ask(&self.client, addr, name))).await;
        self.note(seen.into_iter().map(|seen| seen.expect("the service runs")).collect());
        assert!(self.books.doomed.is_empty() || !self.books.forgives);
    }

    /// At last: every account holds what the provider has, and every death was told once.
    async fn finish(mut self, process: Process, rounds: usize) {
        self.books.begin_life(&self.stub);
        let all = join_all(self.books.live.keys().map(|name| ask(&self.client, process.addr, name))).await;
        self.note(all.into_iter().map(|seen| seen.expect("the service runs")).collect());
        self.books.end_life(&self.stub);
        assert!(self.books.doomed.is_empty(), "{:?}", self.books.doomed);
        for (name, id) in &self.books.live {
            assert_eq!(Some(revealed(&process, *id).await), self.stub.current(name), "{name}");
        }
        let deaths = self.books.dead.len() as u64;
        eventually("all deaths are told", async || Books::told(&self.told) >= deaths).await;
        let db = self.database.connect().await;
        let messages = self.books.check_told(&db, &self.told).await;
        db.close().await.unwrap();
        drop(process);
        assert!(!Process::log(&self.database).contains("panicked"), "{}", Process::log(&self.database));
        let database = if self.database.name.is_some() { "MariaDB" } else { "SQLite" };
        let provider = if self.books.forgives { "forgives one repetition" } else { "forgives nothing" };
        eprintln!(
            "{database}, a provider that {provider}: {rounds} kills at {:?}; {:?}; {deaths} accounts died, by where their token was \
             lost {:?}, told in {messages} messages",
            self.kills,
            self.books.numbers,
            self.books.causes()
        );
        self.database.drop().await;
    }
}

/// Has the database refuse new refresh tokens, and nothing else.
pub async fn refuse(database: &Database) {
    let sql = match database.name {
        Some(_) => {
            "CREATE TRIGGER refuse BEFORE UPDATE ON refresh_token FOR EACH ROW IF NEW.version > OLD.version THEN \
             SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'; END IF"
        }
        None => {
            "CREATE TRIGGER refuse BEFORE UPDATE ON refresh_token WHEN NEW.version > OLD.version BEGIN \
             SELECT RAISE(ABORT, 'refused'); END"
        }
    };
    run(database, sql).await;
}

/// Ends that.
pub async fn accept(database: &Database) {
    run(database, "DROP TRIGGER refuse").await;
}

async fn run(database: &Database, sql: &str) {
    let db = database.connect().await;
    db.execute_unprepared(sql).await.unwrap();
    db.close().await.unwrap();
}

async fn torture(database: Database, forgives: bool) {
    let (mut torture, mut process) = Torture::start(database, forgives).await;
    let all = round_of_kills();
    // In short: every step once where nothing is forgiven, and half of them where something is.
    let half = if forgives { all.len() / 2 } else { 0 };
    let rounds = rounds().unwrap_or(all.len() - half);
    for round in 0..rounds {
        let kill = &all[(round + half) % all.len()];
        let kill = if kill.in_recovery && !torture.books.some_will_recover() { &all[5] } else { kill };
        process = torture.round(process, kill).await;
        if std::env::var_os("ROUNDS").is_some() && round % 20 == 19 {
            eprintln!("round {round}: {:?}", torture.books.numbers);
        }
    }
    torture.finish(process, rounds).await;
}

mod where_one_repetition_is_forgiven_no_account_dies {
    use super::*;

    #[test]
    fn sqlite() {
        block_on(torture(Database::sqlite(), true));
    }

    #[test]
    fn mysql() {
        block_on(async { torture(Database::mysql().await, true).await });
    }
}

mod where_nothing_is_forgiven_only_who_lost_a_token_with_the_process_dies {
    use super::*;

    #[test]
    fn sqlite() {
        block_on(torture(Database::sqlite(), false));
    }

    #[test]
    fn mysql() {
        block_on(async { torture(Database::mysql().await, false).await });
    }
}
