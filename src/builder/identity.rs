//! Environment ids: the digest of a resolved plan, the same on every machine.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::request::{BuildRequest, RequestedTool};
use crate::{
    lockfile::LockKey,
    package::{Invalid, Version},
    python::PythonPins,
    store::Recipe,
    util::digest_input::DigestInput,
};

/// Counts changes in how profiles are made.
const FORMAT: u64 = 2;

/// The BLAKE3 of a resolved plan, shortened to 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvironmentId(String);

impl EnvironmentId {
    /// Returns the id of the locked tools and these packages; `with_project` says whether the project is installed.
    pub(super) fn of_locked(
        request: &BuildRequest<'_>,
        pins: Option<&PythonPins>,
        with_project: bool,
    ) -> Self {
        Self::new(request, pins, with_project, |_| None)
    }

    /// Returns the id of these tools, of which a host tool counts by its version, and the packages on them.
    pub(super) fn of_served(
        request: &BuildRequest<'_>,
        host_versions: &[Option<&Version>],
        with_project: bool,
    ) -> (Self, Option<PythonPins>) {
        let python = request.python_position();
        let host_python = python.and_then(|position| host_versions[position]);
        let pins = request.pins(host_python.or_else(|| request.locked_python()));
        let host = |position: usize| host_versions[position];
        let id = Self::new(request, pins.as_ref(), with_project, host);
        (id, pins)
    }

    fn new<'a>(
        request: &BuildRequest<'_>,
        pins: Option<&PythonPins>,
        with_project: bool,
        host: impl Fn(usize) -> Option<&'a Version>,
    ) -> Self {
        let mut input = DigestInput::default();
        input.number(FORMAT);
        input.bytes(request.system.as_str());
        input.list(
            request.tools.iter().enumerate(),
            |input, (position, requested)| {
                input.bytes(requested.tool.to_string());
                match host(position) {
                    Some(version) => input.bytes(format!("host:{version}")),
                    None => write_locked(input, request, requested),
                }
            },
        );
        input.option(
            request.python.as_ref().zip(pins),
            |input, (python, pins)| {
                input.bytes(pins.to_bytes());
                if !pins.directories.is_empty() {
                    input.list(pins.directories.iter(), DigestInput::bytes);
                    input.bytes(python.project);
                    input.number(u64::from(with_project));
                }
            },
        );
        input.bytes(request.extra);
        let digest = blake3::hash(&input.into_bytes()).to_hex();
        Self(digest[..32].to_owned())
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn write_locked(
    input: &mut DigestInput,
    request: &BuildRequest<'_>,
    requested: &RequestedTool<'_>,
) {
    let Some(locked) = requested.locked else {
        let key = LockKey::for_request(requested.tool, requested.request);
        input.bytes(format!("asked:{}", key.requirement));
        return;
    };
    input.bytes(format!("locked:{}", locked.version));
    let artifacts = locked.artifacts.get(&request.system);
    let artifacts = artifacts.map(Vec::as_slice).unwrap_or_default();
    input.list(artifacts.iter(), |input, artifact| {
        input.bytes(&artifact.part);
        input.bytes(artifact.digest.as_bytes());
    });
    let options = requested.request.release_options(requested.tool);
    let (kind, options) = match Recipe::of(locked.supplier.source) {
        Some(Recipe::Release) => ("layout", options.layout()),
        Some(Recipe::Crate) => ("build", options.crate_build()),
        _ => return,
    };
    for option in options.iter() {
        input.bytes(format!("{kind}:{option}"));
    }
}

impl TryFrom<String> for EnvironmentId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<EnvironmentId> for String {
    fn from(id: EnvironmentId) -> Self {
        id.0
    }
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
