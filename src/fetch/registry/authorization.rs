//! Requests to a registry with a login: answers to its challenges.

use std::sync::PoisonError;

use serde::Deserialize;
use url::Url;

use super::{Login, Registry};
use crate::fetch::{Answer, Error, Exchange, RequestBody};

/// The right that a request needs.
#[derive(Debug, Clone, Copy)]
pub(super) enum RegistryAccess<'a> {
    Pull,
    Push,
    /// Push, and pull from this repository.
    Mount(&'a str),
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registry {
    /// Sends a request; logs in when the registry asks for that.
    pub(super) fn send(
        &self,
        mut exchange: Exchange<'_>,
        access: RegistryAccess<'_>,
    ) -> Result<Answer, Error> {
        let known = self.known_authorization();
        let without = exchange.headers.len();
        if let Some(header) = &known {
            exchange = exchange.header("authorization", header.clone());
        }
        let answer = self.client.exchange(&exchange)?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        let Some(header) = self.authorize(challenge, access)? else {
            return Ok(answer);
        };
        exchange.headers.truncate(without);
        exchange = exchange.header("authorization", header.clone());
        let answer = self.client.exchange(&exchange)?;
        if answer.status != 401 {
            *self.lock() = Some(header);
        }
        Ok(answer)
    }

    /// Answers a challenge; `None` if there is nothing to answer it with.
    pub(super) fn authorize(
        &self,
        challenge: &str,
        access: RegistryAccess<'_>,
    ) -> Result<Option<String>, Error> {
        let (scheme, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Ok(match &self.login {
                Some(Login::Basic(both)) => Some(format!("Basic {both}")),
                _ => None,
            });
        }
        let parameters = parameters(rest);
        let get = |name: &str| {
            let found = parameters.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        let Some(mut realm) = get("realm").and_then(|realm| realm.parse::<Url>().ok()) else {
            return Ok(None);
        };
        let own = &self.repository;
        let scopes = match access {
            RegistryAccess::Pull => vec![format!("repository:{own}:pull")],
            RegistryAccess::Push => vec![format!("repository:{own}:pull,push")],
            RegistryAccess::Mount(from) => vec![
                format!("repository:{own}:pull,push"),
                format!("repository:{from}:pull"),
            ],
        };
        let service = get("service").unwrap_or_default();
        let answer = if let Some(Login::IdentityToken(token)) = &self.login {
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("grant_type", "refresh_token")
                .append_pair("client_id", "devsh")
                .append_pair("service", service)
                .append_pair("scope", &scopes.join(" "))
                .append_pair("refresh_token", token)
                .finish();
            let exchange = Exchange::new("POST", &realm)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(RequestBody::Bytes(form.as_bytes()));
            self.client.exchange(&exchange)?
        } else {
            realm
                .query_pairs_mut()
                .append_pair("service", service)
                .extend_pairs(scopes.iter().map(|scope| ("scope", scope)));
            let mut exchange = Exchange::new("GET", &realm);
            if let Some(Login::Basic(both)) = &self.login {
                exchange = exchange.header("authorization", format!("Basic {both}"));
            }
            self.client.exchange(&exchange)?
        };
        if answer.status != 200 {
            return Err(answer.unexpected(&realm));
        }
        let token: Option<TokenAnswer> = serde_json::from_slice(&answer.body).ok();
        let token = token.and_then(|answer| answer.token.or(answer.access_token));
        Ok(token.map(|token| format!("Bearer {token}")))
    }

    pub(super) fn known_authorization(&self) -> Option<String> {
        self.lock().clone()
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the parameters of a challenge: `realm="…",service="…"`.
pub(super) fn parameters(text: &str) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    let mut rest = text.trim();
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',']).to_ascii_lowercase();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        parameters.push((name, value.to_owned()));
        rest = next;
    }
    parameters
}
