//! Environment ids: the digest of a resolved plan, the same on every machine.

use std::{fmt, str::FromStr};

use super::{Request, Wanted, choose_artifact::Served};
use crate::{
    package::{Invalid, Source, Version},
    util::codec::Writer,
};

/// Counts changes in how profiles are made.
const FORMAT: u64 = 2;

/// The BLAKE3 of a resolved plan, shortened to 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentId(String);

impl EnvironmentId {
    /// Returns the id of what the lockfile says; `with_project` tells whether the project is installed.
    pub fn wanted(request: &Request<'_>, with_project: bool) -> Self {
        Self::of(request, with_project, |_| None)
    }

    /// Returns the id of what serves: a host tool counts by its version.
    pub(super) fn served(request: &Request<'_>, served: &[Served]) -> Self {
        Self::of(request, request.build_project, |position| {
            served[position].host_version()
        })
    }

    fn of<'a>(
        request: &Request<'_>,
        with_project: bool,
        host: impl Fn(usize) -> Option<&'a Version>,
    ) -> Self {
        let mut writer = Writer::default();
        writer.number(FORMAT);
        writer.bytes(request.system.as_str());
        writer.list(
            request.tools.iter().enumerate(),
            |writer, (position, wanted)| {
                writer.bytes(wanted.tool.to_string());
                match host(position) {
                    Some(version) => writer.bytes(format!("host:{version}")),
                    None => write_locked(writer, request, wanted),
                }
            },
        );
        writer.option(request.python.as_ref(), |writer, python| {
            let mut tools = request.tools.iter().enumerate();
            let found = tools.find(|(_, wanted)| wanted.tool.source == Source::Python);
            let version = found.and_then(|(position, wanted)| {
                host(position).or_else(|| Some(&wanted.locked?.version))
            });
            // What is not whole is never built, so it needs no id of its own.
            let pins = python.pins(version, request.system).unwrap_or_default();
            writer.bytes(pins.to_bytes());
            if !pins.directories.is_empty() {
                writer.list(pins.directories.iter(), Writer::bytes);
                writer.bytes(python.project);
                writer.number(u64::from(with_project));
            }
        });
        writer.bytes(request.extra);
        let digest = blake3::hash(&writer.into_bytes()).to_hex();
        Self(digest[..32].to_owned())
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn write_locked(writer: &mut Writer, request: &Request<'_>, wanted: &Wanted<'_>) {
    let Some(locked) = wanted.locked else {
        let key = crate::lockfile::LockKey::for_request(wanted.tool, wanted.request);
        writer.bytes(format!("asked:{}", key.requirement));
        return;
    };
    writer.bytes(format!("locked:{}", locked.version));
    let artifacts = locked.artifacts.get(&request.system);
    let artifacts = artifacts.map(Vec::as_slice).unwrap_or_default();
    writer.list(artifacts.iter(), |writer, artifact| {
        writer.bytes(&artifact.part);
        writer.bytes(artifact.digest.as_bytes());
    });
}

impl FromStr for EnvironmentId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let plain = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| Invalid::new("an environment id", text))
    }
}

impl fmt::Display for EnvironmentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
