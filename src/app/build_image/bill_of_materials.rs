//! The parts of an image for its bill of materials: its base, and those that the records of its objects name.

use std::path::Path;

use url::Url;

use crate::{
    builder::BuiltShell,
    fetch::registry::Reference,
    image::{Component, ComponentType},
    lockfile::NpmAddress,
    package::{Digest, Sha256, WheelName},
    report::failure::Failure,
    store::{ObjectRecord, Recipe},
};

use super::image_objects::{damaged_object, installer};

/// Returns the base of an image as a part of it.
pub(super) fn base_component(base: &Reference, manifest: Sha256) -> Component {
    let name = base.repository.rsplit('/').next().unwrap_or_default();
    let tag = base.tag.as_ref().map(|tag| format!("&tag={tag}"));
    let place = format!("{}/{}", base.host, base.repository);
    Component {
        kind: ComponentType::Container,
        name: place.clone(),
        version: base.tag.clone().unwrap_or_default(),
        purl: Some(format!(
            "pkg:oci/{name}@sha256%3A{manifest}?repository_url={place}{}",
            tag.unwrap_or_default()
        )),
        digest: Some(Digest::Sha256(manifest)),
        url: None,
    }
}

/// Returns the parts of a dev shell that are in its image, from the records of its objects.
pub(super) fn components(built: &BuiltShell) -> Result<Vec<Component>, Failure> {
    let installers: Vec<&Path> = built.tools.iter().filter_map(installer).collect();
    let mut components = Vec::new();
    for object in &built.objects {
        if installers.contains(&object.as_path()) {
            continue;
        }
        let record = ObjectRecord::read(object)?.ok_or_else(|| damaged_object(object))?;
        match record.known_recipe() {
            Some(Recipe::Environment) => {
                let packages = record.inputs.iter();
                components.extend(packages.filter_map(|input| python_component(input)));
            }
            Some(Recipe::Crate) => components.push(crate_component(&record)),
            _ => {}
        }
        for artifact in record.sources().ok_or_else(|| damaged_object(object))? {
            let package = npm_package(&record, &artifact.url).unwrap_or_else(|| Package {
                name: match artifact.part.as_str() {
                    "" => record.name.clone(),
                    part => format!("{} {part}", record.name),
                },
                version: record.version.clone(),
                purl: purl(&record),
            });
            components.push(Component {
                kind: ComponentType::Library,
                name: package.name,
                version: package.version,
                purl: package.purl,
                digest: Some(artifact.digest),
                url: Some(artifact.url.to_string()),
            });
        }
    }
    Ok(components)
}

/// The names of a package in a bill of materials.
struct Package {
    name: String,
    version: String,
    purl: Option<String>,
}

/// Returns the npm package of an artifact by its address (`@team/a/-/a-1.0.0.tgz`): the dependencies of a tool have
/// other versions than the tool.
fn npm_package(record: &ObjectRecord, address: &Url) -> Option<Package> {
    if !matches!(
        record.known_recipe(),
        Some(Recipe::Npm | Recipe::NpmPlatform)
    ) {
        return None;
    }
    let address = NpmAddress::of(address)?;
    Some(Package {
        purl: Some(package_url("npm", &address.name, &address.version)),
        version: address.version,
        name: address.name,
    })
}

/// Returns a package of a Python environment: its inputs are pins (`idna 3.10`) or the names of wheels.
fn python_component(input: &str) -> Option<Component> {
    let (name, version) = if let Some(wheel) = WheelName::parse(input) {
        (wheel.name.to_string(), wheel.version.to_string())
    } else {
        let mut words = input.split(' ');
        (words.next()?.to_owned(), words.next()?.to_owned())
    };
    Some(Component {
        kind: ComponentType::Library,
        purl: Some(package_url("pypi", &name, &version)),
        name,
        version,
        digest: None,
        url: None,
    })
}

/// Returns a crate that was built: its inputs name the digest of its archive.
fn crate_component(record: &ObjectRecord) -> Component {
    let digests = record.inputs.iter().filter_map(|input| {
        let sha256 = input.strip_prefix("sha256:")?.parse().ok()?;
        Some(Digest::Sha256(sha256))
    });
    Component {
        kind: ComponentType::Library,
        name: record.name.clone(),
        version: record.version.clone(),
        purl: Some(package_url("cargo", &record.name, &record.version)),
        digest: digests.into_iter().next(),
        url: None,
    }
}

/// Returns the package URL of an object that is one package of a registry.
fn purl(record: &ObjectRecord) -> Option<String> {
    let kind = match record.known_recipe()? {
        Recipe::Wheel => "pypi",
        Recipe::CondaPackage => "conda",
        Recipe::Release if record.name.contains('/') => "github",
        _ => return None,
    };
    Some(package_url(kind, &record.name, &record.version))
}

fn package_url(kind: &str, name: &str, version: &str) -> String {
    // The `@` of a scope would begin the version.
    format!("pkg:{kind}/{}@{version}", name.replace('@', "%40"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, recipe: Recipe, inputs: &[&str]) -> ObjectRecord {
        ObjectRecord {
            name: name.to_owned(),
            version: "1.2.0".to_owned(),
            recipe: recipe.as_str().to_owned(),
            tree: String::new(),
            artifacts: Vec::new(),
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
            received: false,
            check: String::new(),
        }
    }

    #[test]
    fn npm_packages_have_their_own_names_and_versions() {
        let tool = record("greet", Recipe::Npm, &[]);
        for (path, found) in [
            (
                "@team/greet/-/greet-2.1.0.tgz",
                Some("pkg:npm/%40team/greet@2.1.0"),
            ),
            (
                "api/npm/@team%2fgreet/-/greet-2.1.0.tgz",
                Some("pkg:npm/%40team/greet@2.1.0"),
            ),
            (
                "words/-/words-1.0.0-rc.1.tgz",
                Some("pkg:npm/words@1.0.0-rc.1"),
            ),
            ("words/-/other-1.0.0.tgz", None),
            ("words.tgz", None),
        ] {
            let address = format!("https://a.example/{path}").parse().unwrap();
            let package = npm_package(&tool, &address);
            assert_eq!(package.and_then(|package| package.purl).as_deref(), found);
            assert!(npm_package(&record("greet", Recipe::Release, &[]), &address).is_none());
        }
    }

    #[test]
    fn a_crate_has_the_digest_of_its_archive() {
        let digest = Sha256::of(b"archive");
        let inputs = ["rust 1.90.0", &format!("sha256:{digest}"), "feature a"];
        let component = crate_component(&record("grex", Recipe::Crate, &inputs));
        assert_eq!(component.purl.as_deref(), Some("pkg:cargo/grex@1.2.0"));
        assert_eq!(component.digest, Some(Digest::Sha256(digest)));
    }

    #[test]
    fn a_base_has_the_address_of_its_registry() {
        let digest = Sha256::of(b"manifest");
        let base = base_component(&"debian:12-slim".parse().unwrap(), digest);
        assert_eq!(
            base.purl.unwrap(),
            format!(
                "pkg:oci/debian@sha256%3A{digest}?repository_url=docker.io/library/debian&tag=12-slim"
            )
        );
    }
}
