//! The files of real releases are chosen for the right systems.

use super::*;

/// Files that nearly every release has as well.
const USUAL: &[&str] = &[
    "SHA256SUMS",
    "checksums.txt",
    "checksums.txt.pem",
    "checksums.txt.sig",
    "multiple.intoto.jsonl",
    "source.tar.gz",
    "tool-1.2.3-1.x86_64.rpm",
    "tool-freebsd-amd64.tar.gz",
    "tool-linux-armv7.tar.gz",
    "tool-linux-i686.tar.gz",
    "tool-linux-riscv64.tar.gz",
    "tool-windows-amd64.exe",
    "tool-x86_64-pc-windows-msvc.zip",
    "tool_1.2.3_linux_amd64.deb",
    "tool_linux_amd64.sbom.json",
];

#[test]
fn real_releases_have_their_files_chosen() {
    let mut wrong = Vec::new();
    let cases = include_str!("cases.txt");
    for line in cases.lines().filter(|line| !line.starts_with('#')) {
        let (own, more) = line.split_once(" |").unwrap();
        let mut words = own.split_whitespace();
        let repository = words.next().unwrap();
        let expected: Vec<&str> = words.collect();
        let mut names: Vec<&str> = expected
            .iter()
            .copied()
            .filter(|name| *name != "-")
            .collect();
        names.extend(more.split_whitespace());
        names.extend(USUAL);
        let files = ReleaseFiles {
            names: &names,
            repository,
            version: "1.2.3",
        };
        for (system, expected) in System::ALL.into_iter().zip(expected) {
            let chosen = files.choose(system).unwrap_or("-");
            // Intel programs run on Apple silicon too.
            if chosen != expected && !(expected == "-" && system == System::MacosX86_64) {
                wrong.push(format!(
                    "{repository} {system}: {chosen} instead of {expected}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_chosen_by_chance() {
    let names = [
        "tool.tar.gz",
        "tool-windows.zip",
        "tool-linux-riscv64.tar.gz",
        "tool.deb",
    ];
    let files = ReleaseFiles {
        names: &names,
        repository: "owner/tool",
        version: "1",
    };
    for system in System::ALL {
        assert_eq!(files.choose(system), None, "{system}");
    }
}
