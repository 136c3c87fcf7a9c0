//! How much of what nobody uses stays: the table `gc`, and spans of time.

use std::time::Duration;

use serde::Deserialize;

use super::{
    Error,
    amount::{parse_bytes, parse_span},
};
use crate::package::Invalid;

/// How much of what nobody uses `devsh gc` leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// What was used within this time stays.
    pub older_than: Option<Duration>,
    /// What was used last stays as long as everything together takes no more bytes.
    pub size: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawKeep {
    older_than: Option<String>,
    keep_size: Option<String>,
}

impl RawKeep {
    /// Parses what was written.
    pub(super) fn check(self) -> Result<Keep, Error> {
        let key = "gc.keep-size";
        let size = self.keep_size.map(|value| {
            parse_bytes(&value).map_err(|Invalid { found: value, .. }| Error::Size { key, value })
        });
        let span = |value: String| span("gc.older-than", &value);
        Ok(Keep {
            older_than: self.older_than.map(span).transpose()?,
            size: size.transpose()?,
        })
    }
}

/// Reads `7 days`, `36 hours` or `2w`: a span with a unit, of which the smallest is the hour.
pub(super) fn span(key: &'static str, text: &str) -> Result<Duration, Error> {
    let unit = text
        .trim()
        .trim_start_matches(|one: char| one.is_ascii_digit());
    let coarse = unit.trim().starts_with(['h', 'd', 'w']);
    let span = parse_span(text).ok().filter(|_| coarse);
    span.ok_or_else(|| Error::Span {
        key,
        value: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_have_a_unit() {
        let days = |count: u64| Duration::from_hours(24 * count);
        for (text, expected) in [("7 days", days(7)), ("1d", days(1)), ("2 weeks", days(14))] {
            assert_eq!(span("key", text).unwrap(), expected);
        }
        for bad in [
            "",
            "7",
            "7 minutes",
            "7s",
            "days",
            "7 fortnights",
            "-1 days",
            "99999999999999999999 days",
        ] {
            assert!(span("key", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_kept_is_a_size_and_a_span() {
        let raw = |text: &str| toml::from_str::<RawKeep>(text).unwrap().check();
        let keep = raw("keep-size = \"1.5G\"\nolder-than = \"30d\"").unwrap();
        assert_eq!(keep.size, Some(3 << 29));
        assert_eq!(keep.older_than, Some(Duration::from_hours(720)));
        assert_eq!(raw("").unwrap(), Keep::default());
        for odd in ["keep-size = \"much\"", "older-than = \"30\""] {
            assert!(raw(odd).is_err(), "{odd}");
        }
    }
}
