//! Values of the `[image]` table: paths of the project, paths of the image, and ports.

use std::{fmt, str::FromStr};

use serde_json::{Value as Json, json};
use toml::Spanned;

use super::{
    Error, Node, Value,
    form::{Form, KeyValue, Scalar},
};
use crate::package::Invalid;

/// A path below the project's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectPath(String);

impl ProjectPath {
    /// Returns the path; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for ProjectPath {}

impl FromStr for ProjectPath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut parts = Vec::new();
        for part in text.split('/') {
            match part {
                "." => {}
                "" if !parts.is_empty() => {}
                "" | ".." => return Err(Invalid::new("a path below the project's root", text)),
                part => parts.push(part),
            }
        }
        Ok(Self(parts.join("/")))
    }
}

/// An absolute path in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePath(String);

impl ImagePath {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for ImagePath {}

impl FromStr for ImagePath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let path = text
            .strip_prefix('/')
            .map(|path| path.trim_end_matches('/'));
        let valid = path.is_some_and(|path| {
            path.is_empty() || path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        });
        // devsh puts its own files there.
        let own = path.is_some_and(|path| path == "devsh" || path.starts_with("devsh/"));
        match path {
            Some(path) if valid && !own => Ok(Self(format!("/{path}"))),
            _ => Err(Invalid::new(
                "an absolute path in the image, not below `/devsh`",
                text,
            )),
        }
    }
}

/// A port that an image exposes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port(String);

impl Port {
    /// Returns the port with its protocol (`8000/tcp`).
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Scalar for Port {}

impl FromStr for Port {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let valid = number.parse::<u16>().is_ok_and(|number| number > 0)
            && matches!(protocol, "tcp" | "udp" | "sctp");
        if valid {
            Ok(Self(format!("{number}/{protocol}")))
        } else {
            Err(Invalid::new("a port (`8000`, `53/udp`)", text))
        }
    }
}

impl<'n> Form<'n> for Port {
    fn accepts(node: &Node<'_>) -> bool {
        matches!(node.value, Value::Integer(_) | Value::Text(_))
    }

    fn read(value: &KeyValue<'n>) -> Result<Self, Error> {
        let text = match &value.node.value {
            Value::Integer(number) => number.to_string(),
            _ => return Ok(Spanned::<Self>::read(value)?.into_inner()),
        };
        text.parse().map_err(|error: Invalid| value.error(error))
    }

    fn schema() -> Json {
        json!({ "anyOf": [{ "type": "integer" }, { "type": "string" }] })
    }
}
