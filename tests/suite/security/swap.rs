//! Every input of an approval is swapped for an unapproved one, between its check and its use.
//!
//! The swap happens at random times while devsh runs, and just before each system call, which is delayed. The swapped
//! input never has an effect: none of its variables is loaded, none of its scripts runs, and the server in its lockfile
//! gets no request.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use super::{effort, so_far};
use crate::{
    reliability::strace,
    support::{Random, Sandbox, Server, pypi::serve_tool, sandbox::DEVSH},
};

const MANIFEST: &str = "extends = [\"./team.toml\"]\n[tools]\nruff = \"0.12\"\n[env]\nMAIN = \"approved\"\n\
     [env-files]\nload = [\".env\"]\noptional = [\".env.local\"]\n[hooks]\nenter = \"export HOOKED=approved\"\n";
const LOCAL: &str = "[env]\nMAIN = \"CANARY\"\n[hooks]\nenter = \"touch $HOME/executed\"\n";
const TEAM: &str = "[env]\nTEAM = \"approved\"\n[hooks]\nenter = \"export TEAMED=approved\"\n";

/// The commands that run while the inputs change.
const COMMANDS: [&[&str]; 4] = [
    &["export", "bash", "--nonce", "1", "--loaded", ""],
    &["--locked", "run", "--", "/usr/bin/env"],
    &["--locked", "export", "json"],
    &["run", "--", "/usr/bin/env"],
];

/// One input: where it is, what was approved, and what is put there instead.
struct Input {
    path: &'static str,
    approved: Option<String>,
    swapped: Option<String>,
}

/// An allowed project, and the inputs that it was made from.
struct Place {
    sandbox: Sandbox,
    good: Server,
    evil: Server,
    inputs: Vec<Input>,
}

impl Place {
    fn new() -> Self {
        let (good, evil) = (Server::start(), Server::start());
        serve_tool(&good, "ruff", &["0.12.4"]);
        let sandbox = Sandbox::new()
            .served_by(&good)
            // On a machine that does much else a script may take long.
            .config("tools-from = \"managed\"\nhook-timeout = 600\n")
            .manifest(MANIFEST);
        sandbox.write("team.toml", TEAM);
        sandbox.write(".approved", "");
        sandbox.write(".env", "DOTTED=approved\n");
        sandbox.allow();
        let lock = fs::read_to_string(sandbox.project().join("devshell.lock")).unwrap();
        let canary = |text: &str| text.replace("approved", "CANARY");
        let code = |text: &str| canary(text).replace("export ", "touch $HOME/executed; export ");
        let input = |path, approved: Option<&str>, swapped: Option<String>| Input {
            path,
            approved: approved.map(str::to_owned),
            swapped,
        };
        let inputs = vec![
            input("devshell.toml", Some(MANIFEST), Some(code(MANIFEST))),
            input("devshell.local.toml", None, Some(LOCAL.to_owned())),
            input("team.toml", Some(TEAM), Some(code(TEAM))),
            input(
                ".env",
                Some("DOTTED=approved\n"),
                Some("DOTTED=CANARY\n".to_owned()),
            ),
            input(".env.local", None, Some("MORE=CANARY\n".to_owned())),
            input(
                "devshell.lock",
                Some(&lock),
                Some(lock.replace(good.address(), evil.address())),
            ),
            // The whole directory.
            input("", None, None),
        ];
        let twin = sandbox.home().join("twin");
        fs::create_dir(&twin).unwrap();
        fs::write(twin.join("devshell.toml"), code(MANIFEST)).unwrap();
        fs::write(twin.join("team.toml"), code(TEAM)).unwrap();
        fs::write(twin.join(".env"), "DOTTED=CANARY\n").unwrap();
        let _building = good.requests();
        Self {
            sandbox,
            good,
            evil,
            inputs,
        }
    }

    /// Puts an input, or what is not approved, in its place; at once, or as an editor that writes in place does.
    fn put(&self, input: &Input, approved: bool, in_place: bool) {
        let home = self.sandbox.home();
        if input.path.is_empty() {
            let (project, twin, aside) =
                (home.join("project"), home.join("twin"), home.join("aside"));
            let is_approved = project.join(".approved").exists();
            if approved != is_approved {
                let (leaves, comes) = if approved {
                    (&twin, &aside)
                } else {
                    (&aside, &twin)
                };
                fs::rename(&project, leaves).unwrap();
                fs::rename(comes, &project).unwrap();
            }
            return;
        }
        let path = home.join("project").join(input.path);
        match if approved {
            &input.approved
        } else {
            &input.swapped
        } {
            Some(content) if in_place => fs::write(&path, content).unwrap(),
            Some(content) => {
                let other = home.join("project/.other");
                fs::write(&other, content).unwrap();
                fs::rename(&other, &path).unwrap();
            }
            None => drop(fs::remove_file(&path)),
        }
    }

