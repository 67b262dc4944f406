//! Room in memory for large bodies.
//!
//! A large body waits for room before it is read on, and keeps it as long as its request lives, so that many at once
//! cannot take more memory than there is. Who is not known has room of its own: bodies that come slowly on purpose, from
//! anybody, do not keep out those who hold a token.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpMessage, HttpRequest, http::header};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::base::{
    error::{BUSY, Error, Result},
    state::State,
};

/// A body up to this many bytes is read without waiting for room.
pub(super) const SMALL: usize = 64 * 1024;
/// Room for larger ones of senders that are known, and of strangers, in KiB.
const ROOM: [usize; 2] = [64 * 1024, 32 * 1024];
/// Longest wait for room.
const PATIENCE: Duration = Duration::from_secs(15);
/// Who sends a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The credential was checked.
    Known,
    /// It was not yet: it may stand in the body.
    Stranger,
}

/// The room for large bodies. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Room {
    known: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Self {
        let [known, strangers] = ROOM.map(|kib| Arc::new(Semaphore::new(kib)));
        Self { known, strangers }
    }
}

/// A body's room, kept with its request.
struct Taken {
    _permit: OwnedSemaphorePermit,
}

impl Room {
    async fn take(&self, sender: Sender, bytes: usize) -> Result<Taken> {
        let (room, all) = match sender {
            Sender::Known => (&self.known, ROOM[0]),
            Sender::Stranger => (&self.strangers, ROOM[1]),
        };
        // One that is larger than all the room gets all of it.
        let kib = u32::try_from(bytes.div_ceil(1024).min(all)).unwrap_or(u32::MAX);
        let full = || BUSY.error("Too many large bodies are being read.").retry_after(5);
        let permit = timeout(PATIENCE, Arc::clone(room).acquire_many_owned(kib)).await;
        permit.map_err(|_| full())?.map(|permit| Taken { _permit: permit }).map_err(|_| full())
    }
}

/// Whether the body may be large enough to have to wait for room.
#[must_use]
pub fn is_large(req: &HttpRequest) -> bool {
    announced(req).map_or_else(|| req.headers().contains_key(header::TRANSFER_ENCODING), |length| length > SMALL)
}

/// The body's length, as the client announced it.
pub(super) fn announced(req: &HttpRequest) -> Option<usize> {
    req.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Waits for room for the body of `req`, for as long as that lives.
///
/// # Errors
/// 503 `BUSY` when there is none in time.
pub(super) async fn take_room(req: &HttpRequest, sender: Sender, bytes: usize) -> Result<()> {
    let state = req.app_data::<State>().ok_or_else(|| Error::internal("no state"))?;
    let taken = state.room.take(sender, bytes).await?;
    req.extensions_mut().insert(taken);
    Ok(())
}
