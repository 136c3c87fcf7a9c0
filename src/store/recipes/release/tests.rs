//! Layouts of real archives, and the formats of programs.

use super::*;

fn layout_of(name: &str, options: &[&str], members: &[&str]) -> Result<MemberPlaces, Error> {
    let members: Vec<ArchiveMember> = members
        .iter()
        .map(|line| ArchiveMember {
            path: line.trim_end_matches(['*', '/']).to_owned(),
            executable: line.ends_with('*'),
            directory: line.ends_with('/'),
        })
        .collect();
    let release = ReleaseRecipe {
        name: &PackageName::of(crate::package::Source::Github, name).unwrap(),
        version: &"1.2.3".parse().unwrap(),
        options: &options.iter().map(|text| text.parse().unwrap()).collect(),
    };
    release.layout(&members)
}

/// Returns the programs with their places in the object.
fn programs(name: &str, options: &[&str], members: &[&str]) -> String {
    let layout = layout_of(name, options, members).unwrap();
    let programs = layout.programs.iter();
    let programs = programs.map(|(program, path)| format!("{program}={}{path}", layout.place));
    programs.collect::<Vec<_>>().join(" ")
}

#[test]
fn programs_are_found_in_real_layouts() {
    for (name, members, expected) in [
        (
            "cli/cli",
            &[
                "gh_1.2.3/",
                "gh_1.2.3/LICENSE",
                "gh_1.2.3/bin/gh*",
                "gh_1.2.3/share/man/man1/gh.1",
            ][..],
            "gh=bin/gh",
        ),
        (
            "BurntSushi/ripgrep",
            &[
                "rg-1.2.3/rg*",
                "rg-1.2.3/README.md",
                "rg-1.2.3/complete/rg.bash",
            ],
            "rg=lib/ripgrep/rg",
        ),
        (
            "editorconfig-checker/x",
            &["bin/ec-linux-arm64*"],
            "ec=bin/ec-linux-arm64",
        ),
        ("junegunn/fzf", &["fzf*"], "fzf=lib/fzf/fzf"),
        (
            "astral-sh/uv",
            &["uv-x/uv*", "uv-x/uvx*"],
            "uv=lib/uv/uv uvx=lib/uv/uvx",
        ),
        (
            "mikefarah/yq",
            &["yq_linux_amd64*", "yq.1", "install-man-page.sh*"],
            "yq=lib/yq/yq_linux_amd64",
        ),
        ("denoland/deno", &["deno"], "deno=lib/deno/deno"),
        (
            "sass/dart-sass",
            &[
                "dart-sass/sass*",
                "dart-sass/src/dart*",
                "dart-sass/src/sass.snapshot",
            ],
            "sass=lib/dart-sass/sass",
        ),
        (
            "a/b",
            &["__MACOSX/b/._b*", "b/b*", "b/LICENSE*"],
            "b=lib/b/b",
        ),
    ] {
        assert_eq!(programs(name, &[], members), expected, "{name}");
    }
}

#[test]
fn settings_name_programs_and_directories() {
    let members = ["x/y/tool-linux-amd64*", "x/y/other*", "x/README"];
    assert_eq!(
        programs("a/b", &["bin=y/tool"], &members),
        "tool=lib/b/y/tool-linux-amd64"
    );
    assert_eq!(
        programs("a/b", &["strip=2", "bin=other"], &members),
        "other=lib/b/other"
    );
    assert_eq!(
        programs("a/b", &["strip=0", "bin=x/y/other"], &members),
        "other=lib/b/x/y/other"
    );
    let error = layout_of("a/b", &["bin=nothing"], &members).unwrap_err();
    assert!(
        matches!(error, Error::NoSuchProgram { program, found } if program == "nothing" && found.len() == 3)
    );
    let error = layout_of("a/b", &[], &["README.md", "doc.txt"]).unwrap_err();
    assert!(matches!(error, Error::UnclearPrograms { found, .. } if found.len() == 2));
}

#[test]
fn formats_of_programs_are_known() {
    let elf = |machine: u8| {
        let mut head = b"\x7fELF\x02\x01\x01".to_vec();
        head.resize(18, 0);
        head.extend([machine, 0]);
        head
    };
    assert_eq!(
        built_for(&elf(62)),
        Some(BuiltFor::Linux(Processor::X86_64))
    );
    assert_eq!(
        built_for(&elf(183)),
        Some(BuiltFor::Linux(Processor::Aarch64))
    );
    assert_eq!(built_for(&elf(40)), Some(BuiltFor::Linux(Processor::Other)));
    let mac = built_for(&[0xcf, 0xfa, 0xed, 0xfe, 12, 0, 0, 1]).unwrap();
    assert!(mac.runs_on(System::MacosAarch64) && !mac.runs_on(System::MacosX86_64));
    assert_eq!(built_for(b"MZ\x90\0"), Some(BuiltFor::Windows));
    assert_eq!(built_for(b"MZqFpD='"), None);
    for unknown in [&b"#!/bin/sh"[..], b"", b"\x7fELF"] {
        assert_eq!(built_for(unknown), None);
    }
}
