//! The bill of materials of an image, in `CycloneDX` 1.6.

use serde_json::{Value as Json, json};

/// One part of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    pub name: String,
    pub version: String,
    /// The package URL (`pkg:pypi/ruff@0.12.0`).
    pub purl: Option<String>,
    /// SHA-256 of the artifact, in hexadecimal.
    pub sha256: Option<String>,
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
    let mut component = json!({
        "type": "library",
        "name": one.name,
        "version": one.version,
        "bom-ref": format!("{}@{} {}", one.name, one.version, one.sha256.as_deref().unwrap_or_default()).trim_end(),
    });
    if let Some(purl) = &one.purl {
        component["purl"] = json!(purl);
    }
    if let Some(sha256) = &one.sha256 {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sha256 }]);
    }
    if let Some(url) = &one.url {
        component["externalReferences"] = json!([{ "type": "distribution", "url": url }]);
    }
    component
}
