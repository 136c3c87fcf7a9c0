//! Downloads: the only code that uses the network.
//!
//! `get` reads small documents into memory, `download` writes a large file to disk and computes its digest.
//!
//! Offline, no server is asked. A body is never longer than the caller's limit. Plain HTTP is for loopback and
//! for servers in the user's settings only, and never after a redirect from HTTPS. No error has credentials.

mod connection_error;
mod connection_settings;
mod credentials;
mod download;
mod error;
mod exchange;
mod hosts;
mod min_speed;
mod mirror;
mod name_lookup;
mod private_asset;
mod progress;
pub mod registry;
mod response;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    net::IpAddr,
    sync::Arc,
    thread,
    time::Duration,
};

use ureq::{
    Agent, Body, RequestBuilder,
    http::{Response, header},
    tls::TlsConfig,
    unversioned::transport::DefaultConnector,
};
use url::{Host, Url};

use connection_error::{broken, failed, host, is_silent, unusable};
use connection_settings::ConnectionSettings;
pub use credentials::Credentials;
pub use download::{Download, ExpectedFile, find_download, partial};
pub use error::Error;
use error::pause;
pub use exchange::{Answer, Exchange, RequestBody};
use hosts::Hosts;
use min_speed::{MinSpeed, SpeedChecked};
pub use mirror::Mirror;
use name_lookup::NameLookup;
pub use progress::{Meter, Progress, Silent};
use response::{content_length, end_of_rate_limit, is_rate_limited, successful};

use crate::{
    context::Context,
    util::{files, redact::redact_url},
};

/// Retries of one request.
const RETRIES: u32 = 3;
/// The longest time for a connection to a server that can be done without.
const IMPATIENT: Duration = Duration::from_secs(2);
/// Most redirects of one request.
const REDIRECTS: usize = 10;

/// The answer to a request for a document of which there may be a copy.
#[derive(Debug)]
pub enum ChangedBody {
    /// The copy is current.
    Current,
    New {
        body: Vec<u8>,
        /// Names this version of the document, if the server gives it a name.
        etag: Option<String>,
    },
}

/// Sends requests; cheap to clone and shared between threads.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    settings: ConnectionSettings,
    offline: bool,
    /// Origins (`http://mirror:8080`) that are allowed without encryption.
    plain: BTreeSet<String>,
    credentials: Credentials,
    min_speed: MinSpeed,
    hosts: Hosts,
    /// Most retries of one request.
    retries: u32,
    /// Has files by their digests, and is asked before their publishers.
    mirror: Option<Arc<dyn Mirror>>,
    /// The API of GitHub, for files of private repositories.
    github: Option<Url>,
}

/// The longest waits for a server.
#[derive(Debug, Clone, Copy)]
struct Timeouts {
    /// From the request to the first byte of the answer.
    answer: Duration,
    /// Between two reads of a body.
    read: Duration,
}

