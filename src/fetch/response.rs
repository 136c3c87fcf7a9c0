//! The status and the headers of an answer.

use std::time::{Duration, SystemTime};

use ureq::{
    Body,
    http::{Response, header},
};
use url::Url;

use super::Error;
use crate::util::redact::redact_url;

pub(super) fn successful(url: &Url, response: Response<Body>) -> Result<Response<Body>, Error> {
    let status = response.status().as_u16();
    if (200..300).contains(&status) {
        return Ok(response);
    }
    let wait = response.headers().get(header::RETRY_AFTER);
    let wait = wait.and_then(|wait| retry_after(wait.to_str().ok()?.trim()));
    Err(Error::Status {
        url: redact_url(url),
        status,
        wait,
    })
}

/// Returns whether the server counts requests, as GitHub does, and accepts no more.
pub(super) fn is_rate_limited(response: &Response<Body>) -> bool {
    let refused = matches!(response.status().as_u16(), 403 | 429);
    refused && number_in_header(response, "x-ratelimit-remaining") == Some(0)
}

/// Returns the time of the day when the server accepts requests again.
pub(super) fn end_of_rate_limit(response: &Response<Body>) -> Option<String> {
    let end = number_in_header(response, "x-ratelimit-reset")?;
    let end = jiff::Timestamp::from_second(end).ok()?;
    Some(format!("{} UTC", end.strftime("%H:%M")))
}

pub(super) fn number_in_header(response: &Response<Body>, name: &str) -> Option<i64> {
    let text = response.headers().get(name)?.to_str().ok()?;
    text.trim().parse().ok()
}

/// Reads a wait: seconds, or the date of its end (RFC 9110, section 10.2.3).
pub(super) fn retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    // A date in the past means no wait.
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

pub(super) fn content_length(response: &Response<Body>) -> Option<u64> {
    let length = response.headers().get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}
