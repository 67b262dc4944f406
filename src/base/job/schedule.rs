//! When a job runs: `every 30s`, or cron in a time zone with its real rules.

use std::fmt;

use chrono::{Datelike, NaiveDate, SubsecRound};
use chrono_tz::Tz;
use croner::{
    Cron, Weekday,
    parser::{CronParser, Seconds, Year},
};
use entity::UtcMillis;

use crate::{
    base::error::{Error, Result},
    config::Span,
};

/// Longest text of a schedule, in characters; the column's length.
const LONGEST: usize = 128;

/// When a job runs.
///
/// Cron has six fields: second, minute, hour, day of month, month, day of week (0 or 7 is Sunday). When both days are
/// given, either will do. A fixed time of day that the clocks skip runs at the first moment after the gap; one that
/// they repeat runs once, the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Rule);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Every(Span),
    Cron { cron: Box<Cron>, text: String },
}

impl Schedule {
    /// Runs again after each `span`.
    #[must_use]
    pub const fn every(span: Span) -> Self {
        Self(Rule::Every(span))
    }

    /// Reads `every 30s|2m|1h|7d` or six-field cron.
    ///
    /// # Errors
    /// 422 for the field `schedule` when it is neither, or names a time that never comes.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.chars().count() > LONGEST {
            return Err(Error::invalid_field("schedule", "length", format!("must be at most {LONGEST} characters")));
        }
        if let Some(span) = text.strip_prefix("every ") {
            let wrong =
                |message| Error::invalid_field("schedule", "format", format!("the time after 'every' {message}"));
            return Ok(Self::every(span.trim().parse().map_err(wrong)?));
        }
        Self::cron(text)
    }

    fn cron(text: &str) -> Result<Self> {
        let wrong = |message: String| Error::invalid_field("schedule", "format", message);
        // croner takes @daily and the like even where seconds are required.
        if text.contains('@') || text.split_whitespace().count() != 6 {
            return Err(wrong(
                "must be 'every 30s', 'every 2m', 'every 1h' or cron with six fields, seconds first".to_owned(),
            ));
        }
        let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| wrong(format!("is not a cron pattern: {error}")))?;
        if never_comes(&cron) {
            return Err(wrong("names a day that never comes".to_owned()));
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Self(Rule::Cron { cron: Box::new(cron), text }))
    }

    /// The first time after `after`. `None`: there is none within chrono's years.
    #[must_use]
    pub fn next_after(&self, after: UtcMillis, zone: Tz) -> Option<UtcMillis> {
        match &self.0 {
            Rule::Every(span) => Some(after.plus_seconds(span.seconds().into())),
            Rule::Cron { cron, .. } => {
                // Whole seconds: croner counts on from the fraction otherwise.
                let after = after.to_datetime().trunc_subsecs(0).with_timezone(&zone);
                cron.find_next_occurrence(&after, false).ok().map(|next| next.to_utc().into())
            }
        }
    }

    /// The time after the one that was `due`, once it is `now`: what was missed in between is left out, and an
    /// interval keeps its beat.
    #[must_use]
    pub fn next_from(&self, due: UtcMillis, now: UtcMillis, zone: Tz) -> Option<UtcMillis> {
        match &self.0 {
            Rule::Every(span) if due <= now => {
                let period = i64::from(span.seconds()) * 1000;
                let missed = (now.0 - due.0) / period;
                Some(due.plus_millis((missed + 1) * period))
            }
            _ => self.next_after(now, zone),
        }
    }

    /// Whether it is an interval, and not times of the day.
    #[must_use]
    pub fn is_interval(&self) -> bool {
        matches!(self.0, Rule::Every(_))
    }
}

