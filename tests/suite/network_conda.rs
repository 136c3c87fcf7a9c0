//! The solver gives the answers of py-rattler: run with `DEVSH_TEST_NETWORK=1` only.
//!
//! `DEVSH_TEST_CONDA_CHANNEL` names a directory with a channel of real records, which is used instead of a made one.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use serde::Deserialize;

use crate::support::{Sandbox, network, repository, require};

#[derive(Deserialize)]
struct Answer {
    wanted: Vec<String>,
    /// The packages by directory of the channel; none if nothing fits.
    chosen: BTreeMap<String, Option<Vec<String>>>,
}

const SYSTEMS: [(&str, &str); 4] = [
    ("linux-64", "linux-x86_64"),
    ("linux-aarch64", "linux-aarch64"),
    ("osx-64", "macos-x86_64"),
    ("osx-arm64", "macos-aarch64"),
];

#[test]
fn conda_packages_are_those_that_rattler_chooses() {
    if !network() {
        return;
    }
    let Some(uv) = require("uv") else { return };
    let sandbox = Sandbox::new();
    let given = std::env::var_os("DEVSH_TEST_CONDA_CHANNEL").map(PathBuf::from);
    let channel = given.unwrap_or_else(|| sandbox.root().join("channel"));
    let script = repository().join("tests/suite/network_conda/oracle.py");
    let output = Command::new(uv)
        .args(["run", "--no-project", "--with", "py-rattler==0.28.0"])
        .arg(script)
        .arg(&channel)
        .arg("60")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut compared = 0;
    for line in text.lines() {
        let answer: Answer = serde_json::from_str(line).unwrap();
        let manifest = format!(
            "[conda]\nchannels = ['file://{}']\npackages = {:?}\n",
            channel.display(),
            answer.wanted
        );
        sandbox.write("devshell.toml", manifest);
        let lockfile = sandbox.project().join("devshell.lock");
        let _absent = fs::remove_file(&lockfile);
        let outcome = sandbox.devsh(&["lock", "--trust"]);
        let locked = outcome
            .status
            .success()
            .then(|| fs::read_to_string(&lockfile).unwrap());
        for (subdir, system) in SYSTEMS {
            let expected = &answer.chosen[subdir];
            let Some(locked) = &locked else {
                // Without packages for this machine nothing is locked.
                assert!(
                    subdir != "linux-64" || expected.is_none(),
                    "{line}\n{outcome}"
                );
                continue;
            };
            assert_eq!(packages(locked, system), *expected, "{line} on {subdir}");
            compared += 1;
        }
    }
    assert!(compared >= 50, "{compared} answers");
}

/// Returns the locked packages of a system, sorted.
fn packages(lockfile: &str, system: &str) -> Option<Vec<String>> {
    let lines = lockfile.lines().filter(|line| {
        line.contains("url = ")
            && (line.contains("system = \"any\"")
                || line.contains(&format!("system = \"{system}\"")))
    });
    let mut names: Vec<String> = lines
        .filter_map(|line| {
            let (_, rest) = line.split_once("url = \"")?;
            let (url, _) = rest.split_once('"')?;
            let file = url.rsplit('/').next()?;
            let stem = file
                .strip_suffix(".conda")
                .or_else(|| file.strip_suffix(".tar.bz2"))?;
            Some(stem.to_owned())
        })
        .collect();
    names.sort();
    (!names.is_empty()).then_some(names)
}
