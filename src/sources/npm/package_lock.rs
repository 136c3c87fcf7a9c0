//! Reads the `package-lock.json` that npm wrote for one tool: which package goes where below `node_modules`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::platforms::Platforms;
use crate::package::{System, is_npm_place};

/// A package in the tree below `node_modules`.
#[derive(Debug)]
pub(super) struct NpmNode {
    /// Its place below the first `node_modules`: `a`, `@b/c/node_modules/d`.
    pub(super) place: String,
    pub(super) version: String,
    pub(super) tarball: String,
    /// The digest as npm writes it (`sha512-…`).
    pub(super) integrity: Option<String>,
    pub(super) systems: Vec<System>,
}

#[derive(Deserialize)]
struct PackageLock {
    packages: BTreeMap<String, LockedNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LockedNode {
    #[serde(default)]
    version: String,
    #[serde(default)]
    resolved: String,
    integrity: Option<String>,
    #[serde(default)]
    optional: bool,
    /// True if it is inside the tarball of the package above it.
    #[serde(default)]
    in_bundle: bool,
    #[serde(flatten)]
    platforms: Platforms,
}

/// Returns the packages of npm's lock, each for the systems of `systems` on which the tool can be used.
///
/// A required package that is not for a system takes the whole tool from that system; an optional one is left
/// out there. The error is one line.
pub(super) fn parse(text: &str, systems: &[System]) -> Result<Vec<NpmNode>, String> {
    let lock: PackageLock = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let nodes: Vec<(&str, &LockedNode)> = lock
        .packages
        .iter()
        .filter(|(path, node)| !path.is_empty() && !node.in_bundle)
        .map(|(path, node)| {
            let place = path.strip_prefix("node_modules/");
            let place = place.filter(|place| is_npm_place(place));
            place
                .map(|place| (place, node))
                .ok_or_else(|| format!("`{path}` is not a place below `node_modules`"))
        })
        .collect::<Result<_, _>>()?;
    let usable: Vec<System> = systems
        .iter()
        .copied()
        .filter(|system| {
            let mut required = nodes.iter().filter(|(_, node)| !node.optional);
            required.all(|(_, node)| node.platforms.admit(*system))
        })
        .collect();
    let tree = nodes.into_iter().map(|(place, node)| NpmNode {
        place: place.to_owned(),
        version: node.version.clone(),
        tarball: node.resolved.clone(),
        integrity: node.integrity.clone(),
        systems: usable
            .iter()
            .copied()
            .filter(|system| node.platforms.admit(*system))
            .collect(),
    });
    Ok(tree.filter(|node| !node.systems.is_empty()).collect())
}
