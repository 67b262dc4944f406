//! One line for each request: method, route template, status, milliseconds, request id, kind of caller. Never a path,
//! a query string or a body, which may hold what nobody should read in a log.

use std::time::Duration;

use actix_web::http::StatusCode;

use super::{Worker, asked::Asked};

/// The log target of access lines.
pub(in crate::server) const TARGET: &str = "access";
/// Stands for a route where none matched.
pub(super) const NO_ROUTE: &str = "-";

/// Counts the request and writes its line.
pub(super) fn note(worker: &Worker, asked: &Asked, route: &str, status: StatusCode, caller: &str) {
    let took = asked.start.elapsed();
    worker.recorder.record(route, &asked.method, status, took);
    if log::log_enabled!(target: TARGET, log::Level::Info) {
        line(worker, asked, route, status, caller, took);
    }
}

fn line(worker: &Worker, asked: &Asked, route: &str, status: StatusCode, caller: &str, took: Duration) {
    let (millis, micros) = (took.as_millis(), took.subsec_micros() % 1000);
    let (method, status, id) = (asked.method.as_str(), status.as_u16(), asked.id());
    if worker.json_log {
        // Members of the line's object. Route templates, methods (RFC 9110 tokens), ids and kinds need no escapes.
        log::info!(target: TARGET,
            r#""method":"{method}","route":"{route}","status":{status},"ms":{millis}.{micros:03},"request_id":"{id}","caller":"{caller}""#);
    } else {
        log::info!(target: TARGET, "{method} {route} {status} {millis}.{micros:03}ms {id} {caller}");
    }
}
