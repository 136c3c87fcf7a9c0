//! The minimum age of a release: what came out a short time ago is held back, where the user asks for it.
//!
//! Most poisoned releases are found and withdrawn within days. Invariant: a candidate whose day is not
//! known is held as well, since nobody can say that it is old enough.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Candidate;
use crate::{config::Config, package::Tool};

/// Why a candidate is held back for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// How long it is out, if its source tells.
    pub age: Option<Duration>,
    /// How long it must be out.
    pub minimum: Duration,
}

impl std::fmt::Display for Held {
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
                "held back: its source does not say since when it is out, and `minimum-release-age` is {minimum}"
            ),
        }
    }
}

/// Returns a time span in the largest unit that does not flatter it.
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

/// Returns the last moment, in seconds since 1970, at which a release of `tool` may have come out.
pub(super) fn limit(tool: &Tool, config: &Config, now: SystemTime) -> Option<u64> {
    let minimum = config.minimum_age(tool)?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(now.saturating_sub(minimum).as_secs())
}

/// Marks the candidates of `tool` that are too young.
pub(super) fn hold(
    candidates: &mut [Candidate],
    tool: &Tool,
    (config, now): (&Config, SystemTime),
) {
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
        candidate.held = Some(Held { age, minimum });
    }
}

/// Returns the first second of a day written `2026-08-14`, in seconds since 1970.
pub(super) fn day_seconds(day: &str) -> Option<u64> {
    let mut parts = day.splitn(3, '-');
    let mut number = |digits: usize| -> Option<u64> {
        let part = parts.next()?;
        let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| part.parse().ok())?
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March put the leap day last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    // The 1st of January 1970 is day 719469 of this count.
    Some(days.checked_sub(719_469)? * 86_400)
}

/// Returns the last moment, as `2026-08-14T12:30:15Z`, at which a release of `tool` may have come out.
pub fn newest_allowed(tool: &Tool, config: &Config, now: SystemTime) -> Option<String> {
    limit(tool, config, now).map(time_text)
}

/// Returns a time in seconds since 1970 as text.
fn time_text(limit: u64) -> String {
    let (day, rest) = (day_text(limit / 86_400), limit % 86_400);
    let (hours, minutes, seconds) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{day}T{hours:02}:{minutes:02}:{seconds:02}Z")
}

/// Returns the day before a day written `2026-08-14`.
pub(super) fn day_before(day: &str) -> Option<String> {
    Some(day_text((day_seconds(day)? / 86_400).checked_sub(1)?))
}

/// Returns a day, counted from the first of 1970, as text.
fn day_text(days: u64) -> String {
    let days = days + 719_468;
    // The same count the other way: years that begin in March, in eras of 400 years.
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let number = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{number:02}")
}

/// Returns the seconds since 1970 of a time written `2026-08-14T12:30:15.123Z`.
pub(super) fn time_seconds(text: &str) -> Option<u64> {
    let (day, time) = text.split_once('T')?;
    let mut parts = time.splitn(3, ':');
    let mut number = || -> Option<u64> { parts.next()?.get(..2)?.parse().ok() };
    let (hours, minutes, seconds) = (number()?, number()?, number()?);
    Some(day_seconds(day)? + hours * 3600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted() {
        for (day, seconds) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29", Some(951_782_400)),
            ("2000-03-01", Some(951_868_800)),
            ("2026-11-24", Some(1_795_478_400)),
            ("1969-12-31", None),
            ("2026-13-01", None),
            ("2026-1-1", None),
            ("today", None),
        ] {
            assert_eq!(day_seconds(day), seconds, "{day}");
        }
        assert_eq!(
            time_seconds("2026-11-24T01:02:03.456789Z"),
            Some(1_795_478_400 + 3723)
        );
        assert_eq!(time_seconds("2026-11-24"), None);
    }

    #[test]
    fn days_go_back() {
        for (day, before) in [
            ("2026-11-24", "2026-11-23"),
            ("2026-03-01", "2026-02-28"),
            ("2024-03-01", "2024-02-29"),
            ("2027-01-01", "2026-12-31"),
            ("1970-01-02", "1970-01-01"),
        ] {
            assert_eq!(day_before(day).as_deref(), Some(before));
        }
        assert_eq!(day_before("1970-01-01"), None);
        let mut day = "2030-01-01".to_owned();
        for _ in 0..10_000 {
            let before = day_before(&day).unwrap();
            assert_eq!(
                day_seconds(&day),
                day_seconds(&before).map(|one| one + 86_400)
            );
            day = before;
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for seconds in [0, 951_782_399, 1_795_478_400 + 3723] {
            assert_eq!(time_seconds(&time_text(seconds)), Some(seconds));
        }
        assert_eq!(time_text(1_795_478_400 + 3723), "2026-11-24T01:02:03Z");
    }

    #[test]
    fn spans_are_short() {
        let hours = |count| span(Duration::from_hours(count));
        assert_eq!(hours(167), "6 days");
        assert_eq!(hours(25), "1 day");
        assert_eq!(hours(5), "5 hours");
    }
}
