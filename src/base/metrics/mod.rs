//! What is counted and timed, for `/metrics` in Prometheus' text format.
//!
//! Labels are bounded: route templates, methods, lanes; never a key, a token or a path with ids. Requests are
//! recorded by each worker for itself ([`HttpRecorder`]) and put together when somebody reads.

mod http;
mod process;

use std::{sync::Arc, time::Duration};

use entity::UtcMillis;
use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder, exponential_buckets,
};

use self::http::HttpRequests;
use super::{
    db::StartError,
    error::{Error, Result},
};

pub use self::http::HttpRecorder;

/// All metrics of one service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    requests: HttpRequests,
    commits: CommitMetrics,
    jobs: JobMetrics,
    connections: GaugeVec,
}

impl Metrics {
    /// No counts yet. `started` is the start of the process.
    ///
    /// # Errors
    /// Never for the names in use.
    pub fn new(started: UtcMillis) -> Result<Self, StartError> {
        Self::register(started).map_err(|error| format!("the metrics cannot be set up: {error}"))
    }

    fn register(started: UtcMillis) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let requests = HttpRequests::new()?;
        let commits = CommitMetrics::new()?;
        let jobs = JobMetrics::new()?;
        let connections =
            GaugeVec::new(Opts::new("latchkey_db_connections", "Connections of the reading pool."), &["state"])?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(commits.writes.clone()))?;
        registry.register(Box::new(commits.seconds.clone()))?;
        registry.register(Box::new(jobs.runs.clone()))?;
        registry.register(Box::new(jobs.seconds.clone()))?;
        registry.register(Box::new(connections.clone()))?;
        registry.register(Box::new(process::Process::new(started)?))?;
        Ok(Self(Arc::new(Inner { registry, requests, commits, jobs, connections })))
    }

    /// Where a room registers metrics of its own, named `latchkey_<room>_…`.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// For the commit writer.
    #[must_use]
    pub fn commits(&self) -> CommitMetrics {
        self.0.commits.clone()
    }

    /// For the scheduler.
    #[must_use]
    pub fn jobs(&self) -> &JobMetrics {
        &self.0.jobs
    }

    /// Records requests; each worker takes one of its own.
    #[must_use]
    pub fn recorder(&self) -> HttpRecorder {
        self.0.requests.recorder()
    }

    /// Notes how many connections the pool has, and how many of them nobody uses.
    pub fn set_connections(&self, all: u32, idle: usize) {
        let idle = u32::try_from(idle).unwrap_or(all).min(all);
        self.0.connections.with_label_values(&["idle"]).set(idle.into());
        self.0.connections.with_label_values(&["used"]).set((all - idle).into());
    }

    /// Everything, as Prometheus reads it.
    ///
    /// # Errors
    /// Never for the metrics in use.
    pub fn render(&self) -> Result<String> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.0.registry.gather(), &mut text).map_err(Error::internal)?;
        String::from_utf8(text).map_err(Error::internal)
    }
}

/// Size and time of commits, by lane. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CommitMetrics {
    writes: HistogramVec,
    seconds: HistogramVec,
}

impl CommitMetrics {
    /// Not registered anywhere: for a writer outside a service.
    ///
    /// # Errors
    /// Never for the names in use.
    pub fn new() -> prometheus::Result<Self> {
        let writes = HistogramOpts::new("latchkey_commit_writes", "Writes in one commit.")
            .buckets(exponential_buckets(1.0, 2.0, 10)?);
        let seconds = HistogramOpts::new("latchkey_commit_seconds", "Time from the first statement to the commit.")
            .buckets(exponential_buckets(0.000_25, 2.0, 14)?);
        Ok(Self { writes: HistogramVec::new(writes, &["lane"])?, seconds: HistogramVec::new(seconds, &["lane"])? })
    }

    /// One commit of `writes` writes, which took that long.
    #[expect(clippy::cast_precision_loss, reason = "a group has at most some thousand writes")]
    pub fn observe(&self, lane: &str, writes: usize, took: Duration) {
        self.writes.with_label_values(&[lane]).observe(writes as f64);
        self.seconds.with_label_values(&[lane]).observe(took.as_secs_f64());
    }
}

/// Runs of jobs, by name.
#[derive(Clone, Debug)]
pub struct JobMetrics {
    runs: IntCounterVec,
    seconds: HistogramVec,
}

impl JobMetrics {
    fn new() -> prometheus::Result<Self> {
        let runs = Opts::new("latchkey_job_runs_total", "Runs of jobs that ended, by how they did.");
        let seconds = HistogramOpts::new("latchkey_job_seconds", "Time a run of a job took.")
            .buckets(exponential_buckets(0.001, 4.0, 10)?);
        Ok(Self {
            runs: IntCounterVec::new(runs, &["job", "outcome"])?,
            seconds: HistogramVec::new(seconds, &["job"])?,
        })
    }

    /// A run that ended: `ok`, `idle` (nothing to do), `failed` or `panicked`.
    pub fn observe(&self, job: &str, outcome: &str, took: Duration) {
        self.runs.with_label_values(&[job, outcome]).inc();
        self.seconds.with_label_values(&[job]).observe(took.as_secs_f64());
    }
}
