//! Compares devsh with uv and rustup on the same files, if the machine has them.

use std::{path::PathBuf, process::Command};

use devsh::{
    manifest::ShellName,
    package::{Requirement, Version},
};

use super::{OFFERS, cases, contradictions, detected};

/// Returns the version of Python for a requirement.
fn chosen_of(requirement: &Requirement) -> Option<Version> {
    let (_, versions) = OFFERS.iter().find(|(known, _)| *known == "python").unwrap();
    let versions = versions.iter().map(|version| version.parse().unwrap());
    versions.filter(|version| requirement.admits(version)).max()
}

/// Returns the path of a tool to compare with, if the machine has it.
fn oracle(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut paths = std::env::split_paths(&path).map(|directory| directory.join(tool));
    let found = paths.find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: no `{tool}` to compare with");
    }
    found
}

#[test]
fn uv_reads_version_files_as_devsh_does() {
    let Some(uv) = oracle("uv") else {
        return;
    };
    let mut asked = 0;
    for case in cases() {
        let root = case.write();
        let Ok((_, manifest)) = detected(&root) else {
            continue;
        };
        let dev = &manifest.shells[&ShellName::dev()];
        let Some(request) = dev.tools.get(&"python".parse().unwrap()) else {
            continue;
        };
        let origin = &request.requirement.origin;
        if !origin.file.starts_with(".python-version") || !contradictions(&manifest).is_empty() {
            continue;
        }
        let output = Command::new(&uv)
            .args(["python", "pin", "--offline", "--no-config", "--no-cache"])
            .current_dir(root.path())
            .env_clear()
            .env("HOME", root.path())
            .output()
            .unwrap();
        // pyenv uses the first word of a line, uv the whole line.
        let stderr = String::from_utf8_lossy(&output.stderr);
        if stderr.contains("Ignoring unsupported Python request") && stderr.contains(" #") {
            continue;
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let wanted = chosen_of(&request.requirement.value);
        // uv prints all lines, and uses the first that is a CPython.
        let mut pin = text.lines().map(|line| {
            let version = line
                .trim_start_matches("cpython")
                .trim_start_matches(['@', '-']);
            version.split("-linux").next().unwrap().replace(' ', "")
        });
        let pin = pin.find_map(|pin| pin.parse::<Requirement>().ok());
        let taken = pin.map(|pin| chosen_of(&pin));
        assert_eq!(taken, Some(wanted), "{}: uv says {output:?}", case.name);
        asked += 1;
    }
    assert!(asked > 5, "{asked}");
}

#[test]
fn rustup_chooses_the_toolchain_that_devsh_does() {
    let Some(rustup) = oracle("rustup") else {
        return;
    };
    let mut asked = 0;
    for case in cases() {
        let root = case.write();
        let Ok((_, manifest)) = detected(&root) else {
            continue;
        };
        let dev = &manifest.shells[&ShellName::dev()];
        let Some(request) = dev.tools.get(&"rust".parse().unwrap()) else {
            continue;
        };
        if !request
            .requirement
            .origin
            .file
            .starts_with("rust-toolchain")
        {
            continue;
        }
        // Without a toolchain and without permission to install one, rustup prints which one it would use.
        let empty = tempfile::tempdir().unwrap();
        let output = Command::new(&rustup)
            .args(["show", "active-toolchain"])
            .current_dir(root.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", empty.path())
            .env("RUSTUP_HOME", empty.path())
            .env("CARGO_HOME", empty.path())
            .env("RUSTUP_AUTO_INSTALL", "0")
            .env("RUSTUP_DIST_SERVER", "http://127.0.0.1:9")
            .output()
            .unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let name = format!("{}-", request.requirement.value);
        assert!(
            text.contains(&name),
            "{}: {name} is not in {text}",
            case.name
        );
        asked += 1;
    }
    assert!(asked > 5, "{asked}");
}
