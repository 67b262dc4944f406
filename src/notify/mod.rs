//! What people are to be told.
//!
//! - Whoever has something to tell calls [`tell`] in the transaction of its cause.
//! - No event holds a secret.

use entity::{UtcMillis, notification::ActiveModel};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ConnectionTrait,
};
use serde_json::Value;

use crate::base::error::Result;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A fresh token does not reach a place where it is used.
    SinkFailed,
}

impl EventKind {
    /// Its name on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SinkFailed => "sink.failed",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// What kind of thing.
    pub kind: EventKind,
    /// What it is about: `link:7`.
    pub subject: String,
    /// Those of one cause make one message.
    pub cause: String,
    /// What the message is made of; no secrets.
    pub params: Value,
}

/// Notes an event, in the transaction of its cause.
///
/// # Errors
/// 503 when the database is out.
pub async fn tell(tx: &impl ConnectionTrait, event: &Event, now: UtcMillis) -> Result<()> {
    let row = ActiveModel {
        id: NotSet,
        event: Set(event.kind.as_str().to_owned()),
        subject: Set(event.subject.clone()),
        cause: Set(event.cause.clone()),
        params: Set(event.params.to_string()),
        dispatched_at: Set(None),
        created_at: Set(now),
    };
    row.insert(tx).await?;
    Ok(())
}
