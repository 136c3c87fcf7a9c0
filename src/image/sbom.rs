//! The bill of materials of an image, in `CycloneDX` 1.6.

use serde_json::{Value as Json, json};

use crate::package::Digest;

/// The kind of a part, as `CycloneDX` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ComponentType {
    /// A base image.
    Container,
    /// A tool or a package.
    Library,
}

/// One part of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    pub kind: ComponentType,
    pub name: String,
    pub version: String,
    /// The package URL (`pkg:pypi/ruff@0.12.0`).
    pub purl: Option<String>,
    /// The digest of the artifact.
    pub digest: Option<Digest>,
    /// The address of the artifact.
    pub url: Option<String>,
}

/// Returns the bill of materials; it depends on the components alone.
pub fn sbom(name: &str, components: &[Component]) -> Json {
    let mut sorted = components.to_vec();
    sorted.sort();
    sorted.dedup();
    let components: Vec<Json> = sorted.iter().map(component).collect();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": { "type": "container", "name": name, "bom-ref": "image" },
            "tools": { "components": [
                { "type": "application", "name": "devsh", "version": env!("CARGO_PKG_VERSION") },
            ] },
        },
        "components": components,
    })
}

fn component(one: &Component) -> Json {
    let digest = one.digest.as_ref().map(Digest::hex);
    let mut component = json!({
        "type": match one.kind {
            ComponentType::Container => "container",
            ComponentType::Library => "library",
        },
        "name": one.name,
        "version": one.version,
        "bom-ref": format!("{}@{} {}", one.name, one.version, digest.as_deref().unwrap_or_default()).trim_end(),
    });
    if let Some(purl) = &one.purl {
        component["purl"] = json!(purl);
    }
    if let Some(digest) = &one.digest {
        let algorithm = match digest {
            Digest::Sha256(_) => "SHA-256",
            Digest::Sha512(_) => "SHA-512",
        };
        component["hashes"] = json!([{ "alg": algorithm, "content": digest.hex() }]);
    }
    if let Some(url) = &one.url {
        component["externalReferences"] = json!([{ "type": "distribution", "url": url }]);
    }
    component
}
