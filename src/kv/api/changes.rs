//! Handler of the change feed: event stream (WHATWG HTML §9.2) and long poll.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header,
    web::{self, Bytes},
};
use futures_util::{Stream, stream};
use tokio::time::{Instant, sleep_until, timeout};
use utoipa_actix_web::service_config::ServiceConfig;

use super::Gate;
use crate::{
    base::{
        error::{Error, Problem, Result},
        input::Query,
        state::State,
        wake::Waiting,
    },
    devices::{Call, Grant, Meter, Use},
    kv::{
        Store, changes,
        dto::{ChangeList, ChangeView, ChangesQuery},
        list::number,
    },
    settings::Settings,
};

/// A stream that has nothing to tell sends a comment this often, so that proxies keep it open.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(feed);
}

/// Follow the changes of the device's keys
///
/// With `Accept: text/event-stream` an event stream: `event: change`, the revision as `id`, the change as `data`, and a
/// comment every 15 seconds; it ends when the token is revoked. Else a long poll, which answers as soon as there is a
/// change, or after `wait` seconds. Changes of one key may be merged to the latest.
#[utoipa::path(operation_id = "followChanges", tag = "kv",
    params(ChangesQuery, ("Last-Event-ID" = Option<String>, Header, description = "Where an event stream goes on", example = "41", nullable = false)),
    responses((status = 200, description = "Changes, or a stream of them", content(
            (ChangeList = "application/json", example = json!({"changes": [{"key": "homework-2026-11-21", "action": "upsert", "revision": 41, "updatedAt": "2026-11-21T04:31:00.000Z"}], "revision": 41})),
            (String = "text/event-stream", example = "event: change\nid: 41\ndata: {\"key\":\"homework-2026-11-21\",\"action\":\"upsert\",\"revision\":41,\"updatedAt\":\"2026-11-21T04:31:00.000Z\"}\n\n"))),
        (status = 410, description = "`CHANGES_GONE`: list the keys again", body = Problem, content_type = "application/problem+json")),
    security(("AppToken" = [])))]
#[get("/kv/_changes")]
async fn feed(
    state: State,
    store: web::Data<Store>,
    meter: web::Data<Meter>,
    settings: web::Data<Settings>,
    call: Call,
    query: Query<ChangesQuery>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let gate = Gate { state: &state, meter: &meter, settings: &settings };
    let work = async |grant: Grant| {
        let wants_stream = is_event_stream(&req);
        let resumed = last_event_id(&req).filter(|_| wants_stream).map(Ok);
        let since = resumed.or_else(|| Some(number("since", query.0.since.as_deref()?.into(), 0, REVISIONS)));
        let since = since.transpose()?.map(|since| i64::try_from(since).unwrap_or(i64::MAX));
        if wants_stream {
            return stream_from(state.clone(), grant, since).await;
        }
        let wait = number("wait", query.0.wait.as_deref(), 0, 0..=60)?;
        let list = poll(&state, &grant, since, Duration::from_secs(wait)).await?;
        Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(list))
    };
    gate.pass(&store, &call, Use::Read, work).await
}

const REVISIONS: std::ops::RangeInclusive<u64> = 0..=i64::MAX.unsigned_abs();

fn is_event_stream(req: &HttpRequest) -> bool {
    let accepts = req.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    accepts
        .flat_map(|line| line.split(','))
        .any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream")))
}

fn last_event_id(req: &HttpRequest) -> Option<u64> {
    req.headers().get("last-event-id")?.to_str().ok()?.trim().parse().ok()
}

/// Answers as soon as there is something, or when the time is over.
async fn poll(state: &State, grant: &Grant, since: Option<i64>, wait: Duration) -> Result<ChangeList> {
    let end = Instant::now() + wait;
    let mut waiting = state.wakeups.wait_for(grant.device_id);
    let (mut found, mut revision) = changes::since(state.db.orm(), grant, since).await?;
    while found.is_empty() && !state.closing.is_cancelled() {
        tokio::select! {
            () = waiting.woken() => {}
            () = state.closing.cancelled() => {}
            () = sleep_until(end) => break,
        }
        (found, revision) = changes::since(state.db.orm(), grant, Some(revision)).await?;
    }
    Ok(ChangeList { changes: found, revision })
}

/// What an open stream remembers.
struct Following {
    state: State,
    grant: Grant,
    waiting: Waiting,
    revision: i64,
}

async fn stream_from(state: State, grant: Grant, since: Option<i64>) -> Result<HttpResponse> {
    let waiting = state.wakeups.wait_for(grant.device_id);
    let (found, revision) = changes::since(state.db.orm(), &grant, since).await?;
    let first = if found.is_empty() { Bytes::from_static(b": open\n\n") } else { events(&found)? };
    let rest = follow(Following { state, grant, waiting, revision });
    let body = stream::StreamExt::chain(stream::iter([Ok(first)]), rest);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // nginx would hold events back until its buffer is full
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body))
}

/// Events until the token is revoked or the service stops. A failure ends the stream; the client resumes.
fn follow(following: Following) -> impl Stream<Item = Result<Bytes>> {
    stream::unfold(following, |mut following| async move {
        loop {
            let stopping = following.state.closing.clone();
            let woken = tokio::select! {
                woken = timeout(HEARTBEAT, following.waiting.woken()) => woken.is_ok(),
                () = stopping.cancelled() => return None,
            };
            let since = Some(following.revision);
            let (found, revision) = changes::since(following.state.db.orm(), &following.grant, since).await.ok()?;
            following.revision = revision;
            if !found.is_empty() {
                // There may be more than one answer holds.
                following.state.wakeups.wake(following.grant.device_id);
                return Some((events(&found), following));
            }
            if !woken {
                return Some((Ok(Bytes::from_static(b": still here\n\n")), following));
            }
        }
    })
}

fn events(changes: &[ChangeView]) -> Result<Bytes> {
    let mut text = String::new();
    for change in changes {
        let data = serde_json::to_string(change).map_err(Error::internal)?;
        text.push_str(&format!("event: change\nid: {}\ndata: {data}\n\n", change.revision));
    }
    Ok(Bytes::from(text))
}
