//! The lockfile decides: what is not what it says does not run, and who says `--locked` finds it unchanged.

use std::fs;

use super::{effort, so_far};
use crate::support::{
    Random, Sandbox, Server, Tree,
    pypi::{serve_program, serve_tool},
};

const MANIFEST: &str = "[tools]\nruff = \"0.12\"\n[env]\nA = \"1\"\n";

fn prepared() -> (Sandbox, Server) {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.3", "0.12.4"]);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest(MANIFEST);
    sandbox.allow();
    (sandbox, server)
}

/// A change of a lockfile.
fn mutation(text: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = text.to_vec();
    let at = random.below(bytes.len());
    let end = (at + 1 + random.below(60)).min(bytes.len());
    match random.below(8) {
        0 => bytes[at] ^= 1 << random.below(7),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.insert(at, u8::try_from(random.below(256)).unwrap()),
        3 => {
            let piece = bytes[at..end].to_vec();
            let to = random.below(bytes.len());
            bytes.splice(to..to, piece);
        }
        // A digit for a digit, which leaves the grammar alone.
        4 => {
            let digits: Vec<usize> = (0..bytes.len())
                .filter(|at| bytes[*at].is_ascii_hexdigit())
                .collect();
            let at = digits[random.below(digits.len())];
            bytes[at] = b"0123456789abcdef"[random.below(16)];
        }
        // Whole lines go, come twice, or change places.
        kind => {
            let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
            let (one, other) = (random.below(lines.len()), random.below(lines.len()));
            match kind {
                5 => drop(lines.remove(one)),
                6 => lines.insert(other, lines[one]),
                _ => lines.swap(one, other),
            }
            bytes = lines.concat();
        }
    }
    bytes
}

#[test]
fn a_changed_lockfile_means_the_same_or_is_an_error() {
    let (sandbox, _server) = prepared();
    let path = sandbox.project().join("devshell.lock");
    let whole = fs::read(&path).unwrap();
    let (mut same, mut refused) = (0, 0);
    let mut judge = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).unwrap();
        let outcome = sandbox.devsh(&["--locked", "run", "--", "ruff", "--version"]);
        assert!(!outcome.stderr.contains("panicked"), "{what}: {outcome}");
        if outcome.status.success() {
            assert_eq!(outcome.stdout, "ruff 0.12.4\n", "{what}: {outcome}");
            same += 1;
        } else {
            assert_eq!(outcome.stdout, "", "{what}: {outcome}");
            assert!(
                matches!(outcome.status.code(), Some(1..=3 | 125)),
                "{what}: {outcome}"
            );
            let said = outcome.stderr.as_str();
            // A build because of another lockfile says so first.
            let said = said
                .strip_prefix("devsh: `devshell.lock` changed\n")
                .unwrap_or(said);
            assert!(said.starts_with("error: "), "{what}: {outcome}");
            refused += 1;
        }
        assert_eq!(fs::read(&path).unwrap(), bytes, "{what}: it was written");
    };
    let step = whole.len().div_ceil(effort(15, whole.len()));
    for end in (0..whole.len()).step_by(step) {
        so_far(end, "prefixes");
        judge(&whole[..end], &format!("the first {end} bytes"));
    }
    let count = effort(40, 10_000);
    for seed in 0..count as u64 {
        so_far(usize::try_from(seed).unwrap(), "mutations");
        judge(&mutation(&whole, seed), &format!("mutation {seed}"));
    }
    eprintln!(
        "figure: {} prefixes and {count} mutations of a lockfile, {same} with the same meaning, {refused} refused",
        whole.len() / step
    );
    assert!(refused > 0);
}

/// Commands to run with `--locked`.
const COMMANDS: [&str; 20] = [
    "run -- true",
    "run --shell dev -- true",
    "sync",
    "enter nothing",
    "lock",
    "lock --check",
    "lock --upgrade",
    "lock --upgrade ruff",
    "outdated",
    "status",
    "explain",
    "allow",
    "export bash",
    "export json",
    "export dotenv",
    "watch --once",
    "add just",
    "remove ruff",
    "verify",
    "gc",
];

