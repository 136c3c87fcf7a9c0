//! kill -9 at every system call: the next run reaches the same state unaided and leaves nothing over.

use std::fs;

use super::{
    difference, effort, left, prepared, so_far,
    strace::{count, points, strace, was_killed, with_fault},
};
use crate::support::Sandbox;

/// How a scenario begins.
type Begin = fn(&Sandbox);

/// A command, and what was done before it.
struct Scenario {
    name: &'static str,
    begin: Begin,
    arguments: &'static [&'static str],
}

const SCENARIOS: [Scenario; 4] = [
    Scenario {
        name: "allow",
        begin: |_| (),
        arguments: &["allow"],
    },
    Scenario {
        name: "sync",
        begin: |sandbox| {
            sandbox.devsh(&["allow"]).success();
            let data = sandbox.data();
            for place in ["store", "envs"] {
                fs::remove_dir_all(data.join(place)).unwrap();
            }
        },
        arguments: &["sync"],
    },
    Scenario {
        name: "gc",
        begin: |sandbox| {
            sandbox.write("devshell.toml", "[tools]\nruff = \"0.12\"\n");
            sandbox.devsh(&["allow"]).success();
            sandbox.write("devshell.toml", "[env]\nB = \"2\"\n");
            sandbox.devsh(&["allow"]).success();
        },
        arguments: &["gc"],
    },
    Scenario {
        name: "repair",
        begin: |sandbox| {
            sandbox.devsh(&["allow"]).success();
            let store = fs::read_dir(sandbox.data().join("store")).unwrap();
            let object = store.map(|entry| entry.unwrap().path());
            let object = object.filter(|path| path.to_str().unwrap().contains("-ruff-"));
            for object in object {
                fs::remove_file(object.join("bin/ruff")).unwrap();
            }
        },
        arguments: &["verify", "--repair"],
    },
];

impl Scenario {
    /// Makes the home directory what it was when the scenario begins.
    fn start_over(&self, sandbox: &Sandbox, manifest: &[u8]) {
        fs::remove_dir_all(sandbox.home()).unwrap();
        fs::create_dir_all(sandbox.home().join(".config/devsh")).unwrap();
        fs::create_dir_all(sandbox.project()).unwrap();
        let settings = "tools-from = \"managed\"\n";
        fs::write(sandbox.home().join(".config/devsh/config.toml"), settings).unwrap();
        sandbox.write("devshell.toml", manifest);
        (self.begin)(sandbox);
    }
}

#[test]
fn nothing_is_lost_wherever_a_process_is_killed() {
    let Some(strace) = strace() else { return };
    let (mut fired, mut missed, mut wrong) = (0, 0, Vec::new());
    for scenario in &SCENARIOS {
        let (sandbox, _server) = prepared();
        let manifest = fs::read(sandbox.project().join("devshell.toml")).unwrap();
        let begin = || scenario.start_over(&sandbox, &manifest);
        // Once with nothing wrong, to know where it must end, and once to count.
        begin();
        sandbox.devsh(scenario.arguments).success();
        sandbox.devsh(scenario.arguments).success();
        let expected = left(&sandbox.home());
        begin();
        let counts = count(&strace, &sandbox, scenario.arguments);
        let mut points = points(&counts, effort(8, 1_400));
        if scenario.name == "repair" {
            // Each of the moments at which something changes its name.
            let renames = counts.iter().filter(|(call, _)| call.starts_with("rename"));
            let all = renames.flat_map(|(call, count)| (1..=*count).map(|at| (call.clone(), at)));
            points.extend(all);
            points.sort();
            points.dedup();
        }
        for (call, at) in points {
            so_far(fired, "points killed at");
            begin();
            let fault = (call.as_str(), "signal=KILL", at);
            let output = with_fault(&strace, &sandbox, scenario.arguments, fault);
            if was_killed(&output) {
                fired += 1;
            } else {
                // Threads divide their work differently each time.
                missed += 1;
            }
            let place = format!("{} killed at {call} {at}", scenario.name);
            if scenario.name != "repair" {
                let outcome = sandbox.devsh(&["verify"]);
                if !outcome.status.success() {
                    wrong.push(format!("{place}: {outcome}"));
                }
            }
            let outcome = sandbox.devsh(scenario.arguments);
            if !outcome.status.success() {
                wrong.push(format!("{place}: {outcome}"));
            }
            let differs = difference(&expected, &left(&sandbox.home()));
            if !differs.is_empty() {
                wrong.push(format!("{place}: {}", differs.join(", ")));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {fired}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    eprintln!(
        "figure: kill -9 at {fired} points, nothing lost, nothing left over ({missed} not reached)"
    );
    assert!(fired > 20, "{fired}");
}
