//! Bodies: read within limits of size and time, and as JSON of a known form.

use std::time::Duration;

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header,
    web::{Bytes, BytesMut},
};
use futures_util::{StreamExt, future::LocalBoxFuture};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use validator::Validate;

use super::{
    Identifying, invalid, parse_json, require_json,
    room::{SMALL, Sender, announced, take_room},
};
use crate::base::error::{Error, PAYLOAD_TOO_LARGE, REQUEST_TIMEOUT, Result};

/// Default limit of a body, in bytes.
pub const BODY_LIMIT: usize = 256 * 1024;
/// Longest pause between two pieces of a body.
const BODY_PAUSE: Duration = Duration::from_secs(15);
/// Longest time for a whole body.
const BODY_TIME: Duration = Duration::from_secs(300);

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
            let Some(piece) = timeout(BODY_PAUSE, payload.next()).await.map_err(too_slow)? else {
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
    timeout(BODY_TIME, read).await.map_err(too_slow)?
}

/// A JSON body for the endpoints that are ours to define: unknown fields are refused (by `deny_unknown_fields` on
/// `T`), wrong types and broken rules are 422, each with its field.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Validate + 'static> FromRequest for Json<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, payload) = (req.clone(), payload.take());
        let identifying = req.extensions().get::<Identifying>().cloned();
        Box::pin(async move {
            let sender = if identifying.is_some() { Sender::Known } else { Sender::Stranger };
            Identifying::over(identifying).await;
            let body = read_body(&req, payload, BODY_LIMIT, sender).await?;
            Self::parse(&req, &body)
        })
    }
}

impl<T: DeserializeOwned + Validate> Json<T> {
    /// Checks media type, JSON, types and rules of a body that was read already.
    ///
    /// # Errors
    /// 400, 415 or 422.
    pub fn parse(req: &HttpRequest, body: &[u8]) -> Result<Self> {
        require_json(req)?;
        let value: T = parse_json(body)?;
        value.validate().map_err(|errors| invalid(&errors))?;
        Ok(Self(value))
    }
}
