//! Sizes and time spans as text.

use std::time::Duration;

use crate::package::Invalid;

/// Returns a number of bytes with a unit.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut whole = bytes;
    let mut rest = 0;
    while whole >= 1024 && unit + 1 < UNITS.len() {
        rest = whole % 1024;
        whole /= 1024;
        unit += 1;
    }
    if unit == 0 || whole >= 100 {
        return format!("{whole} {}", UNITS[unit]);
    }
    format!("{whole}.{} {}", rest * 10 / 1024, UNITS[unit])
}

/// Reads a number of bytes such as `500M`, `10G` or `1.5GiB`.
pub fn parse_bytes(text: &str) -> Result<u64, Invalid> {
    let invalid = || Invalid::new("a size such as `10G`", text);
    let (number, unit) = split(text);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(invalid()),
    };
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().map_err(|_| invalid())?;
    let tenths: u64 = tenths
        .get(..1)
        .unwrap_or("0")
        .parse()
        .map_err(|_| invalid())?;
    whole
        .checked_mul(1 << shift)
        .and_then(|bytes| bytes.checked_add((tenths << shift) / 10))
        .ok_or_else(invalid)
}

/// Reads a span such as `30d`, `12 hours` or `2w`.
pub fn parse_span(text: &str) -> Result<Duration, Invalid> {
    let invalid = || Invalid::new("a span such as `30d`", text);
    let (number, unit) = split(text);
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" | "hour" | "hours" => 60 * 60,
        "d" | "day" | "days" | "" => 24 * 60 * 60,
        "w" | "week" | "weeks" => 7 * 24 * 60 * 60,
        _ => return Err(invalid()),
    };
    let number: u64 = number.parse().map_err(|_| invalid())?;
    let seconds = number.checked_mul(seconds).ok_or_else(invalid)?;
    Ok(Duration::from_secs(seconds))
}

/// Returns a span of seconds, minutes or hours.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// Reads a span as `parse_span` does, with a unit of hours, days or weeks.
pub fn parse_coarse_span(text: &str) -> Option<Duration> {
    let (_, unit) = split(text);
    let span = parse_span(text).ok();
    span.filter(|_| unit.starts_with(['h', 'd', 'w']))
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    (number, unit.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(150 << 20), "150 MiB");
        assert_eq!(parse_bytes("10G").unwrap(), 10 << 30);
        assert_eq!(parse_bytes("1.5 MiB").unwrap(), 3 << 19);
        for odd in ["", "G", "-1", "1x", "1.x", "99999999999G"] {
            assert!(parse_bytes(odd).is_err(), "{odd}");
        }
        assert_eq!(
            [span(119), span(120), span(7300)],
            ["119 s", "2 min", "2 h"]
        );
        assert_eq!(parse_span("2w").unwrap(), Duration::from_hours(14 * 24));
        assert_eq!(parse_span("36 hours").unwrap(), Duration::from_hours(36));
        assert!(parse_span("soon").is_err());
        let days = |count: u64| Some(Duration::from_hours(24 * count));
        for (text, expected) in [("7 days", days(7)), ("1d", days(1)), ("2 weeks", days(14))] {
            assert_eq!(parse_coarse_span(text), expected);
        }
        for odd in [
            "7",
            "7 minutes",
            "7s",
            "days",
            "7 fortnights",
            "-1 days",
            "99999999999999999999 days",
        ] {
            assert_eq!(parse_coarse_span(odd), None, "{odd}");
        }
    }
}
