//! What the provider, the callers and the disk know of the accounts, and what follows from it after a kill.

use std::collections::{BTreeMap, HashMap, HashSet};

use entity::{notification, refresh_event, refresh_token};
use latchkey::base::secret::sha256_hex;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter};

use crate::kit::{Database, Notifiers, Provider};

/// An account whose new refresh token was lost with the process, so that it may die of it.
#[derive(Clone, Debug)]
pub struct Doomed {
    /// Where the process was killed.
    step: &'static str,
    /// Of the refresh token that the database holds, and how often one was sent before.
    generation: u64,
    sent: usize,
    /// Lives of the service since.
    lives: u64,
}

/// The books.
pub struct Books {
    pub forgives: bool,
    /// Accounts in use, with their ids.
    pub live: BTreeMap<String, i64>,
    /// The newest refresh token that a caller was given.
    pub acknowledged: HashMap<String, String>,
    pub doomed: BTreeMap<String, Doomed>,
    /// Who died, why, and how often a token of theirs was sent by then.
    pub dead: BTreeMap<String, (i64, Doomed, usize)>,
    /// How many tokens each account had sent when this life of the service began.
    before: HashMap<String, usize>,
    pub numbers: Numbers,
}

/// What came of it all.
#[derive(Debug, Default)]
pub struct Numbers {
    pub acknowledged: usize,
    /// Found in the journal after a kill, and in the database after the start.
    pub journalled: usize,
    /// New tokens that died with the process between the provider's acting and our commit or journal.
    pub lost_with_the_process: usize,
    /// Most calls for an account after its token was lost. More than two only if the process was killed in between.
    pub most_tries: u64,
}

impl Books {
    pub fn new(forgives: bool) -> Self {
        Self {
            forgives,
            live: BTreeMap::new(),
            acknowledged: HashMap::new(),
            doomed: BTreeMap::new(),
            dead: BTreeMap::new(),
            before: HashMap::new(),
            numbers: Numbers::default(),
        }
    }

    /// A life of the service begins.
    pub fn begin_life(&mut self, stub: &Provider) {
        let names = self.live.keys().chain(self.dead.keys());
        self.before = names.map(|name| (name.clone(), stub.sent(name).len())).collect();
    }

    /// It has ended: no refresh token was sent twice in it, and of the dead none at all.
    pub fn end_life(&mut self, stub: &Provider) {
        for name in self.live.keys().chain(self.dead.keys()) {
            let sent = stub.sent(name).split_off(self.before.get(name).copied().unwrap_or(0));
            let once: HashSet<&u64> = sent.iter().collect();
            assert_eq!(once.len(), sent.len(), "{name}: generations {sent:?} were sent within one life");
            if let Some((.., sent)) = self.dead.get(name) {
                assert_eq!(stub.sent(name).len(), *sent, "{name} is dead, and its tokens are sent");
            }
            if let Some(doomed) = self.doomed.get(name) {
                let may = [doomed.generation, doomed.generation - 1];
                let since = stub.sent(name).split_off(doomed.sent);
                assert!(since.iter().all(|generation| may.contains(generation)), "{name}: {since:?} of {may:?}");
            }
        }
        for doomed in self.doomed.values_mut() {
            doomed.lives += 1;
        }
    }

    /// Holds what the service has after a start against what was promised before the kill. `journalled` are attempts.
    /// Answers who may have lost a token.
    pub async fn check(&mut self, stub: &Provider, db: &DatabaseConnection, journalled: &[String], step: &'static str) {
        let rows = refresh_token::Entity::find().all(db).await.unwrap();
        let rows: HashMap<&str, &refresh_token::Model> = rows.iter().map(|row| (row.biz_id.as_str(), row)).collect();
        let journalled = accounts_of(db, journalled).await;
        let mut buried = Vec::new();
        for (name, id) in &self.live {
            let row = rows[name.as_str()];
            let generation = |token_hash: &str| {
                let history = stub.history(name);
                let at = history.iter().position(|token| sha256_hex(token.as_bytes()) == token_hash);
                at.unwrap_or_else(|| panic!("{name} holds a refresh token that nobody issued")) as u64 + 1
            };
            let (stored, issued) = (generation(&row.refresh_token_hash), stub.history(name).len() as u64);
            if let Some(token) = self.acknowledged.get(name) {
                let promised = generation(&sha256_hex(token.as_bytes()));
                assert!(stored >= promised, "{name}: {promised} was acknowledged, {stored} is stored ({step})");
            }
            if journalled.contains(id) {
                assert_eq!(stored, issued, "{name}: the newest was in the journal ({step})");
                self.numbers.journalled += 1;
            }
            if row.state == "dead" {
                assert!(self.doomed.contains_key(name), "{name} died, and lost nothing ({step}): {row:?}");
                buried.push((name.clone(), *id));
            } else if stored < issued && !self.doomed.contains_key(name) {
                assert_eq!(stored + 1, issued, "{name}: more than one rotation is gone ({step})");
                assert_eq!(row.state, "uncertain", "{name}: nobody knows of the intent ({step})");
                self.numbers.lost_with_the_process += 1;
                let doomed = Doomed { step, generation: stored, sent: stub.sent(name).len(), lives: 0 };
                self.doomed.insert(name.clone(), doomed);
            } else if !self.doomed.contains_key(name) {
                assert!(stub.current(name).is_some(), "{name}: the provider ended it, and nothing was lost ({step})");
            }
        }
        for (name, id) in buried {
            self.bury(stub, &name, id);
        }
    }

