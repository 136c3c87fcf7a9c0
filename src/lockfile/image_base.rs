//! One `[[image-base]]` block: the base of a container image, with its manifest for each system.

use std::{collections::BTreeMap, ops::Range};

use serde::Deserialize;
use toml::Spanned;

use super::{
    problem::{Problem, SpannedProblem},
    values::{invalid, line, quoted, value},
};
use crate::package::{Sha256, System};

/// The digests of the manifests of a base.
pub type ImageBase = BTreeMap<System, Sha256>;
/// The bases by the name in the manifest.
pub type ImageBases = BTreeMap<String, ImageBase>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BaseBlock {
    name: Spanned<String>,
    manifests: Vec<ManifestLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestLine {
    system: Spanned<String>,
    sha256: Spanned<String>,
}

/// Reads a block.
pub(super) fn read(
    raw: BaseBlock,
    block: &Range<usize>,
) -> Result<(String, ImageBase), SpannedProblem> {
    let mut base = ImageBase::new();
    for manifest in raw.manifests {
        let system = value::<System>(&manifest.system)?;
        if base.insert(system, value(&manifest.sha256)?).is_some() {
            let name = format!("the manifest for {system}");
            return Err(Problem::Duplicate(name).at(manifest.system.span()));
        }
    }
    let span = raw.name.span();
    let name = raw.name.into_inner();
    if base.is_empty() {
        return Err(invalid("a base with manifests", &name, block.clone()));
    }
    if name.is_empty() || name.len() > 512 || name.chars().any(|one| !one.is_ascii_graphic()) {
        return Err(invalid("the name of an image", &name, span));
    }
    Ok((name, base))
}

/// Writes a block.
pub(super) fn print(text: &mut String, name: &str, base: &ImageBase) {
    text.push_str("\n[[image-base]]\n");
    line(text, "name", quoted(name));
    text.push_str("manifests = [\n");
    for (system, sha256) in base {
        let line = format!("  {{ system = \"{system}\", sha256 = \"{sha256}\" }},\n");
        text.push_str(&line);
    }
    text.push_str("]\n");
}
