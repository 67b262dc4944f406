//! Hours in which nobody wants to be told, on the clocks of a time zone.

use std::fmt;

use chrono::{Days, Duration, LocalResult, NaiveTime, TimeZone};
use chrono_tz::Tz;
use entity::UtcMillis;

/// From one time of day to another, over midnight if the second is the earlier one: `22:00-08:00`. The first minute
/// is quiet, the last is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QuietHours {
    start: NaiveTime,
    end: NaiveTime,
}

impl QuietHours {
    /// Reads `HH:MM-HH:MM`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must look like 22:00-08:00";
        let time = |text: &str| {
            let digits = text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
            digits.then(|| NaiveTime::parse_from_str(text, "%H:%M").ok()).flatten().ok_or(FORM)
        };
        let (start, end) = text.trim().split_once('-').ok_or(FORM)?;
        let hours = Self { start: time(start)?, end: time(end)? };
        if hours.start == hours.end { Err("must begin and end at different times") } else { Ok(hours) }
    }

    /// Whether it is quiet now. Asked of the clock on the wall, so the hours follow daylight saving time: they end at
    /// their end, whether the night had seven hours or nine.
    pub(super) fn holds(self, now: UtcMillis, zone: Tz) -> bool {
        let time = now.to_datetime().with_timezone(&zone).time();
        if self.start < self.end {
            (self.start..self.end).contains(&time)
        } else {
            time >= self.start || time < self.end
        }
    }
}

impl QuietHours {
    /// When they end next.
    pub(super) fn end_after(self, now: UtcMillis, zone: Tz) -> UtcMillis {
        next(now, zone, self.end)
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start.format("%H:%M"), self.end.format("%H:%M"))
    }
}

/// When the next day begins; where the clocks skip midnight, the first moment after it.
pub(super) fn tomorrow(now: UtcMillis, zone: Tz) -> UtcMillis {
    next(now, zone, NaiveTime::MIN)
}

/// When the clocks show that time next; where they skip it, within half an hour after.
fn next(now: UtcMillis, zone: Tz, time: NaiveTime) -> UtcMillis {
    let local = now.to_datetime().with_timezone(&zone);
    let days = u64::from(local.time() >= time);
    let mut moment = local.date_naive().checked_add_days(Days::new(days)).unwrap_or_default().and_time(time);
    for _ in 0..5 {
        match zone.from_local_datetime(&moment) {
            LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => return time.to_utc().into(),
            LocalResult::None => moment = moment.checked_add_signed(Duration::minutes(30)).unwrap_or(moment),
        }
    }
    now.plus_seconds(24 * 3600)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UtcMillis {
        serde_json::from_value(text.into()).unwrap()
    }

    fn quiet(hours: &str, zone: Tz, time: &str) -> bool {
        QuietHours::parse(hours).unwrap().holds(at(time), zone)
    }

    #[test]
    fn quiet_hours_go_over_midnight_on_the_clocks_of_the_zone() {
        let shanghai = chrono_tz::Asia::Shanghai; // UTC+8, no daylight saving time
        for (time, expected) in [
            ("2026-11-21T13:59:59.999Z", false),
            ("2026-11-21T14:00:00Z", true),
            ("2026-11-21T16:00:00Z", true),
            ("2026-11-21T23:59:59.999Z", true),
            ("2026-11-22T00:00:00Z", false),
        ] {
            assert_eq!(quiet("22:00-08:00", shanghai, time), expected, "{time}");
        }
        assert!(quiet("12:00-13:00", shanghai, "2026-11-21T04:30:00Z"));
        assert!(!quiet("12:00-13:00", shanghai, "2026-11-21T05:00:00Z"));
    }

    #[test]
    fn quiet_hours_end_at_the_same_time_on_the_clock_when_the_offset_changes() {
        let berlin = chrono_tz::Europe::Berlin;
        // 29 March 2026: 02:00 becomes 03:00; the night has nine hours.
        for (time, expected) in [
            ("2026-03-28T20:59:59Z", false),
            ("2026-03-28T21:00:00Z", true), // 22:00 +01:00
            ("2026-03-29T05:59:59Z", true),
            ("2026-03-29T06:00:00Z", false), // 08:00 +02:00
            ("2026-03-29T20:00:00Z", true),  // 22:00 +02:00
        ] {
            assert_eq!(quiet("22:00-08:00", berlin, time), expected, "{time}");
        }
        // 25 October 2026: 03:00 becomes 02:00; the night has eleven hours.
        for (time, expected) in [
            ("2026-10-24T20:00:00Z", true), // 22:00 +02:00
            ("2026-10-25T06:59:59Z", true),
            ("2026-10-25T07:00:00Z", false), // 08:00 +01:00
        ] {
            assert_eq!(quiet("22:00-08:00", berlin, time), expected, "{time}");
        }
    }

    #[test]
    fn they_end_at_their_end_on_the_clock_whatever_the_night() {
        let hours = QuietHours::parse("22:00-08:00").unwrap();
        let berlin = chrono_tz::Europe::Berlin;
        for (now, end) in [
            ("2026-03-28T21:30:00Z", "2026-03-29T06:00:00Z"), // +01:00, then +02:00
            ("2026-03-29T01:30:00Z", "2026-03-29T06:00:00Z"),
            ("2026-10-24T20:30:00Z", "2026-10-25T07:00:00Z"),
        ] {
            assert_eq!(hours.end_after(at(now), berlin), at(end), "{now}");
        }
        // 02:30 does not exist on 29 March 2026.
        let short = QuietHours::parse("01:00-02:30").unwrap();
        assert_eq!(short.end_after(at("2026-03-29T00:30:00Z"), berlin), at("2026-03-29T01:00:00Z"));
    }

    #[test]
    fn what_are_no_hours_is_refused() {
        for text in ["", "22:00", "22-08", "22:00-8:00", "24:00-08:00", "22:60-08:00", "22:00-22:00", "22:00 - 08:00"] {
            assert!(QuietHours::parse(text).is_err(), "{text}");
        }
        assert_eq!(QuietHours::parse(" 22:00-08:00 ").unwrap().to_string(), "22:00-08:00");
    }

    #[test]
    fn tomorrow_begins_at_midnight_of_the_zone_or_right_after_the_gap() {
        let (shanghai, beirut) = (chrono_tz::Asia::Shanghai, chrono_tz::Asia::Beirut);
        assert_eq!(tomorrow(at("2026-11-21T04:31:00Z"), shanghai), at("2026-11-21T16:00:00Z"));
        assert_eq!(tomorrow(at("2026-11-21T16:00:00Z"), shanghai), at("2026-11-22T16:00:00Z"));
        // Lebanon's clocks go from 00:00 to 01:00 on 29 March 2026.
        assert_eq!(tomorrow(at("2026-03-28T12:00:00Z"), beirut), at("2026-03-28T22:00:00Z"));
    }
}
