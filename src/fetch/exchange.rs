//! Requests that send something: uploads, and questions whose error status is an answer.

use std::{fs::File, io::Read, thread};

use ureq::{
    AsSendBody,
    http::{HeaderMap, Request, header},
};
use url::Url;

use super::{
    Client, Error, SpeedChecked, anonymous, broken, error::pause, failed, response::retry_after,
};
use crate::util::{files, redact::redact_url};

/// A request that is sent to exactly one address: redirects are answers.
#[derive(Debug)]
pub struct Exchange<'a> {
    pub method: &'static str,
    pub url: &'a Url,
    pub headers: Vec<(&'static str, String)>,
    pub body: RequestBody<'a>,
    /// Most bytes of the answer that are read.
    pub limit: u64,
    /// True if the server accepts the same request twice: it can be sent again after a failure.
    pub repeatable: bool,
}

/// The bytes that a request sends.
#[derive(Debug, Clone, Copy)]
pub enum RequestBody<'a> {
    Empty,
    Bytes(&'a [u8]),
    /// A whole file.
    File(&'a std::path::Path),
}

/// The answer to an exchange, with any status.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl<'a> Exchange<'a> {
    /// Returns a request without a body, whose answer is at most 4 MiB.
    pub fn new(method: &'static str, url: &'a Url) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body: RequestBody::Empty,
            limit: 4 << 20,
            repeatable: true,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends the request once: the caller finds out what the server has after a failure.
    #[must_use]
    pub const fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }

    /// Sends these bytes.
    #[must_use]
    pub const fn body(mut self, body: RequestBody<'a>) -> Self {
        self.body = body;
        self
    }
}

impl Answer {
    /// Returns a header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the error of an answer with an unexpected status.
    pub fn unexpected(&self, url: &Url) -> Error {
        let wait = self.header(header::RETRY_AFTER.as_str());
        Error::Status {
            url: redact_url(url),
            status: self.status,
            wait: wait.and_then(|wait| retry_after(wait.trim())),
        }
    }
}

impl Client {
    /// Sends a request; a repeatable one again after a failure that may pass.
    pub fn exchange(&self, exchange: &Exchange<'_>) -> Result<Answer, Error> {
        let mut tries = 0;
        loop {
            let result = self.exchange_once(exchange);
            let error = match &result {
                Ok(answer) if answer.status >= 500 || answer.status == 429 => {
                    answer.unexpected(exchange.url)
                }
                Ok(_) => return result,
                Err(_) => result.err().unwrap_or_else(|| Error::Offline {
                    url: redact_url(exchange.url),
                }),
            };
            let again = exchange.repeatable && tries < self.retries && !self.hosts.is_hopeless();
            let Some(pause) = pause(&error, tries).filter(|_| again) else {
                return Err(error);
            };
            tracing::debug!(%error, ?pause, "retry");
            thread::sleep(pause);
            tries += 1;
        }
    }

    fn exchange_once(&self, exchange: &Exchange<'_>) -> Result<Answer, Error> {
        let url = exchange.url;
        if self.offline {
            return Err(Error::Offline {
                url: redact_url(url),
            });
        }
        self.check_address(url)?;
        let mut request = Request::builder()
            .method(exchange.method)
            .uri(anonymous(url).as_str());
        for (name, value) in &exchange.headers {
            request = request.header(*name, value);
        }
        let has = |name: &str| exchange.headers.iter().any(|(known, _)| *known == name);
        if !has("authorization")
            && let Some(header) = self.credentials.header(url)
        {
            request = request.header("authorization", header);
        }
        let answer = match exchange.body {
            // Without a length it would be sent in chunks, which some registries refuse.
            RequestBody::Empty if matches!(exchange.method, "POST" | "PUT" | "PATCH") => {
                self.run(request.body(&[][..]), url)
            }
            RequestBody::Empty => self.run(request.body(()), url),
            RequestBody::Bytes(bytes) => self.run(request.body(bytes), url),
            RequestBody::File(path) => {
                let file = File::open(path).map_err(files::at("read", path))?;
                self.run(request.body(file), url)
            }
        }?;
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let mut body = Vec::new();
        SpeedChecked::new(answer.into_body().into_reader(), self.min_speed)
            .take(exchange.limit + 1)
            .read_to_end(&mut body)
            .map_err(|error| broken(url, &error))?;
        if body.len() as u64 > exchange.limit {
            return Err(Error::TooLarge {
                url: redact_url(url),
                limit: exchange.limit,
            });
        }
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    fn run(
        &self,
        request: Result<Request<impl AsSendBody>, ureq::http::Error>,
        url: &Url,
    ) -> Result<ureq::http::Response<ureq::Body>, Error> {
        let request = request.map_err(|error| failed(url, &ureq::Error::Http(error)))?;
        let limit = self.hosts.time_limit();
        let request = self.agent.configure_request(request);
        let request = request
            .timeout_resolve(Some(limit))
            .timeout_connect(Some(limit))
            .build();
        self.ask_host(url, || self.agent.run(request))
    }
}