#[test]
fn locked_never_changes_the_lockfile() {
    let newer = "[tools]\nruff = \"==0.12.3\"\n[env]\nA = \"1\"\n";
    for (state, manifest) in [
        ("fits", MANIFEST),
        ("does not fit", newer),
        ("is absent", MANIFEST),
    ] {
        let (sandbox, server) = prepared();
        serve_tool(&server, "just", &["1.0.0"]);
        sandbox.write("devshell.toml", manifest);
        let path = sandbox.project().join("devshell.lock");
        if state == "is absent" {
            fs::remove_file(&path).unwrap();
        }
        let before = fs::read(&path).ok();
        let project = Tree::of(sandbox.project());
        for command in COMMANDS {
            let words: Vec<&str> = ["--locked", "-q"]
                .into_iter()
                .chain(command.split(' '))
                .collect();
            let outcome = sandbox.devsh(&words);
            assert!(!outcome.stderr.contains("panicked"), "{command}: {outcome}");
            assert_eq!(
                fs::read(&path).ok(),
                before,
                "{state}, {command}: {outcome}"
            );
            Tree::of(sandbox.project()).assert_unchanged_since(&project);
        }
        // The same commands without the word do write.
        sandbox.devsh(&["lock", "--trust"]).success();
        assert_eq!(fs::read(&path).ok() == before, state == "fits");
    }
}

#[test]
fn a_lockfile_cannot_put_another_package_in_the_place_of_a_tool() {
    let (sandbox, server) = prepared();
    serve_program(&server, "evil", "ruff", &["0.12.4"]);
    let artifacts = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains("url = "));
        lines.map(str::to_owned).collect()
    };
    for (manifest, found) in [
        ("\"pypi:evil\" = \"0.12.4\"\n", "evil-0.12.4"),
        ("ruff = \"0.12.3\"\n", "ruff-0.12.3"),
    ] {
        let other = Sandbox::new()
            .served_by(&server)
            .manifest(&format!("[tools]\n{manifest}"));
        other.devsh(&["lock", "--trust"]).success();
        let lockfile = |sandbox: &Sandbox| sandbox.project().join("devshell.lock");
        let theirs = fs::read_to_string(lockfile(&other)).unwrap();
        let whole = fs::read_to_string(lockfile(&sandbox)).unwrap();
        let (mut swapped, mut renamed) = (whole.clone(), whole.clone());
        for (own, their) in artifacts(&whole).iter().zip(artifacts(&theirs)) {
            swapped = swapped.replace(own, &their);
            renamed = renamed.replace(own, &their.replace(found, "ruff-0.12.4"));
        }
        assert_ne!(swapped, whole);
        fs::write(lockfile(&sandbox), swapped).unwrap();
        let _before = server.requests();
        let outcome = sandbox.devsh(&["run", "--", "ruff"]);
        outcome.error(&[
            "the lockfile takes `ruff` 0.12.4 from an address at",
            "devsh lock --upgrade ruff",
        ]);
        assert_eq!(server.requests(), [""; 0]);
        // The same wheel at the address of the tool.
        let own_files = server.paths("/files/ruff-0.12.4-");
        let kept: Vec<Vec<u8>> = own_files.iter().map(|path| server.content(path)).collect();
        for path in &own_files {
            server.serve(path, server.content(&path.replace("ruff-0.12.4", found)));
        }
        fs::write(lockfile(&sandbox), renamed).unwrap();
        let outcome = sandbox.devsh(&["run", "--", "ruff"]);
        let (name, version) = found.split_once('-').unwrap();
        outcome.error(&[
            "the artifact of `ruff` 0.12.4 is another package",
            &format!("version {version} of `{name}`"),
            "devsh lock --upgrade",
        ]);
        for (path, content) in own_files.iter().zip(kept) {
            server.serve(path, content);
        }
        fs::write(lockfile(&sandbox), whole).unwrap();
        sandbox.devsh(&["run", "--", "ruff"]).success();
    }
}