    /// It is dead and it was allowed to die.
    pub fn bury(&mut self, stub: &Provider, name: &str, id: i64) {
        assert!(!self.forgives, "{name} died at a provider that forgives");
        let doomed = self.doomed.remove(name).unwrap_or_else(|| panic!("{name} died, and lost nothing"));
        let sent = stub.sent(name).len();
        let tries = (sent - doomed.sent) as u64;
        assert!(tries <= 2 * (doomed.lives + 1), "{name}: {tries} tries in {} lives", doomed.lives + 1);
        self.numbers.most_tries = self.numbers.most_tries.max(tries);
        self.live.remove(name);
        self.dead.insert(name.to_owned(), (id, doomed, sent));
    }

    /// Whether there is one whose token was lost, and who has another one to try.
    pub fn some_will_recover(&self) -> bool {
        self.doomed.values().any(|doomed| doomed.generation > 1)
    }

    /// It was refreshed after all.
    pub fn recovered(&mut self, name: &str) {
        if self.doomed.remove(name).is_some() {
            assert!(self.forgives, "{name} lives on at a provider that forgives nothing");
        }
    }

    /// That people were told of every death once, and of no other: in the database, and at the channel.
    pub async fn check_told(&self, db: &DatabaseConnection, told: &Notifiers) -> usize {
        let rows = notification::Entity::find().filter(notification::Column::Event.eq("token.dead")).all(db);
        let mut subjects: Vec<String> = rows.await.unwrap().into_iter().map(|row| row.subject).collect();
        let mut expected: Vec<String> = self.dead.values().map(|(id, ..)| format!("token:{id}")).collect();
        subjects.sort();
        expected.sort();
        assert_eq!(subjects, expected, "each death is told once");
        let messages = messages(told);
        let count: u64 = messages.values().map(|message| message["data"]["count"].as_u64().unwrap()).sum();
        assert_eq!(count, expected.len() as u64, "and each has reached the channel");
        messages.len()
    }

    /// How many deaths the channel was told of so far.
    pub fn told(told: &Notifiers) -> u64 {
        messages(told).values().map(|message| message["data"]["count"].as_u64().unwrap()).sum()
    }

    /// Deaths by the step at which their token was lost.
    pub fn causes(&self) -> BTreeMap<&'static str, usize> {
        let mut causes = BTreeMap::new();
        for (_, doomed, _) in self.dead.values() {
            *causes.entry(doomed.step).or_default() += 1;
        }
        causes
    }
}

/// Messages of deaths, by their ids: one that was delivered again after a kill has the same.
fn messages(told: &Notifiers) -> HashMap<String, serde_json::Value> {
    let deaths = told.received().into_iter().filter(|one| one.body["type"] == "token.dead");
    deaths.map(|one| (one.header("webhook-id").expect("an id").to_owned(), one.body)).collect()
}

/// The accounts of these attempts.
async fn accounts_of(db: &DatabaseConnection, attempts: &[String]) -> HashSet<i64> {
    let events = refresh_event::Entity::find().filter(refresh_event::Column::Attempt.is_in(attempts.iter().cloned()));
    let events = if attempts.is_empty() { Vec::new() } else { events.all(db).await.unwrap() };
    events.into_iter().map(|event| event.token_id).collect()
}

/// The attempts whose answers lie in the journal.
pub fn journal(database: &Database) -> Vec<String> {
    let folder = if database.name.is_some() { "data/rotation-journal" } else { "rotation-journal" };
    let Ok(files) = std::fs::read_dir(database.folder.join(folder)) else { return Vec::new() };
    let paths = files.map(|file| file.unwrap().path());
    let sealed = paths.filter(|path| path.extension().is_some_and(|ending| ending == "sealed"));
    sealed.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}
