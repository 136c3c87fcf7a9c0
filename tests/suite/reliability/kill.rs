//! kill -9 at every system call: the next run reaches the same state unaided and leaves nothing over.

use std::{collections::BTreeMap, fs};

use super::{
    difference, effort, left,
    scenario::{ALLOW, DENY, GC, LOCK, REPAIR, RUN, SYNC, SYNC_CONDA, Scenario},
    so_far,
    strace::{count, points, strace, was_killed, with_fault},
};

#[test]
fn allow_is_killed_anywhere() {
    sweep(&ALLOW);
}

#[test]
fn sync_is_killed_anywhere() {
    sweep(&SYNC);
}

#[test]
fn sync_of_conda_packages_is_killed_anywhere() {
    sweep(&SYNC_CONDA);
}

#[test]
fn run_is_killed_anywhere() {
    sweep(&RUN);
}

#[test]
fn lock_is_killed_anywhere() {
    sweep(&LOCK);
}

#[test]
fn deny_is_killed_anywhere() {
    sweep(&DENY);
}

#[test]
fn gc_is_killed_anywhere() {
    sweep(&GC);
}

#[test]
fn repair_is_killed_anywhere() {
    sweep(&REPAIR);
}

/// Returns the system calls to kill a command at.
fn moments(scenario: &Scenario, counts: &BTreeMap<String, usize>) -> Vec<(String, usize)> {
    let mut points = points(counts, effort(6, 1_400));
    // Each of the moments at which something changes its name, or goes.
    let changes = match scenario.name {
        "repair" => "rename",
        "gc" => "unlink",
        _ => "",
    };
    if !changes.is_empty() {
        let renames = counts.iter().filter(|(call, _)| call.starts_with(changes));
        let all = renames.flat_map(|(call, count)| (1..=*count).map(|at| (call.clone(), at)));
        points.extend(all);
        points.sort();
        points.dedup();
    }
    points
}

fn sweep(scenario: &Scenario) {
    let Some(strace) = strace() else { return };
    let (mut fired, mut missed, mut wrong) = (0, 0, Vec::new());
    let (sandbox, _server) = (scenario.prepare)();
    let manifest = fs::read(sandbox.project().join("devshell.toml")).unwrap();
    let begin = || scenario.start_over(&sandbox, &manifest);
    let expected = scenario.end(&sandbox, &manifest);
    begin();
    let counts = count(&strace, &sandbox, scenario.arguments);
    for (call, at) in moments(scenario, &counts) {
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
        if scenario.name == "gc" {
            // With this limit gc removes nothing that the killed one had chosen.
            sandbox.devsh(&["gc", "--older-than", "30d"]).success();
        }
        if scenario.always_whole {
            let outcome = sandbox.devsh(&["verify"]);
            if !outcome.status.success() {
                wrong.push(format!("{place}: {outcome}"));
            }
        }
        let outcome = sandbox.devsh(scenario.arguments);
        if !outcome.status.success() {
            wrong.push(format!("{place}: {outcome}"));
        }
        scenario.sweep(&sandbox);
        let differs = difference(&expected, &left(&sandbox.home()));
        if !differs.is_empty() {
            wrong.push(format!("{place}: {}", differs.join(", ")));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {fired}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let name = scenario.name;
    eprintln!(
        "figure: {name}: kill -9 at {fired} points, nothing lost, nothing left over ({missed} not reached)"
    );
    assert!(fired > 3, "{fired}");
}
