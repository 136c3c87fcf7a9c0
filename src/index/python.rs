//! `CPython` of the python-build-standalone project, from the index that is compiled in.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use super::{Candidate, Error};
use crate::{lock::Artifact, package::System};

const BUILDS: &str = include_str!("python-builds.json");

#[derive(Deserialize)]
struct Builds {
    versions: BTreeMap<String, BTreeMap<String, Build>>,
}

#[derive(Deserialize)]
struct Build {
    url: String,
    sha256: String,
    #[serde(rename = "build")]
    date: String,
}

/// Returns every build that is ready to use; the oldest ones come in another layout and are left out.
pub fn candidates() -> Result<Vec<Candidate>, Error> {
    let unreadable = |message: String| Error::Unreadable {
        place: "python-builds.json".to_owned(),
        message,
    };
    let builds: Builds =
        serde_json::from_str(BUILDS).map_err(|error| unreadable(error.to_string()))?;
    let mut candidates = Vec::new();
    for (version, targets) in builds.versions {
        let mut artifacts = BTreeMap::new();
        let mut newest = None;
        for system in System::ALL {
            let Some(build) = targets.get(system.triple()) else {
                continue;
            };
            if !build.url.contains("-install_only") {
                continue;
            }
            newest = newest.max(Some(build.date.clone()));
            let artifact = Artifact {
                part: String::new(),
                url: Url::parse(&build.url).map_err(|error| unreadable(error.to_string()))?,
                sha256: build
                    .sha256
                    .parse()
                    .map_err(|error| unreadable(format!("{error}")))?,
                size: None,
            };
            artifacts.insert(system, vec![artifact]);
        }
        candidates.push(Candidate {
            version: version
                .parse()
                .map_err(|error| unreadable(format!("{error}")))?,
            build: newest,
            artifacts,
            missing: BTreeMap::new(),
            yanked: None,
        });
    }
    Ok(candidates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::PYTHON_RELEASES, lock::lockable};

    #[test]
    fn the_compiled_in_index_is_whole() {
        let candidates = candidates().unwrap();
        assert!(candidates.len() > 100);
        let newest = candidates
            .iter()
            .max_by_key(|candidate| &candidate.version)
            .unwrap();
        assert_eq!(newest.artifacts.len(), System::ALL.len());
        for candidate in &candidates {
            assert!(!candidate.version.is_prerelease());
            for artifact in candidate.artifacts.values().flatten() {
                assert!(artifact.url.as_str().starts_with(PYTHON_RELEASES));
                assert!(lockable(&artifact.url));
            }
        }
    }
}
