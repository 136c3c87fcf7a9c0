//! Many processes at once: one of them fetches an object, all get it, and nothing in use is collected.

use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Stdio},
    thread,
};

use super::{effort, prepared, prepared_conda};
use crate::support::{Sandbox, Server, pypi::serve_tool, sandbox::DEVSH};

fn start(sandbox: &Sandbox, directory: &str, arguments: &[&str]) -> Child {
    let mut command = sandbox.command(DEVSH);
    command.args(["-C", directory]).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn of_many_processes_one_fetches() {
    one_fetches(&prepared(), "/files/", 1);
}

#[test]
fn of_many_processes_one_fetches_conda_packages() {
    one_fetches(&prepared_conda(), ".conda", 2);
}

/// Starts many processes that need the same tool; each of its `files` artifacts is downloaded once.
fn one_fetches((sandbox, server): &(Sandbox, Server), sign: &str, files: usize) {
    sandbox.devsh(&["lock", "--trust"]).success();
    let lockfile = fs::read(sandbox.project().join("devshell.lock")).unwrap();
    let manifest = fs::read(sandbox.project().join("devshell.toml")).unwrap();
    // Half of them in the same checkout, half in clones.
    let processes = effort(12, 256);
    for clone in 0..processes / 2 {
        let clone = sandbox.home().join(format!("clone{clone}"));
        fs::create_dir(&clone).unwrap();
        fs::write(clone.join("devshell.lock"), &lockfile).unwrap();
        fs::write(clone.join("devshell.toml"), &manifest).unwrap();
    }
    server.requests();
    let run = ["run", "--locked", "--trust", "--", "ruff", "--version"];
    let children: Vec<Child> = (0..processes)
        .map(|number| match number % 2 {
            0 => start(sandbox, ".", &run),
            _ => start(sandbox, &format!("../clone{}", number / 2), &run),
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert_eq!(output.stdout, b"ruff 0.12.4\n", "{said}");
    }
    let downloads = server.requests().into_iter();
    let downloads = downloads.filter(|request| request.contains(sign)).count();
    assert_eq!(downloads, files);
    sandbox.devsh(&["verify"]).success();
    eprintln!("figure: {processes} processes at once, each file downloaded once, 0 failures");
}

#[test]
fn nothing_in_use_is_collected() {
    let server = Server::start();
    let tools = ["t0", "t1", "t2", "t3"];
    for tool in tools {
        serve_tool(&server, tool, &["1.0"]);
    }
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n");
    for tool in tools {
        let project = sandbox.home().join(tool);
        fs::create_dir(&project).unwrap();
        let manifest = format!("[tools]\n\"pypi:{tool}\" = \"1\"\n");
        fs::write(project.join("devshell.toml"), manifest).unwrap();
        let outcome = sandbox.devsh(&["lock", "--trust", "-C", &format!("../{tool}")]);
        outcome.success();
    }
    let (workers, rounds) = (effort(3, 8), effort(6, 125));
    let done = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|worker| {
                let sandbox = &sandbox;
                scope.spawn(move || work(sandbox, &tools, worker, rounds))
            })
            .collect();
        let mut done: BTreeMap<&str, usize> = BTreeMap::new();
        for thread in threads {
            for operation in thread.join().unwrap() {
                *done.entry(operation).or_default() += 1;
            }
        }
        done
    });
    let total: usize = done.values().sum();
    eprintln!("figure: {total} mixed operations ({done:?}), nothing in use collected");
}

/// Runs commands one after the other, in its own random order.
fn work(sandbox: &Sandbox, tools: &[&str], worker: usize, rounds: usize) -> Vec<&'static str> {
    let mut random = (worker as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut done = Vec::new();
    for _ in 0..rounds {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let tool = tools[(random >> 33) as usize % tools.len()];
        let directory = format!("../{tool}");
        let (name, arguments): (&str, Vec<&str>) = match (random >> 40) % 8 {
            0 | 1 => ("gc", vec!["gc"]),
            2 => ("deny", vec!["deny"]),
            3 => ("allow", vec!["allow"]),
            4 => ("verify", vec!["verify"]),
            // The tool must be there when the command starts and when it ends.
            _ => (
                "run",
                vec![
                    "run",
                    "--locked",
                    "--trust",
                    "--",
                    "sh",
                    "-c",
                    "\"$0\" --version && sleep 0.05 && \"$0\" --version",
                    tool,
                ],
            ),
        };
        let output = start(sandbox, &directory, &arguments)
            .wait_with_output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if matches!(name, "run" | "allow") && !output.status.success() && said.contains("is denied")
        {
            // Another worker denied it.
            done.push("refused");
            continue;
        }
        assert!(output.status.success(), "{name} {tool}: {said}");
        if name == "run" {
            let expected = format!("{tool} 1.0\n{tool} 1.0\n");
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{said}");
        }
        done.push(name);
    }
    done
}
