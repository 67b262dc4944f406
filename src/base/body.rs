//! Bodies: read whole, within limits of size, time and memory.
//!
//! A small body is simply read. A larger one first waits for room in memory, which it keeps as long as its request
//! lives, so that many at once cannot take more memory than there is. Who is not known has room of its own: bodies that
//! come slowly on purpose, from anybody, do not keep out those who hold a token.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpMessage, HttpRequest,
    dev::Payload,
    http::header,
    web::{Bytes, BytesMut},
};
use futures_util::StreamExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    error::{BUSY, Error, PAYLOAD_TOO_LARGE, REQUEST_TIMEOUT, Result},
    state::State,
};

/// A body up to this many bytes is read without waiting for room.
const SMALL: usize = 64 * 1024;
/// Room for larger ones of senders that are known, and of strangers, in KiB.
const ROOM: [usize; 2] = [64 * 1024, 32 * 1024];
/// Longest wait for room.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest pause between two pieces of a body.
const PAUSE: Duration = Duration::from_secs(15);
/// Longest time for a whole body.
const WHOLE: Duration = Duration::from_secs(300);

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

fn announced(req: &HttpRequest) -> Option<usize> {
    req.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads the body, up to `limit` bytes.
///
/// # Errors
/// 413 when it is larger (before reading, if the length is announced), 408 when it comes too slowly, 400 when the
/// connection breaks, 503 `BUSY` when there is no room for it.
pub async fn read_body(req: &HttpRequest, mut payload: Payload, limit: usize, sender: Sender) -> Result<Bytes> {
    let too_large = || PAYLOAD_TOO_LARGE.error(format!("The body is larger than {limit} bytes."));
    let announced = announced(req);
    match announced {
        Some(length) if length > limit => return Err(too_large()),
        Some(0) => return Ok(Bytes::new()),
        None if !req.headers().contains_key(header::TRANSFER_ENCODING) => return Ok(Bytes::new()),
        _ => {}
    }
    let too_slow = |_| REQUEST_TIMEOUT.error("The body did not arrive in time.");
    let read = async {
        let mut body = BytesMut::with_capacity(announced.unwrap_or(1024).min(SMALL));
        let mut has_room = false;
        loop {
            let Some(piece) = timeout(PAUSE, payload.next()).await.map_err(too_slow)? else {
                return Ok(body.freeze());
            };
            let piece = piece.map_err(|error| Error::malformed("The body ended early.").caused_by(error))?;
            let length = body.len() + piece.len();
            if length > limit {
                return Err(too_large());
            }
            if length > SMALL && !has_room {
                take_room(req, sender, announced.unwrap_or(limit)).await?;
                body.reserve(announced.unwrap_or(length) - body.len());
                has_room = true;
            }
            body.extend_from_slice(&piece);
        }
    };
    timeout(WHOLE, read).await.map_err(too_slow)?
}

async fn take_room(req: &HttpRequest, sender: Sender, bytes: usize) -> Result<()> {
    let state = req.app_data::<State>().ok_or_else(|| Error::internal("no state"))?;
    let taken = state.room.take(sender, bytes).await?;
    req.extensions_mut().insert(taken);
    Ok(())
}