fn agent(settings: &ConnectionSettings, timeouts: Timeouts) -> Agent {
    let tls = TlsConfig::builder()
        .root_certs(settings.root_certs.clone())
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(settings.proxy.clone())
        .timeout_recv_response(Some(timeouts.answer))
        .timeout_per_read(Some(timeouts.read))
        // Redirects are followed here, where each address is checked.
        .max_redirects(0)
        // As many as there are questions at the same time, so each connection is used again.
        .max_idle_connections(32)
        .max_idle_connections_per_host(8)
        .user_agent(concat!("devsh/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .build();
    Agent::with_parts(config, DefaultConnector::new(), NameLookup::default())
}

impl Client {
    /// Returns a client that trusts the system's certificates and uses the usual variables of the user's environment.
    pub fn of(context: &Context, offline: bool) -> Self {
        Self::with_settings(ConnectionSettings::of(context), offline)
    }

    /// Returns a client for a test.
    #[cfg(test)]
    pub(crate) fn new(offline: bool) -> Self {
        Self::with_settings(ConnectionSettings::plain(), offline)
    }

    fn with_settings(settings: ConnectionSettings, offline: bool) -> Self {
        let timeouts = Timeouts {
            answer: Duration::from_secs(30),
            read: Duration::from_mins(1),
        };
        Self {
            agent: agent(&settings, timeouts),
            settings,
            offline,
            plain: BTreeSet::new(),
            credentials: Credentials::default(),
            min_speed: MinSpeed::default(),
            hosts: Hosts::default(),
            retries: RETRIES,
            mirror: None,
            github: None,
        }
    }

    /// Gives up early and tries nothing twice: for servers that can be done without.
    #[must_use]
    pub fn impatient(mut self) -> Self {
        let timeouts = Timeouts {
            answer: Duration::from_secs(5),
            read: Duration::from_secs(5),
        };
        self.agent = agent(&self.settings, timeouts);
        self.min_speed = MinSpeed {
            period: Duration::from_secs(5),
            bytes: 60 << 10,
        };
        self.retries = 0;
        self.hosts = self.hosts.forget(IMPATIENT);
        self
    }

    /// Asks `mirror` for files before their publishers.
    #[must_use]
    pub fn with_mirror(mut self, mirror: Arc<dyn Mirror>) -> Self {
        self.mirror = Some(mirror);
        self
    }

    /// Asks this API of GitHub for files of private repositories.
    #[must_use]
    pub fn with_github(mut self, api: Url) -> Self {
        self.github = Some(api);
        self
    }

    /// Uses these credentials, each for its own server.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Allows plain HTTP to the servers of these addresses, which come from the user's settings.
    #[must_use]
    pub fn allow_plain<'a>(mut self, addresses: impl IntoIterator<Item = &'a Url>) -> Self {
        let origins = addresses
            .into_iter()
            .map(|url| url.origin().ascii_serialization());
        self.plain.extend(origins);
        self
    }

    /// Returns the base64 of `name:password` for requests to `url`, if any is known.
    pub fn basic_credentials(&self, url: &Url) -> Option<String> {
        let header = self.credentials.header(url)?;
        header.strip_prefix("Basic ").map(ToOwned::to_owned)
    }

    /// Returns whether devsh must not use the network.
    pub const fn is_offline(&self) -> bool {
        self.offline
    }

    /// Returns the body of `url`, of at most `limit` bytes.
    pub fn get(&self, url: &Url, accept: &str, limit: u64) -> Result<Vec<u8>, Error> {
        self.with_retries(|| self.request_once(url, accept, limit))
    }

    /// Returns the body of `url` of at most `limit` bytes, unless the server says that the copy with this entity tag is
    /// current.
    pub fn fetch_changed(
        &self,
        url: &Url,
        accept: &str,
        etag: Option<&str>,
        limit: u64,
    ) -> Result<ChangedBody, Error> {
        self.with_retries(|| self.changed_once(url, accept, etag, limit))
    }

    fn changed_once(
        &self,
        url: &Url,
        accept: &str,
        etag: Option<&str>,
        limit: u64,
    ) -> Result<ChangedBody, Error> {
        if url.scheme() == "file" {
            let body = self.read_body(url, open_file(url)?, limit)?;
            return Ok(ChangedBody::New { body, etag: None });
        }
        let condition = etag.map(|etag| ("if-none-match", etag));
        let headers: Vec<(&str, &str)> =
            condition.into_iter().chain([("accept", accept)]).collect();
        let response = self.send_get(url, &headers)?;
        if etag.is_some() && response.status().as_u16() == 304 {
            return Ok(ChangedBody::Current);
        }
        let response = successful(url, response)?;
        let etag = response.headers().get(header::ETAG);
        let etag = etag.and_then(|etag| Some(etag.to_str().ok()?.to_owned()));
        let body = self.read_body(url, response.into_body().into_reader(), limit)?;
        Ok(ChangedBody::New { body, etag })
    }

    fn request_once(&self, url: &Url, accept: &str, limit: u64) -> Result<Vec<u8>, Error> {
        if url.scheme() == "file" {
            return self.read_body(url, open_file(url)?, limit);
        }
        let response = self.send_get(url, &[("accept", accept)])?;
        let body = successful(url, response)?.into_body();
        self.read_body(url, body.into_reader(), limit)
    }

    fn read_body(&self, url: &Url, reader: impl Read, limit: u64) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        let reader = SpeedChecked::new(reader, self.min_speed);
        reader
            .take(limit + 1)
            .read_to_end(&mut body)
            .map_err(|error| broken(url, &error))?;
        if body.len() as u64 > limit {
            return Err(Error::TooLarge {
                url: redact_url(url),
                limit,
            });
        }
        Ok(body)
    }

    /// Returns the size of `url` in bytes from the headers, without a download.
    pub fn size(&self, url: &Url) -> Result<Option<u64>, Error> {
        if url.scheme() == "file" {
            let metadata = open_file(url)?.metadata();
            return Ok(metadata.ok().map(|metadata| metadata.len()));
        }
        let response = self.follow(url, |url, authorization| {
            let request = self.agent.head(url.as_str());
            let request = match authorization {
                Some(header) => request.header("authorization", header),
                None => request,
            };
            // A compressed body would have another length.
            let request = request.header("accept-encoding", "identity");
            self.limit_wait(request).call()
        })?;
        Ok(content_length(&successful(url, response)?))
    }

    fn send_get(&self, url: &Url, headers: &[(&str, &str)]) -> Result<Response<Body>, Error> {
        let response = self.send_one(url, headers)?;
        if response.status().as_u16() == 404
            && let Some(private) = self.request_private_asset(url, headers)?
        {
            return Ok(private);
        }
        Ok(response)
    }

    fn send_one(&self, url: &Url, headers: &[(&str, &str)]) -> Result<Response<Body>, Error> {
        self.follow(url, |url, authorization| {
            let request = self.limit_wait(self.agent.get(url.as_str()));
            let authorization = authorization.map(|header| ("authorization", header));
            let request = headers
                .iter()
                .copied()
                .chain(authorization)
                .fold(request, |request, (name, value)| {
                    request.header(name, value)
                });
            request.call()
        })
    }

    /// Sends a request and follows redirects; every address is checked first.
    fn follow(
        &self,
        url: &Url,
        send: impl Fn(&Url, Option<&str>) -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, Error> {
        if self.offline {
            return Err(Error::Offline {
                url: redact_url(url),
            });
        }
        let mut at = url.clone();
        for _ in 0..REDIRECTS {
            self.check_address(&at)?;
            // Per address: the credentials of one server are for no other.
            let authorization = self.credentials.header(&at);
            let bare = anonymous(&at);
            let response = self.ask_host(&at, || {
                retry_broken(|| send(&bare, authorization.as_deref()))
            })?;
            if is_rate_limited(&response) {
                return Err(Error::RateLimited {
                    host: host(&at),
                    end: end_of_rate_limit(&response),
                    with_token: authorization.is_some(),
                });
            }
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let location = response.headers().get(header::LOCATION);
            let next = location
                .and_then(|location| at.join(location.to_str().ok()?).ok())
                .ok_or_else(|| unusable(&at, "it redirects to no valid address"))?;
            check_redirect(&at, &next)?;
            at = next;
        }
        Err(unusable(url, "it redirects without end"))
    }

    /// Sends a request to the host of `url`, unless the host has not answered in time before.
    fn ask_host(
        &self,
        url: &Url,
        send: impl FnOnce() -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, Error> {
        if let Some(reason) = self.hosts.silence(&host(url)) {
            return Err(unusable(url, &reason));
        }
        let response = send().map_err(|error| self.unanswered(url, &error))?;
        self.hosts.add_answer(host(url));
        Ok(response)
    }

    /// Returns the error of a request without an answer. A host that has never answered in time is not asked again.
    fn unanswered(&self, url: &Url, error: &ureq::Error) -> Error {
        let mut failure = failed(url, error);
        if is_silent(error)
            && self.hosts.add_silence(host(url), error.to_string())
            && let Error::Unreachable { transient, .. } = &mut failure
        {
            *transient = true;
        }
        failure
    }

    /// Limits the time for the address of the host and for the connection.
    fn limit_wait<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        let limit = self.hosts.time_limit();
        let config = request.config();
        config
            .timeout_resolve(Some(limit))
            .timeout_connect(Some(limit))
            .build()
    }

    /// Returns whether a server answers requests to `url`, with any status.
    pub fn reaches(&self, url: &Url) -> bool {
        self.size(url)
            .map_or_else(|error| !error.is_about_host(), |_| true)
    }

    fn check_address(&self, url: &Url) -> Result<(), Error> {
        let loopback = || match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
            None => false,
        };
        let named = || self.plain.contains(&url.origin().ascii_serialization());
        match url.scheme() {
            "https" => Ok(()),
            "http" if loopback() || named() => Ok(()),
            _ => Err(Error::Insecure {
                url: redact_url(url),
            }),
        }
    }

    /// Sends a request again after a pause while another try can help.
    fn with_retries<T>(&self, send: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
        let mut tries = 0;
        loop {
            let error = match send() {
                Err(error) if tries < self.retries && !self.hosts.is_hopeless() => error,
                answer => return answer,
            };
            let Some(pause) = pause(&error, tries) else {
                return Err(error);
            };
            tracing::debug!(%error, ?pause, "retry");
            thread::sleep(pause);
            tries += 1;
        }
    }
}