/// Whether no year has such a day. Asked of the days alone: for 30 February croner would try the seconds of centuries.
fn never_comes(cron: &Cron) -> bool {
    // 28 years hold every combination of date and day of the week.
    let first = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default();
    !first.iter_days().take_while(|day| day.year() < 2028).any(|day| {
        let weekday = Weekday::from_days_from_sunday(day.weekday().num_days_from_sunday());
        cron.pattern.month_match(day.month()).unwrap_or(false)
            && cron.pattern.day_match(day.year(), day.month(), day.day(), weekday).unwrap_or(false)
    })
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Every(span) => write!(f, "every {span}"),
            Rule::Cron { text, .. } => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Dialect;

    const BERLIN: Tz = chrono_tz::Europe::Berlin;

    fn at(text: &str) -> UtcMillis {
        serde_json::from_value(text.into()).unwrap()
    }

    /// The next `count` times after `from`, on Berlin's clocks with their offset.
    fn in_berlin(pattern: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(pattern).unwrap();
        let mut time = at(from);
        (0..count)
            .map(|_| {
                time = schedule.next_after(time, BERLIN).unwrap();
                time.to_datetime().with_timezone(&BERLIN).format("%m-%d %H:%M:%S%:z").to_string()
            })
            .collect()
    }

    #[test]
    fn a_time_of_day_stays_the_same_on_the_clock_when_the_offset_changes() {
        assert_eq!(
            in_berlin("0 0 9 * * *", "2026-03-27T12:00:00Z", 3),
            ["03-28 09:00:00+01:00", "03-29 09:00:00+02:00", "03-30 09:00:00+02:00"]
        );
        assert_eq!(in_berlin("0 0 9 * * *", "2026-10-24T12:00:00Z", 1), ["10-25 09:00:00+01:00"]);
    }

    #[test]
    fn a_time_of_day_in_the_spring_gap_runs_once_right_after_it() {
        assert_eq!(
            in_berlin("0 30 2 * * *", "2026-03-28T12:00:00Z", 2),
            ["03-29 03:00:00+02:00", "03-30 02:30:00+02:00"]
        );
    }

    #[test]
    fn a_time_of_day_in_the_autumn_fold_runs_once() {
        assert_eq!(
            in_berlin("0 30 2 * * *", "2026-10-24T12:00:00Z", 2),
            ["10-25 02:30:00+02:00", "10-26 02:30:00+01:00"]
        );
    }

    #[test]
    fn a_repeating_pattern_goes_on_through_the_autumn_fold() {
        assert_eq!(
            in_berlin("0 */30 * * * *", "2026-10-25T00:15:00Z", 4),
            ["10-25 02:30:00+02:00", "10-25 02:00:00+01:00", "10-25 02:30:00+01:00", "10-25 03:00:00+01:00"]
        );
    }

    #[test]
    fn an_interval_does_not_care_for_the_clocks() {
        let hourly = Schedule::parse("every 1h").unwrap();
        assert_eq!(hourly.next_after(at("2026-03-29T00:30:00Z"), BERLIN), Some(at("2026-03-29T01:30:00Z")));
    }

    #[test]
    fn the_next_time_is_later_than_the_moment_asked_about() {
        let schedule = Schedule::parse("0 0 9 * * *").unwrap();
        let nine = at("2026-07-01T07:00:00Z");
        assert_eq!(schedule.next_after(nine, BERLIN), Some(at("2026-07-02T07:00:00Z")));
        assert_eq!(schedule.next_after(nine.plus_millis(1), BERLIN), Some(at("2026-07-02T07:00:00Z")));
        assert_eq!(schedule.next_after(nine.plus_millis(-1), BERLIN), Some(nine));
    }

    #[test]
    fn what_was_missed_is_left_out_and_the_beat_is_kept() {
        let schedule = Schedule::parse("every 30s").unwrap();
        let due = at("2026-07-01T07:00:00Z");
        let next = |late: i64| schedule.next_from(due, due.plus_seconds(late), BERLIN).unwrap().0 - due.0;
        assert_eq!([next(0), next(1), next(29), next(30), next(95)], [30_000, 30_000, 30_000, 60_000, 120_000]);
    }

    #[test]
    fn days_of_month_and_of_week_are_alternatives() {
        assert_eq!(
            in_berlin("0 0 0 1 * MON", "2026-11-20T12:00:00Z", 3),
            ["11-23 00:00:00+01:00", "11-30 00:00:00+01:00", "12-01 00:00:00+01:00"]
        );
    }

    #[test]
    fn what_is_no_schedule_is_refused_by_its_field() {
        let long = format!("every {}s", " ".repeat(200));
        for text in [
            "",
            "hourly",
            "@daily",
            "30s",
            "every 0s",
            "every 1.5h",
            "every -1s",
            "every 1h30m",
            "* * * * *",
            "0 0 0 1 1 * 2030",
            "60 * * * * *",
            "0 0 24 * * *",
            "0 0 0 30 2 *",
            "0 0 0 31 4,6,9,11 *",
            "a b c d e f",
            "0 0 9 * * *\0",
            long.as_str(),
        ] {
            let error = Schedule::parse(text).expect_err(text);
            assert_eq!(error.status().as_u16(), 422, "{text}");
            assert_eq!(error.document("", Dialect::Plain)["errors"][0]["field"], "schedule", "{text}");
        }
    }

    #[test]
    fn a_schedule_reads_what_it_writes() {
        for (text, written) in [
            ("every 90s", "every 90s"),
            (" every  120s ", "every 2m"),
            ("0  0 9 * * MON-FRI", "0 0 9 * * MON-FRI"),
            ("0 0 0 29 2 *", "0 0 0 29 2 *"),
        ] {
            let schedule = Schedule::parse(text).unwrap();
            assert_eq!(schedule.to_string(), written);
            assert_eq!(Schedule::parse(written).unwrap(), schedule);
        }
    }
}
