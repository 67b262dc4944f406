//! The frame every request passes, outermost: request id, HEAD, CORS, problem documents, compression, security
//! headers, metrics and the access line; and the place where a panic of a handler ends.
//!
//! It is on the way of every read of the store, so it allocates little, shares no lock between workers, and looks at a
//! header only where the answer may depend on it.

mod access;
mod answer;
mod asked;
mod compression;
mod cors;
mod head;
mod problem;
#[cfg(test)]
mod tests;
mod unread;

use std::{
    future::{Ready, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use actix_web::{
    Error as ActixError, HttpResponse,
    body::BoxBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
};

use self::{answer::Finished, asked::Asked, asked::Ids, cors::Cors};
use super::openapi::Document;
use crate::{
    base::{db::StartError, metrics::HttpRecorder, secret::random_bytes, state::State},
    config::LogFormat,
};

/// Makes the frame of each worker.
#[derive(Clone)]
pub struct Frame(Arc<Shared>);

pub(super) use self::{access::TARGET as ACCESS, problem::OTHER_CODE};

struct Shared {
    state: State,
    cors: Cors,
    document: &'static Document,
    /// Where the request ids of the workers start, so that no two share a sequence.
    seed: AtomicU64,
}

impl Frame {
    /// The frame for this service.
    ///
    /// # Errors
    /// When an origin in `kv.cors_origins` cannot be one, or the random source fails.
    pub fn new(state: &State, document: &'static Document) -> Result<Self, StartError> {
        let seed = random_bytes::<8>().map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(Shared {
            state: state.clone(),
            cors: Cors::new(&state.config.kv.cors_origins)?,
            document,
            seed: AtomicU64::new(u64::from_ne_bytes(seed)),
        })))
    }
}

/// What the frame of one worker keeps.
struct Worker {
    shared: Arc<Shared>,
    ids: Ids,
    recorder: HttpRecorder,
    json_log: bool,
}

impl<S> Transform<S, ServiceRequest> for Frame
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = ActixError>,
    S::Future: Unpin,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = ActixError;
    type Transform = FrameService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        let shared = &self.0;
        let worker = Worker {
            ids: Ids::new(shared.seed.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed)),
            recorder: shared.state.metrics.recorder(),
            json_log: shared.state.config.log.format == LogFormat::Json,
            shared: Arc::clone(shared),
        };
        ready(Ok(FrameService { inner, worker: Rc::new(worker) }))
    }
}

/// The frame of one worker, around the routes.
pub struct FrameService<S> {
    inner: S,
    worker: Rc<Worker>,
}

impl<S> Service<ServiceRequest> for FrameService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = ActixError>,
    S::Future: Unpin,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = ActixError;
    type Future = Framed<S::Future>;

    forward_ready!(inner);

    fn call(&self, mut req: ServiceRequest) -> Self::Future {
        let worker = Rc::clone(&self.worker);
        let asked = Asked::read(&worker, &mut req);
        let work = match asked.preflight(&worker, &req) {
            Some(response) => Work::Answered(Some(req.into_response(response))),
            None => catch_unwind(AssertUnwindSafe(|| self.inner.call(req))).map_or(Work::Panicked, Work::Running),
        };
        Framed { worker, asked, work }
    }
}

/// A request on its way.
pub struct Framed<F> {
    worker: Rc<Worker>,
    asked: Asked,
    work: Work<F>,
}

enum Work<F> {
    Running(F),
    Answered(Option<ServiceResponse>),
    Panicked,
}

impl<F> Future for Framed<F>
where
    F: Future<Output = Result<ServiceResponse, ActixError>> + Unpin,
{
    type Output = Result<ServiceResponse, ActixError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { worker, asked, work } = self.get_mut();
        let outcome = match work {
            Work::Running(future) => match catch_unwind(AssertUnwindSafe(|| Pin::new(future).poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(outcome)) => Some(outcome),
                Err(_) => None,
            },
            Work::Answered(response) => response.take().map(Ok),
            Work::Panicked => None,
        };
        *work = Work::Answered(None);
        Poll::Ready(match outcome {
            Some(Ok(response)) => Ok(answer::finish(worker, asked, response)),
            // The request is gone, with it the route; what is left goes out as an error that brings its answer along.
            Some(Err(error)) => {
                Err(Finished::error(answer::without_request(worker, asked, HttpResponse::from_error(error))))
            }
            None => Err(Finished::error(answer::after_panic(worker, asked))),
        })
    }
}
