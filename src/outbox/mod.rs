//! What has to be told to others, written in the transaction of its cause and delivered afterwards.
//!
//! - A message is put with [`put`]; a [`Courier`] for its kind delivers it.
//! - Messages of one target go out in order, one after the other.
//! - A message that cannot be delivered now is tried again later.

mod job;

use entity::{UtcMillis, outbox};
use futures_util::future::BoxFuture;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait};
use serde_json::Value;

pub use entity::outbox::Model;

pub use self::job::deliver;
use crate::base::error::{Kind, Result};

/// The problems this room answers: none of its own.
pub static PROBLEMS: &[&Kind] = &[];

/// Something to be delivered.
#[derive(Clone, Debug)]
pub struct Message {
    /// `sink` or `notify`: which courier takes it.
    pub kind: &'static str,
    /// What is delivered in order: `link:7`, `channel:3`.
    pub target: String,
    /// Told apart within a target by it; later ones are larger.
    pub version: i64,
    /// For the courier. No secrets.
    pub payload: Value,
    /// Whether it makes older messages to the same target that were not delivered yet pointless.
    pub supersedes: bool,
}

/// How a delivery went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It arrived.
    Delivered,
    /// It did not, and may another time.
    Later {
        /// Why not. No secrets.
        error: String,
        /// Not before that many seconds; `None`: as the outbox likes.
        retry_after_s: Option<i64>,
    },
    /// It never will.
    Never {
        /// Why not. No secrets.
        error: String,
    },
}

/// Delivers the messages of a kind.
pub trait Courier: Send + Sync {
    /// Tries to deliver a message. It may have arrived before, without anybody knowing.
    fn deliver<'a>(&'a self, message: &'a Model) -> BoxFuture<'a, Delivery>;
}

/// Puts a message, in the transaction of its cause.
///
/// # Errors
/// 503 when the database is out.
pub async fn put(tx: &impl ConnectionTrait, message: &Message, now: UtcMillis) -> Result<()> {
    let row = outbox::ActiveModel {
        kind: Set(message.kind.to_owned()),
        target: Set(message.target.clone()),
        version: Set(message.version),
        payload: Set(message.payload.to_string()),
        state: Set("pending".to_owned()),
        attempts: Set(0),
        next_attempt_at: Set(Some(now)),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    outbox::Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}
