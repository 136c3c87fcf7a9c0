//! The parts of an image for its bill of materials, from the records of its objects.

use std::path::Path;

use crate::{
    builder::BuiltShell,
    image::Component,
    package::{Sha256, WheelName},
    report::failure::Failure,
    store::{ObjectRecord, Recipe},
};

use super::image_objects::{damaged_object, installer};

/// Returns the parts of a dev shell that are in its image, from the records of its objects.
pub(super) fn components(built: &BuiltShell) -> Result<Vec<Component>, Failure> {
    let installers: Vec<&Path> = built.tools.iter().filter_map(installer).collect();
    let mut components = Vec::new();
    for object in &built.objects {
        if installers.contains(&object.as_path()) {
            continue;
        }
        let record = ObjectRecord::read(object)?.ok_or_else(|| damaged_object(object))?;
        if record.known_recipe() == Some(Recipe::Environment) {
            components.extend(
                record
                    .inputs
                    .iter()
                    .filter_map(|input| python_component(input)),
            );
        }
        for artifact in &record.artifacts {
            let name = if artifact.part.is_empty() {
                record.name.clone()
            } else {
                format!("{} {}", record.name, artifact.part)
            };
            let sha256 = artifact.digest.parse::<Sha256>().ok();
            components.push(Component {
                name,
                version: record.version.clone(),
                purl: purl(&record),
                sha256: sha256.map(|sha256| sha256.to_string()),
                url: Some(artifact.url.clone()),
            });
        }
    }
    Ok(components)
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
        purl: Some(format!("pkg:pypi/{name}@{version}")),
        name,
        version,
        sha256: None,
        url: None,
    })
}

/// Returns the package URL of an object that is one package of a registry.
fn purl(record: &ObjectRecord) -> Option<String> {
    let kind = match record.known_recipe()? {
        Recipe::Wheel => "pypi",
        Recipe::CondaPackage => "conda",
        Recipe::NpmPlatform => "npm",
        Recipe::Release if record.name.contains('/') => "github",
        _ => return None,
    };
    // The `@` of a scope would begin the version.
    let name = record.name.replace('@', "%40");
    Some(format!("pkg:{kind}/{name}@{}", record.version))
}
