//! Downloads: the only code that talks to the network.
//!
//! Invariant: offline, nothing is asked; a body is never longer in memory than the caller's limit.

use std::{io::Read, time::Duration};

use ureq::{
    Agent,
    tls::{RootCerts, TlsConfig},
};
use url::Url;

/// A request that gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network is not to be used.
    #[error("`{url}` is needed and devsh is offline")]
    Offline {
        /// What would have been asked.
        url: Url,
    },
    /// The server could not be reached, or the connection broke.
    #[error("cannot reach `{host}`: {reason}")]
    Unreachable {
        /// The server.
        host: String,
        /// Why, one line.
        reason: String,
    },
    /// The server answered with an error.
    #[error("`{url}` answered {status}")]
    Status {
        /// What was asked.
        url: Url,
        /// The HTTP status.
        status: u16,
    },
    /// The answer was longer than devsh accepts.
    #[error("`{url}` is larger than {limit} bytes")]
    TooLarge {
        /// What was asked.
        url: Url,
        /// The limit, in bytes.
        limit: u64,
    },
}

/// Asks servers; cheap to clone and shared between threads.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    offline: bool,
}

impl Client {
    /// Returns a client that trusts the system's certificates and honours the usual proxy variables.
    pub fn new(offline: bool) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(30)))
            .user_agent(concat!("devsh/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .build()
            .new_agent();
        Self { agent, offline }
    }

    /// Returns the body of `url`, of at most `limit` bytes.
    pub fn get(&self, url: &Url, accept: &str, limit: u64) -> Result<Vec<u8>, Error> {
        if self.offline {
            return Err(Error::Offline { url: url.clone() });
        }
        let unreachable = |reason: String| Error::Unreachable {
            host: url.host_str().unwrap_or_default().to_owned(),
            reason,
        };
        let mut response = self
            .agent
            .get(url.as_str())
            .header("accept", accept)
            .call()
            .map_err(|error| unreachable(error.to_string()))?;
        let status = response.status().as_u16();
        if !(200..300).contains(&status) {
            return Err(Error::Status {
                url: url.clone(),
                status,
            });
        }
        let mut body = Vec::new();
        response
            .body_mut()
            .with_config()
            .limit(u64::MAX)
            .reader()
            .take(limit + 1)
            .read_to_end(&mut body)
            .map_err(|error| unreachable(error.to_string()))?;
        if body.len() as u64 > limit {
            return Err(Error::TooLarge {
                url: url.clone(),
                limit,
            });
        }
        Ok(body)
    }

    /// Returns the size of `url` in bytes as the server announces it, without downloading.
    pub fn size(&self, url: &Url) -> Result<Option<u64>, Error> {
        if self.offline {
            return Err(Error::Offline { url: url.clone() });
        }
        let response =
            self.agent
                .head(url.as_str())
                .call()
                .map_err(|error| Error::Unreachable {
                    host: url.host_str().unwrap_or_default().to_owned(),
                    reason: error.to_string(),
                })?;
        let status = response.status().as_u16();
        if !(200..300).contains(&status) {
            return Err(Error::Status {
                url: url.clone(),
                status,
            });
        }
        let length = response.headers().get("content-length");
        Ok(length.and_then(|length| length.to_str().ok()?.parse().ok()))
    }
}
