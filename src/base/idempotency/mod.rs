//! `Idempotency-Key`: a request that is sent twice has one effect and one answer (after draft-ietf-httpapi-idempotency-key).
//!
//! - A key belongs to its caller, method and path. The first answer is kept for [`KEPT_MS`] and replayed.
//! - The effect and its sealed answer are committed in one transaction, so neither exists without the other.
//! - While the first request runs, others get 409. Its mark lapses after [`MARK_MS`]; who takes it over makes the first
//!   one's transaction fail.
//! - Only answers of 2xx are kept: a corrected body may use the same key.

mod mark;
#[cfg(test)]
mod tests;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use entity::UtcMillis;
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::mark::Begun;
use super::{
    error::{Class, Error, Kind, Result},
    sealed::Place,
    secret::{Secret, sha256_hex},
    state::State,
};

pub use self::mark::purge;

/// How long an answer is kept, in milliseconds: 24 hours.
pub const KEPT_MS: i64 = 24 * 60 * 60 * 1000;
/// After how many milliseconds the mark of a request that never ended lapses.
pub const MARK_MS: i64 = 60 * 1000;

/// 409
pub static IDEMPOTENCY_IN_PROGRESS: Kind = Kind::new(
    Class::Conflict,
    "IDEMPOTENCY_IN_PROGRESS",
    "The first request with this key is still running",
    "Wait a moment and send the same request again; it is then answered as the first one was. A request that never \
     ended gives its key free after 60 seconds.",
);
/// 422
pub static IDEMPOTENCY_KEY_REUSED: Kind = Kind::new(
    Class::Invalid,
    "IDEMPOTENCY_KEY_REUSED",
    "The key was used for another request",
    "An Idempotency-Key stands for one request. Use a new one, such as a UUID, for each request you make, and the same \
     one only to send that request again.",
);

/// The problems of a request with an `Idempotency-Key`.
pub static PROBLEMS: &[&Kind] = &[&IDEMPOTENCY_IN_PROGRESS, &IDEMPOTENCY_KEY_REUSED];

/// An answer that can be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status; only 2xx are kept.
    pub status: StatusCode,
    /// The `Location` header.
    pub location: Option<String>,
    /// The body; null is none.
    pub body: Value,
}

impl Answer {
    /// 201 for a resource that was created.
    ///
    /// # Errors
    /// 500 when the resource has no JSON form.
    pub fn created(location: String, resource: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_value(resource).map_err(Error::internal)?;
        Ok(Self { status: StatusCode::CREATED, location: Some(location), body })
    }

    /// An answer with a body and no `Location`.
    ///
    /// # Errors
    /// 500 when the body has no JSON form.
    pub fn new(status: StatusCode, body: &impl Serialize) -> Result<Self> {
        Ok(Self { status, location: None, body: serde_json::to_value(body).map_err(Error::internal)? })
    }

    /// As it goes to the client.
    #[must_use]
    pub fn respond(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(location) = &self.location {
            response.append_header((header::LOCATION, location.as_str()));
        }
        if self.body.is_null() { response.finish() } else { response.json(&self.body) }
    }
}

/// What is sealed of an answer.
#[derive(Deserialize, Serialize)]
struct Kept {
    location: Option<String>,
    body: Value,
}

/// Which request it is.
#[derive(Clone, Debug)]
struct Request {
    id: String,
    body_hash: String,
}

/// Has `effect` once for all requests of `caller` with this method, path and `Idempotency-Key`; without that header,
/// once for this request. `caller` names who asks, unambiguously: an admin, a scoped secret, an (openid, key id).
///
/// `effect` is run as by [`super::commit::Writer::write`]: perhaps more than once, and kept once. What it leaves
/// outside of the transaction may be acted on only when this answers Ok and `effect` has run.
///
/// # Errors
/// 400 when the header is no key; 409 while another request with the key runs; 422 when it came with another body;
/// what `effect` answers.
pub async fn once<W>(state: &State, caller: &str, req: &HttpRequest, body: &[u8], effect: W) -> Result<HttpResponse>
where
    W: AsyncFn(&DatabaseTransaction) -> Result<Answer> + Send + 'static,
{
    let Some(key) = key(req)? else {
        return Ok(state.writer.write(effect).await?.respond());
    };
    let id = sha256_hex(&framed(&[caller, req.method().as_str(), req.path(), key]));
    let request = Request { id, body_hash: sha256_hex(body) };
    match begin(state, request.clone()).await? {
        Begun::Done { status, answer } => replay(state, &request.id, status, &answer),
        Begun::Running => {
            Err(IDEMPOTENCY_IN_PROGRESS.error("The first request with this Idempotency-Key still runs.").retry_after(1))
        }
        Begun::Reused => Err(IDEMPOTENCY_KEY_REUSED.error("This Idempotency-Key came with another body before.")),
        Begun::Ours { mark } => {
            let result = commit(state, &request, &mark, effect).await;
            if result.is_err() {
                give_up(state, request.id, mark).await;
            }
            Ok(result?.respond())
        }
    }
}

