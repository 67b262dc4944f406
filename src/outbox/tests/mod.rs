//! Deliveries in these tests go to a courier that does what it is told.

mod order;
mod retries;
mod workers;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex},
};

use entity::{
    UtcMillis, notification,
    outbox::{Column, Entity, Model},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
};
use tokio::sync::Semaphore;

use super::{Courier, Couriers, Delivery, End, Message, Outbox, put_in_lane};
use crate::base::{error::Result, state::State};

/// Notes what it is given, and answers as told.
#[derive(Clone, Default)]
struct Probe(Arc<Inner>);

#[derive(Default)]
struct Inner {
    brought: Mutex<Vec<(String, i64)>>,
    answers: Mutex<HashMap<String, VecDeque<Delivery>>>,
    /// Targets whose deliveries wait until they are released.
    held: Mutex<HashMap<String, Arc<Semaphore>>>,
    under_way: Mutex<HashSet<String>>,
    begun: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Probe {
    /// The next deliveries to this target end so, in this order; after that all arrive.
    fn answer(&self, target: &str, answers: impl IntoIterator<Item = Delivery>) {
        self.0.answers.lock().unwrap().entry(target.to_owned()).or_default().extend(answers);
    }

    /// Deliveries to this target wait until they are released.
    fn hold(&self, target: &str) {
        self.0.held.lock().unwrap().insert(target.to_owned(), Arc::new(Semaphore::new(0)));
    }

    /// Lets one delivery go on.
    fn release(&self, target: &str) {
        self.0.held.lock().unwrap()[target].add_permits(1);
    }

    fn begun(&self, target: &str) -> Arc<Semaphore> {
        let mut begun = self.0.begun.lock().unwrap();
        Arc::clone(begun.entry(target.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(0))))
    }

    /// Waits until one more delivery to this target has begun.
    async fn has_begun(&self, target: &str) {
        self.begun(target).acquire().await.unwrap().forget();
    }

    fn brought(&self) -> Vec<(String, i64)> {
        self.0.brought.lock().unwrap().clone()
    }

    fn versions(&self, target: &str) -> Vec<i64> {
        self.brought().into_iter().filter(|(to, _)| to == target).map(|(_, version)| version).collect()
    }
}

impl Courier for Probe {
    async fn deliver(&self, message: &Model) -> Delivery {
        let target = message.target.clone();
        assert!(self.0.under_way.lock().unwrap().insert(target.clone()), "two at once for {target}");
        self.0.brought.lock().unwrap().push((target.clone(), message.version));
        self.begun(&target).add_permits(1);
        let gate = self.0.held.lock().unwrap().get(&target).cloned();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        } else {
            tokio::task::yield_now().await;
        }
        self.0.under_way.lock().unwrap().remove(&target);
        let answer = self.0.answers.lock().unwrap().get_mut(&target).and_then(VecDeque::pop_front);
        answer.unwrap_or(Delivery::Delivered)
    }

    /// A row for each end, to be seen with the message's state or not at all.
    async fn settled(&self, tx: &DatabaseTransaction, message: &Model, end: &End, now: UtcMillis) -> Result<()> {
        let row = notification::ActiveModel {
            id: NotSet,
            event: Set(format!("{end:?}").chars().take(64).collect()),
            subject: Set(message.target.clone()),
            cause: Set(message.version.to_string()),
            params: Set("{}".to_owned()),
            dispatched_at: Set(None),
            created_at: Set(now),
        };
        row.insert(tx).await?;
        Ok(())
    }
}

/// An outbox with one courier, which looks what is due only when told to.
fn outbox(state: &State) -> (Outbox, Probe) {
    let probe = Probe::default();
    let couriers = Couriers::default().with("probe", probe.clone());
    (Outbox::new(state.clone(), "first", couriers).unwrap(), probe)
}

async fn put(state: &State, target: &str, version: i64, supersedes: bool) {
    put_in(state, target, target, version, supersedes).await;
}

async fn put_in(state: &State, lane: &str, target: &str, version: i64, supersedes: bool) {
    let (lane, now) = (lane.to_owned(), state.clock.now());
    let payload = serde_json::json!({});
    let message = Message { kind: "probe", target: target.to_owned(), version, payload, supersedes };
    state.writer.write(async move |tx| put_in_lane(tx, &lane, &message, now).await).await.unwrap();
}

/// Delivers until nothing is due.
async fn deliver_all(outbox: &Outbox) {
    while outbox.deliver_due().await.unwrap() > 0 {
        outbox.settled().await;
    }
}

async fn rows(state: &State, target: &str) -> Vec<Model> {
    let rows = Entity::find().filter(Column::Target.eq(target)).order_by_asc(Column::Id);
    rows.all(state.db.orm()).await.unwrap()
}

async fn states(state: &State, target: &str) -> Vec<(i64, String)> {
    rows(state, target).await.into_iter().map(|row| (row.version, row.state)).collect()
}

/// What the courier noted in the transactions of the ends.
async fn noted(state: &State, target: &str) -> Vec<String> {
    let rows = notification::Entity::find().filter(notification::Column::Subject.eq(target));
    let rows = rows.order_by_asc(notification::Column::Id).all(state.db.orm()).await.unwrap();
    rows.into_iter().map(|row| row.event.split(' ').next().unwrap().to_owned()).collect()
}

fn named(states: &[(i64, &str)]) -> Vec<(i64, String)> {
    states.iter().map(|(version, state)| (*version, (*state).to_owned())).collect()
}
