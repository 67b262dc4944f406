use entity::{UtcMillis, provider};

use super::schedule;

const NOW: UtcMillis = UtcMillis(1_795_235_460_000);

fn provider() -> provider::Model {
    provider::Model {
        id: 1,
        name: "p".to_owned(),
        token_url: "https://auth.example/token".to_owned(),
        body_format: "json".to_owned(),
        auth_method: "body".to_owned(),
        client_id: None,
        client_secret: None,
        extra_params: None,
        headers: None,
        expires_in_default: 3600,
        refresh_margin_s: None,
        keepalive_days: None,
        timeout_ms: None,
        max_concurrency: None,
        min_interval_ms: None,
        rotates: true,
        error_map: "{}".to_owned(),
        state: "active".to_owned(),
        paused_reason: None,
        version: 0,
        created_at: NOW,
        updated_at: NOW,
    }
}

#[test]
fn the_earlier_of_what_the_jwt_and_the_answer_say_is_the_end() {
    let (jwt, provider) = (NOW.plus_seconds(500), provider());
    assert_eq!(schedule::expiry(Some(jwt), Some(600), &provider, NOW), jwt);
    assert_eq!(schedule::expiry(Some(jwt), Some(400), &provider, NOW), NOW.plus_seconds(400));
    assert_eq!(schedule::expiry(None, None, &provider, NOW), NOW.plus_seconds(3600));
    // Nonsense counts as nothing.
    assert_eq!(schedule::expiry(Some(UtcMillis(NOW.0 - 1)), Some(0), &provider, NOW), NOW.plus_seconds(3600));
}

#[test]
fn a_refresh_is_due_before_the_end_by_its_margin_and_never_in_the_first_half() {
    let provider = provider();
    for id in 1..2000 {
        for (lifetime, delay) in [(3600, 0), (864_000, 0), (3600, 600), (1200, 6000), (60, 0), (0, 0)] {
            let end = NOW.plus_seconds(lifetime);
            let due = schedule::next(&provider, 900, id, end, delay, NOW);
            let before = (end.0 - due.0) / 1000;
            let least = (lifetime / 10).max(900).max(if delay > 0 { delay + 60 } else { 0 }).min(lifetime / 2);
            assert!(before >= least, "{id}: {before} s before the end of {lifetime}");
            assert!(before <= least + least / 5 + 1, "the jitter is small: {before} for {least}");
            assert!(due >= NOW);
        }
    }
}

#[test]
fn a_wider_margin_makes_it_earlier_up_to_half_of_the_lifetime() {
    let end = NOW.plus_seconds(86_400);
    let before = |margin_s| (end.0 - schedule::next(&provider(), margin_s, 7, end, 0, NOW).0) / 1000;
    assert!((8640..=8640 + 8640 / 5 + 1).contains(&before(900)), "a tenth of a day is more: {}", before(900));
    assert!((20_000..=24_001).contains(&before(20_000)), "{}", before(20_000));
    assert!((43_200..=51_841).contains(&before(604_800)), "{}", before(604_800));
}

#[test]
fn accounts_of_one_moment_are_spread() {
    let (provider, end) = (provider(), NOW.plus_seconds(864_000));
    let due: std::collections::HashSet<_> =
        (1..1000).map(|id| schedule::next(&provider, 900, id, end, 0, NOW)).collect();
    assert!(due.len() > 990);
}

#[test]
fn a_token_that_dies_of_idleness_is_used_before() {
    let provider = provider::Model { keepalive_days: Some(8), ..provider() };
    let due = schedule::next(&provider, 900, 7, NOW.plus_seconds(30 * 86_400), 0, NOW);
    assert_eq!(due, NOW.plus_seconds(8 * 86_400));
}

#[test]
fn pauses_after_failures_grow_from_half_a_minute_to_six_hours() {
    for failures in 0..40 {
        for random in [0, 1, u64::MAX / 2, u64::MAX] {
            let pause = schedule::after_failure(failures, random, NOW).0 - NOW.0;
            assert!((30_000..=6 * 3_600_000).contains(&pause), "{failures}: {pause}");
            assert!(pause <= 30_000 << failures.min(20), "{failures}: {pause}");
        }
    }
}