    /// Forgets what makes activations warm: the next one reads every input.
    fn forget(&self) {
        let _absent = fs::remove_dir_all(self.sandbox.home().join(".local/state/devsh/projects"));
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.sandbox.command(program);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Asserts that the swapped input had no effect; returns whether the approved one had.
    #[track_caller]
    fn judge(&self, output: &Output, what: &str) -> bool {
        let out = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!out.contains("CANARY"), "{what}: {out}\n{said}");
        assert!(!said.contains("panicked"), "{what}: {said}");
        let executed = self.sandbox.home().join("executed");
        assert!(!executed.exists(), "{what}: a script ran\n{said}");
        assert_eq!(self.evil.requests(), [""; 0], "{what}: {said}");
        let loaded = out.contains("approved");
        if loaded {
            // All of it or nothing: no mixture of two states.
            for name in ["MAIN", "TEAM", "DOTTED", "HOOKED", "TEAMED"] {
                assert!(out.contains(name), "{what}: {name} is missing\n{out}");
            }
        }
        loaded
    }
}

#[test]
fn random_swaps_between_check_and_use_have_no_effect() {
    let place = Place::new();
    let (mut loaded, rounds) = (0, effort(80, 10_000));
    for seed in 0..rounds {
        so_far(seed, "races");
        let mut random = Random::new(seed as u64);
        let input = &place.inputs[seed % place.inputs.len()];
        let command = COMMANDS[random.below(COMMANDS.len())];
        // Only these commands do not lock again: they refuse a lockfile with another server.
        let command = if input.path == "devshell.lock" {
            COMMANDS[1]
        } else {
            command
        };
        if random.below(2) == 0 {
            place.forget();
        }
        let over = AtomicBool::new(false);
        let output = thread::scope(|scope| {
            scope.spawn(|| {
                let mut approved = true;
                let in_place = random.below(4) == 0;
                while !over.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_micros(random.below(3000) as u64));
                    approved = !approved;
                    place.put(input, approved, in_place);
                }
                place.put(input, true, false);
            });
            let mut process = place.command(DEVSH);
            process.args(command);
            // While one directory is put in the place of the other there is none to start in.
            let output = loop {
                match process.output() {
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    output => break output,
                }
            };
            over.store(true, Ordering::SeqCst);
            output.unwrap()
        });
        let what = format!("{seed}: {} during {command:?}", input.path);
        loaded += usize::from(place.judge(&output, &what));
    }
    drop(place.good);
    eprintln!("figure: {rounds} races, approved content loaded in {loaded}, nothing else used");
    assert!(loaded > rounds / 20, "only {loaded} of {rounds} loaded");
    assert!(loaded < rounds, "no race was ever lost");
}

/// Calls between which what is looked at can become something else.
const CALLS: [&str; 4] = ["openat", "read", "statx", "close"];

#[test]
fn swaps_at_any_system_call_have_no_effect() {
    let Some(program) = strace::strace() else {
        return;
    };
    let place = Place::new();
    let mut cases = Vec::new();
    for command in [COMMANDS[0], COMMANDS[1]] {
        place.forget();
        let mut counts = strace::count(&program, &place.sandbox, command);
        counts.retain(|call, _| CALLS.contains(&call.as_str()));
        for (call, nth) in strace::points(&counts, usize::MAX) {
            for input in &place.inputs {
                // Approved first and swapped then, and the other way round.
                cases.extend([true, false].map(|first| (command, call.clone(), nth, input, first)));
            }
        }
    }
    let step = cases.len().div_ceil(effort(16, cases.len()));
    let (mut points, mut loaded) = (0, 0);
    for (command, call, nth, input, approved_first) in cases.into_iter().step_by(step) {
        so_far(points, "delayed calls");
        points += 1;
        place.forget();
        place.put(input, approved_first, false);
        let delayed = Delayed {
            strace: &program,
            call: &call,
            nth,
        };
        let output = delayed.run(&place, command, || place.put(input, !approved_first, false));
        place.put(input, true, false);
        let what = format!("{} at {call} {nth} of {command:?}", input.path);
        loaded += usize::from(place.judge(&output, &what));
    }
    eprintln!(
        "figure: {points} delayed calls, approved content loaded in {loaded}, nothing else used"
    );
    assert!(loaded > 0);
}

/// A run of devsh of which one system call waits.
struct Delayed<'a> {
    strace: &'a Path,
    call: &'a str,
    nth: usize,
}

impl Delayed<'_> {
    /// Runs devsh and calls `swap` while it waits.
    fn run(&self, place: &Place, arguments: &[&str], swap: impl FnOnce()) -> Output {
        const DELAY: &str = "25000";
        let Self { call, nth, .. } = self;
        let log: PathBuf = place.sandbox.root().join("tmp/delayed");
        let _absent = fs::remove_file(&log);
        let mut child = place
            .command(self.strace)
            .args(["-qq", "-e", &format!("trace={call}"), "-o"])
            .arg(&log)
            .args([
                "-e",
                &format!("inject={call}:delay_enter={DELAY}:when={nth}"),
            ])
            .arg(DEVSH)
            .args(arguments)
            .spawn()
            .unwrap();
        // A call is logged when it begins.
        let waits = |log: &Path| {
            let begun = |text: String| text.lines().filter(|line| line.starts_with(call)).count();
            fs::read_to_string(log).is_ok_and(|text| begun(text) >= *nth)
        };
        while !waits(&log) && matches!(child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_micros(300));
        }
        swap();
        child.wait_with_output().unwrap()
    }
}
