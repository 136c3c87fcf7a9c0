//! Simulated power cuts: changes that were not synced are lost in part or reordered.
//!
//! A command is recorded once. From the record come many states in which the disk may be afterwards; each of them
//! is put where the home directory was, looked at, and worked with.

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    path::Path,
};

use super::{
    CONDA_MANIFEST,
    disk::{self, Node, Tree},
    effort,
    recording::record,
    serve_conda, so_far,
    strace::strace,
};
use crate::support::{Random, Sandbox, Server, pypi::serve_tool};

/// A command and its preparation.
struct Scenario {
    name: &'static str,
    begin: fn(&Sandbox),
    arguments: &'static [&'static str],
    /// True if an object is damaged until the command is done.
    damaged: bool,
}

const SCENARIOS: [Scenario; 5] = [
    Scenario {
        name: "install",
        begin: |_| (),
        arguments: &["allow"],
        damaged: false,
    },
    Scenario {
        // Several threads make the packages and share their syncs.
        name: "prefix",
        begin: |sandbox| sandbox.write("devshell.toml", CONDA_MANIFEST),
        arguments: &["allow"],
        damaged: false,
    },
    Scenario {
        name: "repair",
        begin: |sandbox| {
            sandbox.devsh(&["allow"]).success();
            std::fs::remove_file(object(sandbox, "ruff").join("bin/ruff")).unwrap();
        },
        arguments: &["verify", "--repair"],
        damaged: true,
    },
    Scenario {
        name: "gc",
        begin: |sandbox| {
            sandbox.devsh(&["allow"]).success();
            sandbox.write("devshell.toml", "[env]\nA = \"1\"\n");
            sandbox.devsh(&["allow"]).success();
        },
        arguments: &["gc"],
        damaged: false,
    },
    Scenario {
        name: "lock",
        begin: |sandbox| {
            sandbox.write("devshell.toml", "[tools]\nruff = \"0.12.3\"\n");
            sandbox.devsh(&["lock", "--trust"]).success();
            sandbox.write("devshell.toml", "[tools]\nruff = \"0.12\"\n");
        },
        arguments: &["lock", "--upgrade", "--trust"],
        damaged: false,
    },
];

/// Returns the store's object of a tool.
fn object(sandbox: &Sandbox, tool: &str) -> std::path::PathBuf {
    let entries = std::fs::read_dir(sandbox.data().join("store")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    let sign = format!("-{tool}-");
    let found = paths.find(|path| path.to_str().unwrap().contains(&sign));
    found.unwrap()
}

/// Returns a home directory with a second project, whose tool must survive.
fn prepared() -> (Sandbox, Server) {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.3", "0.12.4"]);
    serve_tool(&server, "kept", &["1.0"]);
    serve_conda(&server);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest("[tools]\nruff = \"0.12\"\n");
    let kept = sandbox.home().join("kept");
    std::fs::create_dir(&kept).unwrap();
    std::fs::write(
        kept.join("devshell.toml"),
        "[tools]\n\"pypi:kept\" = \"1\"\n",
    )
    .unwrap();
    sandbox.devsh(&["allow", "-C", "../kept"]).success();
    (sandbox, server)
}

#[test]
fn the_store_is_whole_after_any_power_cut() {
    let Some(strace) = strace() else { return };
    let mut figures = Vec::new();
    for scenario in &SCENARIOS {
        figures.push(scenario.run(&strace, effort(6, 2_500)));
    }
    eprintln!(
        "figure: simulated power cuts: {}; no object damaged, nothing acknowledged lost",
        figures.join(", ")
    );
}

impl Scenario {
    fn run(&self, strace: &Path, states: usize) -> String {
        let (sandbox, _server) = prepared();
        (self.begin)(&sandbox);
        let before = disk::read(&sandbox.home());
        let disk = record(strace, &sandbox, self.arguments);
        let after = disk::read(&sandbox.home());
        assert_same(&after, &disk.tree(), self.name);
        let mut random = Random::new(2_026);
        let (mut seen, mut done) = (BTreeSet::new(), 0);
        for number in 0..states {
            so_far(number, self.name);
            // Every fourth time the command was done.
            let at = match number % 4 {
                0 => disk.changes(),
                _ => random.below(disk.changes() + 1),
            };
            let state = disk.after_a_cut(at, &mut random);
            let mut hasher = DefaultHasher::new();
            state.hash(&mut hasher);
            let place = format!("{}, state {number}, {at} of {}", self.name, disk.changes());
            let finished = at == disk.changes();
            done += usize::from(finished);
            one_of_both(&state, (&before, &after), finished, &place);
            // Equal states are checked once.
            if seen.insert((hasher.finish(), finished)) {
                disk::write(&state, &sandbox.home());
                self.check(&sandbox, finished, &place);
            }
        }
        format!(
            "{states} of {} ({} different, {done} when it was done, {} changes)",
            self.name,
            seen.len(),
            disk.changes()
        )
    }

    /// Looks at a state and works with it.
    fn check(&self, sandbox: &Sandbox, finished: bool, place: &str) {
        let says = |arguments: &[&str], expected: &str| {
            let outcome = sandbox.devsh(arguments);
            let right = outcome.status.success() && outcome.stdout.ends_with(expected);
            assert!(right, "{place}: {arguments:?}: {outcome}");
        };
        let whole = "as published\n";
        if !self.damaged || finished {
            says(&["--offline", "verify"], whole);
        }
        let kept = [
            "--offline",
            "run",
            "-C",
            "../kept",
            "--",
            "kept",
            "--version",
        ];
        says(&kept, "kept 1.0\n");
        if finished && !matches!(self.name, "gc" | "lock") {
            says(
                &["--offline", "run", "--", "ruff", "--version"],
                "ruff 0.12.4\n",
            );
        }
        if self.name == "prefix" && finished {
            let shared = "cat $CONDA_PREFIX/share/ruff/place | grep -c prefix-";
            says(&["--offline", "run", "--", "sh", "-c", shared], "1\n");
        }
        says(self.arguments, "");
        if self.name == "gc" {
            says(&["run", "--", "sh", "-c", "echo $A"], "1\n");
        } else {
            says(
                &["run", "--trust", "--", "ruff", "--version"],
                "ruff 0.12.4\n",
            );
        }
        says(&["--offline", "verify"], whole);
        says(&kept, "kept 1.0\n");
    }
}

/// The project's files are as they were before or as they are afterwards; once the command is done, as afterwards.
fn one_of_both(state: &Tree, (before, after): (&Tree, &Tree), finished: bool, place: &str) {
    for name in ["project/devshell.toml", "project/devshell.lock"] {
        let found = state.get(name);
        let old = !finished && found == before.get(name);
        assert!(
            old || found == after.get(name),
            "{place}: {name} is {found:?}"
        );
    }
}

fn assert_same(expected: &Tree, found: &Tree, name: &str) {
    let short = |node: Option<&Node>| match node {
        Some(Node::File(mode, content)) => format!("file {mode:o} of {} bytes", content.len()),
        other => format!("{other:?}"),
    };
    let paths: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let differ = paths
        .into_iter()
        .filter(|path| expected.get(*path) != found.get(*path));
    let differ: Vec<String> = differ
        .map(|path| {
            let (expected, found) = (short(expected.get(path)), short(found.get(path)));
            format!("{path}: {expected} on the disk, {found} recorded")
        })
        .collect();
    assert!(differ.is_empty(), "{name}: {}", differ.join("\n"));
}
