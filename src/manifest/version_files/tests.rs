//! Version files of other tools, and the tools that they request.

use super::*;

fn toolchain_of(file: &str, text: &str) -> Result<(String, Vec<String>), String> {
    let found = toolchain(&Text::new(file, text)).map_err(|error| error.to_string())?;
    let wanted = found.requirement.map(|one| one.value.to_string());
    Ok((wanted.unwrap_or_default(), found.components))
}

#[test]
fn requirement_lines() {
    let ruff: PackageName = "ruff".parse().unwrap();
    for (line, expected) in [
        ("ruff==0.12.1", Some("==0.12.1")),
        (
            "ruff >= 0.12, <0.13 ; python_version > '3'",
            Some(">= 0.12, <0.13"),
        ),
        ("Ruff[x]~=0.12", Some("~=0.12")),
        ("ruff (>=0.12)", Some(">=0.12")),
        ("ruff", Some("")),
        ("ruff @ https://example.org/ruff.whl", None),
        ("ruff-lsp==1", None),
        ("", None),
    ] {
        assert_eq!(specifier(line, &ruff), expected, "{line}");
    }
}

#[test]
fn toolchain_files() {
    let ok = |channel: &str, components: &[&str]| {
        let components = components.iter().map(|one| (*one).to_owned()).collect();
        Ok((channel.to_owned(), components))
    };
    assert_eq!(
        toolchain_of("rust-toolchain", "1.89.0\n"),
        ok("1.89.0", &[])
    );
    assert_eq!(
        toolchain_of("rust-toolchain", " nightly-2026-10-01"),
        ok("nightly-2026-10-01", &[])
    );
    let both =
        "[toolchain]\nchannel = \"1.89\"\ncomponents = [\"rust-src\"]\nprofile = \"minimal\"\n";
    assert_eq!(
        toolchain_of("rust-toolchain", both),
        ok("1.89", &["rust-src"])
    );
    assert_eq!(
        toolchain_of("rust-toolchain.toml", both),
        ok("1.89", &["rust-src"])
    );
    let components = "[toolchain]\ncomponents = [\"clippy\"]\n";
    assert_eq!(
        toolchain_of("rust-toolchain.toml", components),
        ok("", &["clippy"])
    );
}

#[test]
fn toolchain_files_that_cannot_be_locked() {
    for (text, expected) in [
        (
            "stable-x86_64-unknown-linux-gnu",
            "channel `stable-x86_64-unknown-linux-gnu` names a host triple",
        ),
        (
            "1.89.0-aarch64-apple-darwin",
            "channel `1.89.0-aarch64-apple-darwin` names a host triple",
        ),
        ("my-toolchain", "`my-toolchain` is not a Rust channel"),
        (">=1.80", "`>=1.80` is not a Rust channel"),
        (
            "[toolchain]\npath = \"/opt/rust\"",
            "`path` in a toolchain file is not supported: only channels can be locked",
        ),
        (
            "[toolchain]\n\n",
            "a toolchain file needs `channel`, `components`, `targets` or `profile`",
        ),
        (
            "[toolchain]\nchannel = 1.89\n",
            "`channel` must be a string: `1.89` needs quotes",
        ),
        (
            "",
            "a toolchain file needs `channel`, `components`, `targets` or `profile`",
        ),
    ] {
        assert_eq!(
            toolchain_of("rust-toolchain", text),
            Err(expected.to_owned()),
            "{text}"
        );
    }
}