/// The key, if the request has one.
fn key(req: &HttpRequest) -> Result<Option<&str>> {
    let mut keys = req.headers().get_all("idempotency-key");
    let Some(first) = keys.next() else { return Ok(None) };
    let text = first.to_str().unwrap_or_default();
    if !(1..=255).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) || keys.next().is_some() {
        return Err(Error::malformed("Idempotency-Key must be given once, with 1 to 255 visible ASCII characters."));
    }
    Ok(Some(text))
}

/// The parts, each after its length, so that no two lists of parts give the same bytes.
fn framed(parts: &[&str]) -> Vec<u8> {
    let frame = |part: &&str| [&(part.len() as u64).to_be_bytes(), part.as_bytes()].concat();
    parts.iter().flat_map(frame).collect()
}

async fn begin(state: &State, request: Request) -> Result<Begun> {
    let now = state.clock.now();
    let mark = uuid::Uuid::now_v7().to_string();
    state.writer.write(async move |tx| mark::begin(tx, &request, &mark, now).await).await
}

/// The effect and its answer, together or not at all.
async fn commit<W>(state: &State, request: &Request, mark: &str, effect: W) -> Result<Answer>
where
    W: AsyncFn(&DatabaseTransaction) -> Result<Answer> + Send + 'static,
{
    let (sealer, id, mark) = (state.sealer.clone(), request.id.clone(), mark.to_owned());
    let now = state.clock.now();
    state
        .writer
        .write(async move |tx| {
            let answer = effect(tx).await?;
            let still_ours = if answer.status.is_success() {
                let kept = Kept { location: answer.location.clone(), body: answer.body.clone() };
                let text = Secret::new(serde_json::to_string(&kept).map_err(Error::internal)?);
                let sealed = place(&id).seal(&sealer.sealing(tx).await?, &text)?;
                mark::finish(tx, &id, &mark, answer.status, sealed, now).await?
            } else {
                mark::remove(tx, &id, &mark).await?
            };
            let lost =
                || IDEMPOTENCY_IN_PROGRESS.error("Another request with this Idempotency-Key took over.").retry_after(1);
            if still_ours { Ok(answer) } else { Err(lost()) }
        })
        .await
}

/// Frees the key of a request that failed. If that fails too, the mark lapses.
async fn give_up(state: &State, id: String, mark: String) {
    let removed = state.writer.write(async move |tx| mark::remove(tx, &id, &mark).await).await;
    if let Err(error) = removed {
        log::warn!("the mark of a failed request stays until it lapses: {error}");
    }
}

/// Where the answer to a request stands.
fn place(id: &str) -> Place<'static, &str> {
    Place { table: "idempotency_key", id, column: "answer" }
}

fn replay(state: &State, id: &str, status: i32, sealed: &str) -> Result<HttpResponse> {
    let text = place(id).unseal(&state.sealer, sealed)?;
    let kept: Kept = serde_json::from_str(text.expose()).map_err(Error::internal)?;
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or_else(|| Error::internal("a kept answer has no status"))?;
    let mut response = Answer { status, location: kept.location, body: kept.body }.respond();
    response.headers_mut().insert(REPLAYED, header::HeaderValue::from_static("true"));
    Ok(response)
}

/// Says that an answer is the first one once more.
const REPLAYED: header::HeaderName = header::HeaderName::from_static("idempotency-replayed");

/// The time before which rows are too old to count.
fn oldest(now: UtcMillis) -> UtcMillis {
    now.plus_millis(-KEPT_MS)
}