/// Retries at once if the connection broke before the answer, as an idle connection does that the server closed.
fn retry_broken<T>(send: impl Fn() -> Result<T, ureq::Error>) -> Result<T, ureq::Error> {
    let mut tries = 0..2;
    loop {
        match send() {
            Err(ureq::Error::Io(error))
                if is_broken_connection(error.kind()) && tries.next().is_some() =>
            {
                tracing::debug!(%error, "the connection broke");
            }
            Err(error) => {
                tracing::debug!(%error, "no answer");
                return Err(error);
            }
            answer => return answer,
        }
    }
}

/// Returns `url` without user name, password and fragment, as it is requested and locked.
pub fn anonymous(url: &Url) -> Url {
    let mut bare = url.clone();
    // Both fail only for addresses that cannot hold credentials.
    let _cannot = bare.set_username("").and_then(|()| bare.set_password(None));
    bare.set_fragment(None);
    bare
}

fn open_file(url: &Url) -> Result<File, Error> {
    let path = url
        .to_file_path()
        .map_err(|()| unusable(url, "not a path"))?;
    let failed = |error: io::Error| Error::Mirror(files::at("fetch", &path)(error));
    match files::open_regular(&path) {
        Ok(Some((file, _))) => Ok(file),
        Ok(None) => Err(failed(io::ErrorKind::NotFound.into())),
        Err(error) => Err(failed(error.source)),
    }
}

/// No redirect leads from HTTPS to plain HTTP, even on this machine.
fn check_redirect(from: &Url, to: &Url) -> Result<(), Error> {
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(Error::Insecure {
            url: redact_url(to),
        });
    }
    Ok(())
}

/// Returns whether a connection was made and broke.
const fn is_broken_connection(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        kind,
        Kind::BrokenPipe
            | Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::NotConnected
            | Kind::UnexpectedEof
    )
}

#[cfg(test)]
mod tests;
