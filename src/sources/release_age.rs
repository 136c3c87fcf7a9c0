//! The setting `minimum-release-age`: young releases are held back.
//!
//! Most poisoned releases are found and withdrawn within days. A candidate with an unknown publication time is
//! held back too.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{Candidate, Sources};
use crate::{config::Config, package::Tool};

/// The reason not to choose a candidate yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooYoung {
    /// Time since the publication, if the source gives one.
    pub age: Option<Duration>,
    /// The age that the settings ask for.
    pub minimum: Duration,
}

impl std::fmt::Display for TooYoung {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let minimum = span(self.minimum);
        match self.age {
            Some(age) => write!(
                formatter,
                "held back: out for {}, and `minimum-release-age` is {minimum}",
                span(age)
            ),
            None => write!(
                formatter,
                "held back: its source gives no publication time, and `minimum-release-age` is {minimum}"
            ),
        }
    }
}

/// Returns a time span in days or hours, rounded down.
fn span(time: Duration) -> String {
    let hours = time.as_secs() / 3600;
    let (count, unit) = if hours >= 24 {
        (hours / 24, "day")
    } else {
        (hours, "hour")
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// Returns the latest publication time that `tool` may have, in seconds since 1970.
pub(super) fn limit(tool: &Tool, config: &Config, now: SystemTime) -> Option<u64> {
    let minimum = config.minimum_age(tool)?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(now.saturating_sub(minimum).as_secs())
}

/// Marks the candidates of `tool` that are too young.
pub(super) fn hold(candidates: &mut [Candidate], tool: &Tool, sources: Sources<'_>) {
    let Sources { config, now, .. } = sources;
    let Some((limit, minimum)) = limit(tool, config, now).zip(config.minimum_age(tool)) else {
        return;
    };
    for candidate in candidates {
        if candidate.released.is_some_and(|released| released <= limit) {
            continue;
        }
        let age = candidate.released.map(|released| {
            let out = UNIX_EPOCH + Duration::from_secs(released);
            now.duration_since(out).unwrap_or_default()
        });
        candidate.held = Some(TooYoung { age, minimum });
    }
}

/// Returns the latest publication time that `tool` may have, as `2026-08-14T12:30:15Z`.
pub fn newest_allowed(tool: &Tool, config: &Config, now: SystemTime) -> Option<String> {
    limit(tool, config, now).and_then(time_text)
}

/// Returns a time in seconds since 1970 as text.
fn time_text(seconds: u64) -> Option<String> {
    let time = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    Some(time.to_string())
}

/// Returns the first second of a day written `2026-08-14`, in seconds since 1970.
pub(super) fn day_seconds(day: &str) -> Option<u64> {
    let day: Date = day.parse().ok()?;
    let start = TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?;
    u64::try_from(start.as_second()).ok()
}

/// Returns the end of a day written `2026-08-14`: a release of that day may be published at its end.
pub(super) fn day_end(day: &str) -> Option<u64> {
    Some(day_seconds(day)? + Duration::from_hours(24).as_secs())
}

/// Returns the day before a day written `2026-08-14`, from 1970 on.
pub(super) fn day_before(day: &str) -> Option<String> {
    let before = day.parse::<Date>().ok()?.yesterday().ok()?;
    (before.year() >= 1970).then(|| before.to_string())
}

/// Returns the seconds since 1970 of a time written `2026-08-14T12:30:15.123Z`.
pub(super) fn time_seconds(text: &str) -> Option<u64> {
    let time: Timestamp = text.parse().ok()?;
    u64::try_from(time.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_seconds_since_1970() {
        for (day, seconds) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29", Some(951_782_400)),
            ("2026-11-24", Some(1_795_478_400)),
            ("1969-12-31", None),
            ("2026-13-01", None),
            ("today", None),
        ] {
            assert_eq!(day_seconds(day), seconds, "{day}");
        }
        for text in ["2026-11-24T01:02:03.456789Z", "2026-11-24T02:02:03+01:00"] {
            assert_eq!(time_seconds(text), Some(1_795_478_400 + 3723), "{text}");
        }
        assert_eq!(time_seconds("2026-11-24"), None);
        assert_eq!(
            time_text(1_795_478_400 + 3723).as_deref(),
            Some("2026-11-24T01:02:03Z")
        );
        assert_eq!(day_before("2024-03-01").as_deref(), Some("2024-02-29"));
        assert_eq!(day_before("1970-01-01"), None);
    }

    #[test]
    fn ages_are_short() {
        let hours = |count| span(Duration::from_hours(count));
        assert_eq!(hours(167), "6 days");
        assert_eq!(hours(25), "1 day");
        assert_eq!(hours(5), "5 hours");
    }
}
