//! The windows, in memory and in Redis at 127.0.0.1:6379.

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use uuid::Uuid;

use super::*;
use crate::base::error::Dialect;

impl Subject for &'static str {
    fn name(&self) -> String {
        (*self).to_owned()
    }
}

/// Windows of two replicas, and a time that a test moves on.
struct Bench {
    here: Windows<&'static str>,
    /// None where there is only one.
    there: Option<Windows<&'static str>>,
    direct: Option<MultiplexedConnection>,
    now: UtcMillis,
}

impl Bench {
    fn in_memory() -> Self {
        Self { here: Windows::new("test", None), there: None, direct: None, now: UtcMillis(1_000_000) }
    }

    async fn in_redis() -> Self {
        let name = format!("latchkey_test_{}", Uuid::new_v4().simple());
        let (here, there) = (Redis::of_tests(&name).await, Redis::of_tests(&name).await);
        let direct = redis::Client::open(Redis::OF_TESTS).unwrap().get_multiplexed_async_connection().await.unwrap();
        let windows = |redis| Windows::new("test", Some(&redis));
        Self { here: windows(here), there: Some(windows(there)), direct: Some(direct), ..Self::in_memory() }
    }

    async fn take(&self, subject: &'static str, limit: u32) -> std::result::Result<Quota, Quota> {
        self.here.take(subject, limit, self.now).await
    }

    /// Moves on, also in Redis, where time cannot be moved: there the windows of these subjects are made shorter.
    async fn pass(&mut self, millis: i64, subjects: &[&'static str]) {
        self.now = self.now.plus_millis(millis);
        let (Some(direct), Windows::Redis(shared)) = (&mut self.direct, &self.here) else { return };
        for subject in subjects {
            let key = shared.key(subject);
            let left: i64 = redis::cmd("PTTL").arg(&key).query_async(direct).await.unwrap();
            let shorter: i64 = redis::cmd("PEXPIRE").arg(&key).arg(left - millis).query_async(direct).await.unwrap();
            assert_eq!(shorter, 1, "{key}");
        }
    }
}

/// What is left; and that the window ends when it should, or earlier where real time passes.
#[track_caller]
fn left(quota: std::result::Result<Quota, Quota>, reset: i64) -> std::result::Result<u32, u32> {
    let seconds = quota.map_or_else(|spent| spent.reset, |quota| quota.reset);
    assert!((1..=reset).contains(&seconds), "{seconds} of {reset}");
    quota.map(|quota| quota.remaining).map_err(|spent| spent.remaining)
}

async fn on_both(test: impl AsyncFn(Bench)) {
    test(Bench::in_memory()).await;
    test(Bench::in_redis().await).await;
}

#[actix_web::test]
async fn a_window_allows_its_limit_and_opens_anew_after_a_minute() {
    on_both(async |mut bench| {
        assert_eq!(left(bench.take("a", 2).await, 60), Ok(1));
        bench.pass(30_001, &["a"]).await;
        assert_eq!(left(bench.take("a", 2).await, 30), Ok(0));
        assert_eq!(left(bench.take("a", 2).await, 30), Err(0));
        assert_eq!(left(bench.take("b", 2).await, 60), Ok(1), "another subject has its own window");
        bench.pass(29_999, &["a"]).await;
        assert_eq!(left(bench.take("a", 2).await, 60), Ok(1));
    })
    .await;
}

#[actix_web::test]
async fn refused_calls_are_not_counted_so_that_a_raised_limit_helps_at_once() {
    on_both(async |bench| {
        for outcome in [Ok(1), Ok(0), Err(0), Err(0), Err(0)] {
            assert_eq!(left(bench.take("a", 2).await, 60), outcome);
        }
        assert_eq!(left(bench.take("a", 4).await, 60), Ok(1));
        assert_eq!(left(bench.take("a", 1).await, 60), Err(0));
    })
    .await;
}

#[actix_web::test]
async fn of_calls_at_the_same_moment_exactly_the_limit_passes_over_all_replicas() {
    on_both(async |bench| {
        let all = (0..100).map(|nth| match &bench.there {
            Some(there) if nth % 2 == 0 => there.take("a", 7, bench.now),
            _ => bench.here.take("a", 7, bench.now),
        });
        let passed: Vec<u32> = join_all(all).await.into_iter().flatten().map(|quota| quota.remaining).collect();
        let mut sorted = passed.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4, 5, 6], "each is told what is left after it");
    })
    .await;
}

#[actix_web::test]
async fn a_limit_of_zero_is_none_and_a_refusal_says_when_to_come_again() {
    on_both(async |bench| {
        assert_eq!(bench.here.count("a", 0, bench.now).await.unwrap(), None);
        assert_eq!(bench.here.count("a", 1, bench.now).await.unwrap().unwrap().remaining, 0);
        let refused = bench.here.count("a", 1, bench.now).await.unwrap_err();
        assert_eq!(refused.status(), 429);
        let response = refused.response("", Dialect::Plain);
        assert!(response.headers().contains_key("retry-after"));
        assert!(response.headers().get("ratelimit").unwrap().to_str().unwrap().starts_with("limit=1, remaining=0"));
    })
    .await;
}

#[test]
fn memory_is_bounded_however_many_subjects_come() {
    let memory = Memory::new(10_000);
    for number in 0..25_000_i64 {
        memory.take(number, 20, UtcMillis(number)).unwrap();
    }
    assert!(memory.len() <= 10_000, "{}", memory.len());
    let unbounded = Memory::new(usize::MAX);
    for number in 0..25_000_i64 {
        unbounded.take(number, 20, UtcMillis(number)).unwrap();
    }
    assert_eq!(unbounded.len(), 25_000);
    unbounded.sweep(UtcMillis(25_000 + 60_000));
    assert_eq!(unbounded.len(), 0);
}

#[test]
fn an_address_has_a_name_of_bounded_length_that_is_not_the_address() {
    let names = ["192.0.2.7", "2001:db8::7"].map(|text| text.parse::<IpAddr>().unwrap().name());
    assert!(names.iter().all(|name| name.len() == 32 && name.chars().all(|c| c.is_ascii_hexdigit())), "{names:?}");
    assert_ne!(names[0], names[1]);
}
