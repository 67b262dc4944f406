//! Requests by route template, method and status class.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use actix_web::http::{Method, StatusCode};
use prometheus::{
    core::{Collector, Desc},
    proto::{Bucket, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};

const NAME: &str = "latchkey_http_request_seconds";
const HELP: &str = "Time from the request's head to the answer's head.";
/// Upper bounds in microseconds.
const BOUNDS: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
];

/// The series of all workers.
#[derive(Clone, Debug)]
pub(super) struct HttpRequests {
    desc: Desc,
    all: Arc<Mutex<Vec<Arc<Series>>>>,
}

/// One worker's counts of one route, method and class.
#[derive(Debug)]
struct Series {
    route: String,
    method: &'static str,
    class: u16,
    /// How many requests took at most that long; the last one holds those beyond all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// Records requests for one worker, so that workers never wait for each other.
#[derive(Debug)]
pub struct HttpRecorder {
    all: Arc<Mutex<Vec<Arc<Series>>>>,
    own: RefCell<HashMap<String, Vec<Arc<Series>>>>,
}

impl HttpRecorder {
    /// Counts a request. `route` must be a template, never a path.
    pub fn record(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let method = label(method);
        let class = status.as_u16() / 100;
        let mut own = self.own.borrow_mut();
        let known = own.get(route).and_then(|list| list.iter().find(|one| one.class == class && one.method == method));
        if let Some(series) = known {
            return series.count(took);
        }
        let series = Arc::new(Series::new(route, method, class));
        series.count(took);
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&series));
        own.entry(route.to_owned()).or_default().push(series);
    }
}

/// A method as a label: clients may invent methods, labels must stay few.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

impl Series {
    fn new(route: &str, method: &'static str, class: u16) -> Self {
        Self { route: route.to_owned(), method, class, buckets: Default::default(), micros: AtomicU64::new(0) }
    }

    fn count(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Relaxed);
        }
        self.micros.fetch_add(micros, Relaxed);
    }
}

impl HttpRequests {
    pub(super) fn new() -> prometheus::Result<Self> {
        let labels = ["route", "method", "status"].map(str::to_owned).to_vec();
        let desc = Desc::new(NAME.to_owned(), HELP.to_owned(), labels, std::collections::HashMap::new())?;
        Ok(Self { desc, all: Arc::default() })
    }

    pub(super) fn recorder(&self) -> HttpRecorder {
        HttpRecorder { all: Arc::clone(&self.all), own: RefCell::default() }
    }
}

/// Counts of several workers put together: one number a bucket, and microseconds.
type Sums = ([u64; BOUNDS.len() + 1], u64);

impl Collector for HttpRequests {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sums: BTreeMap<(&str, &str, u16), Sums> = BTreeMap::new();
        for series in all.iter() {
            let (counts, micros) = sums.entry((&series.route, series.method, series.class)).or_default();
            for (sum, bucket) in counts.iter_mut().zip(&series.buckets) {
                *sum += bucket.load(Relaxed);
            }
            *micros += series.micros.load(Relaxed);
        }
        let metrics = sums.into_iter().map(|((route, method, class), sums)| {
            let class = format!("{class}xx");
            let labels = [("method", method), ("route", route), ("status", class.as_str())];
            let mut metric = Metric::from_label(labels.iter().map(|(name, value)| pair(name, value)).collect());
            metric.set_histogram(histogram(sums));
            metric
        });
        let mut family = MetricFamily::default();
        family.set_name(NAME.to_owned());
        family.set_help(HELP.to_owned());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(metrics.collect());
        vec![family]
    }
}

fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

#[expect(clippy::cast_precision_loss, reason = "microseconds are exact in f64 for 285 years")]
fn histogram((counts, micros): Sums) -> Histogram {
    let mut below = 0;
    let buckets = BOUNDS.iter().zip(counts).map(|(bound, count)| {
        below += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound as f64 / 1e6);
        bucket.set_cumulative_count(below);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(counts.iter().sum());
    histogram.set_sample_sum(micros as f64 / 1e6);
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_all_workers_are_added_up() {
        let requests = HttpRequests::new().unwrap();
        for micros in [100, 400, 20_000_000] {
            requests.recorder().record("/kv/{key}", &Method::GET, StatusCode::OK, Duration::from_micros(micros));
        }
        let families = requests.collect();
        let metric = &families[0].get_metric()[0];
        let histogram = metric.get_histogram();
        assert_eq!(families[0].get_metric().len(), 1);
        assert_eq!(histogram.get_sample_count(), 3);
        let below: Vec<u64> = histogram.get_bucket().iter().map(Bucket::cumulative_count).collect();
        assert_eq!(below[..2], [1, 2]);
        assert_eq!(below.last(), Some(&2), "what took longer than every bound counts only in +Inf");
    }

    #[test]
    fn an_invented_method_makes_no_label_of_its_own() {
        let invented = Method::from_bytes(b"INVENTED").unwrap();
        assert_eq!(label(&invented), "OTHER");
    }
}
