//! Faults at the prompt: with any fault, the environment and `$?` are unchanged, at most one line is printed, once,
//! and the prompt comes in time.
//!
//! One long-lived host shell goes through all faults. Each strikes twice: before the project is entered, and while it
//! is loaded. Then either the whole environment of the project is loaded or nothing, never a part. Outside, at the end,
//! everything is as at the start.

mod damage;
mod faults;

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use self::faults::{Fault, faults};
use super::effort;
use crate::support::{HostShell, Pty, Sandbox, for_each_shell, sandbox::DEVSH};

type Environment = BTreeMap<Vec<u8>, Vec<u8>>;

const MANIFEST: &str = "[env]\nACTIVE = \"yes\"\nPATH = { prepend = [\"bin\"] }\n\
     [aliases]\nhi = \"echo hi\"\n[hooks]\nenter = \". ../fault\"\n";

/// Variables that the shell itself changes.
const OWN: [&[u8]; 4] = [b"_", b"PWD", b"OLDPWD", b"SHLVL"];

/// A sandbox whose hook runs a program that faults can replace.
struct Case {
    sandbox: Sandbox,
    /// The program of the hook: a script that starts devsh.
    program: PathBuf,
}

/// The state after one prompt.
#[derive(Debug)]
struct Seen {
    status: String,
    environment: Environment,
    /// The lines that were printed before it.
    said: Vec<String>,
}

/// A host shell in which faults happen.
struct Trial<'a> {
    case: &'a Case,
    shell: HostShell,
    pty: Pty,
    outside: Environment,
    inside: Environment,
    /// The lines that are printed without a fault.
    news: Vec<String>,
    /// The time that each prompt took.
    taken: Vec<(Duration, String)>,
}

impl Case {
    fn new() -> Self {
        let sandbox = Sandbox::new().manifest(MANIFEST);
        sandbox.write("../.config/devsh/config.toml", "hook-timeout = 1\n");
        sandbox.write("../fault", "");
        let program = sandbox.program("hooked", &healthy(""));
        sandbox.allow();
        Self { sandbox, program }
    }

    /// The hook with another program.
    fn hook(&self, shell: HostShell) -> String {
        let hook = self.sandbox.hook_that_runs(shell, &self.program);
        let seven = match shell {
            HostShell::Fish => "function seven; return 7; end",
            _ => "seven() { return 7; }",
        };
        format!("{hook}\n{seven}")
    }

    /// Returns a place below the home directory.
    fn home(&self, below: &str) -> PathBuf {
        self.sandbox.home().join(below)
    }
}

/// The program that the hook runs, with something before devsh.
fn healthy(before: &str) -> String {
    format!("#!/bin/sh\n{before}\nexec '{DEVSH}' \"$@\"\n")
}

impl<'a> Trial<'a> {
    fn new(case: &'a Case, shell: HostShell) -> Self {
        let mut this = Self {
            case,
            shell,
            pty: Pty::start(&case.sandbox, shell, &case.hook(shell)),
            outside: Environment::new(),
            inside: Environment::new(),
            news: Vec::new(),
            taken: Vec::new(),
        };
        this.outside = this.leave("").environment;
        let entered = this.enter("");
        (this.inside, this.news) = (entered.environment, entered.said);
        assert!(this.inside.contains_key(&b"ACTIVE"[..]), "{:?}", this.news);
        let left = this.leave("");
        this.news.extend(left.said);
        assert_eq!(left.environment, this.outside);
        this.taken.clear();
        this
    }

    fn enter(&mut self, what: &str) -> Seen {
        let project = self.case.sandbox.project().to_owned();
        let line = format!("cd {} 2>/dev/null", project.display());
        self.step(&line, what)
    }

    fn leave(&mut self, what: &str) -> Seen {
        let line = format!("cd {}", self.case.sandbox.home().display());
        self.step(&line, what)
    }

    /// Runs a line and something that ends with status 7, and looks at what the prompt after it is like.
    fn step(&mut self, line: &str, what: &str) -> Seen {
        let place = self.case.sandbox.root();
        let (script, found) = (place.join("tmp/step"), place.join("tmp/found"));
        fs::write(&script, format!("{line}\nseven\n")).unwrap();
        let begin = Instant::now();
        let shown = self.pty.type_line(&format!(". {}", script.display()));
        self.taken
            .push((begin.elapsed(), format!("{what}: {line}")));
        let status = self.shell.status();
        self.pty.type_line(&format!(
            "/usr/bin/env -0 STATUS={status} >{}",
            found.display()
        ));
        let mut environment = Environment::new();
        for entry in fs::read(&found).unwrap().split(|byte| *byte == 0) {
            if let Some(at) = entry.iter().position(|byte| *byte == b'=') {
                environment.insert(entry[..at].to_vec(), entry[at + 1..].to_vec());
            }
        }
        let status = environment.remove(&b"STATUS"[..]).unwrap();
        // It names the loaded record, which settings can change.
        if let Some(value) = environment.get_mut(&b"DEVSH_DIFF"[..]) {
            value.clear();
        }
        environment.retain(|name, _| !OWN.contains(&name.as_slice()));
        Seen {
            status: String::from_utf8_lossy(&status).into_owned(),
            environment,
            said: said(&shown),
        }
    }

    /// Lets one fault strike before and after the project is entered.
    fn suffer(&mut self, fault: &Fault) {
        let name = &fault.name;
        let shell = self.shell.name();
        // Before.
        (fault.strike)(self.case);
        let entered = self.enter(name);
        self.judge(&entered, fault, "entered");
        if let Some(loads) = fault.loads {
            let loaded = entered.environment == self.inside;
            assert_eq!(
                loaded, loads,
                "{shell}: {name}, entered: {:?}",
                entered.said
            );
        }
        let again = self.step(":", name);
        self.judge(&again, fault, "entered, again");
        let silent = again.said.is_empty() || fault.builds;
        assert!(silent, "{shell}: {name}: said again: {:?}", again.said);
        let left = self.leave(name);
        self.judge(&left, fault, "left");
        (fault.repair)(self.case);
        self.recover(name);
        // While it is loaded.
        let entered = self.enter(name);
        assert!(
            entered.environment == self.inside,
            "{shell}: {name} is not repaired: {:?}",
            entered.said
        );
        (fault.strike)(self.case);
        for _ in 0..2 {
            let stayed = self.step(":", name);
            self.judge(&stayed, fault, "inside");
        }
        let left = self.leave(name);
        self.judge(&left, fault, "inside, left");
        (fault.repair)(self.case);
        self.recover(name);
    }

    /// The environment is the one or the other, the status is kept, and one line is said at most.
    fn judge(&self, seen: &Seen, fault: &Fault, what: &str) {
        let what = format!("{}: {}, {what}", self.shell.name(), fault.name);
        // When a child dies of Ctrl-C, bash is interrupted as well, and that is what `$?` says.
        let interrupted = fault.interrupts && seen.status == "130";
        assert!(seen.status == "7" || interrupted, "{what}: {}", seen.status);
        if seen.environment != self.outside && seen.environment != self.inside {
            let mut names: Vec<&Vec<u8>> = seen.environment.keys().collect();
            names.extend(self.inside.keys());
            names.retain(|name| {
                let value = seen.environment.get(*name);
                value != self.inside.get(*name) || value != self.outside.get(*name)
            });
            let shown = names.iter().map(|name| {
                let value = seen.environment.get(*name);
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                format!("{}={:?}", text(name), value.map(|value| text(value)))
            });
            let shown: Vec<String> = shown.collect();
            panic!("{what}: neither inside nor outside: {shown:#?}");
        }
        let news = |line: &&String| !self.news.contains(line);
        let said: Vec<&String> = seen.said.iter().filter(news).collect();
        assert!(said.len() <= 1, "{what}: {said:#?}");
    }

    /// With the fault repaired the shell outside is what it was at the start.
    fn recover(&mut self, name: &str) {
        self.step("cd /", name);
        let outside = self.leave(name);
        assert!(
            outside.environment == self.outside,
            "{}: {name} leaves something behind: {:?}",
            self.shell.name(),
            outside.said
        );
    }
}

/// Returns the lines that are neither prompts nor what was typed.
fn said(shown: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut characters = shown.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // An escape sequence of the line editor ends with a letter.
            let _sequence = characters.find(|one| one.is_ascii_alphabetic() || *one == '\u{7}');
        } else {
            plain.push(character);
        }
    }
    plain
        .split(['\n', '\r'])
        .map(str::trim)
        // fish draws this if a line has no end.
        .filter(|line| !line.is_empty() && *line != "⏎")
        .filter(|line| !line.contains("<<") && !line.contains("/tmp/step"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn whatever_is_wrong_the_prompt_survives() {
    for_each_shell(|shell| {
        let case = Case::new();
        let mut trial = Trial::new(&case, shell);
        let faults = faults();
        assert!(faults.len() >= 40, "{}", faults.len());
        // In the suite each host shell has its share of them.
        let shares = effort(6, 1);
        let mut count = 0;
        for fault in faults
            .into_iter()
            .skip(shell as usize % shares)
            .step_by(shares)
        {
            let Some(fault) = fault.available() else {
                continue;
            };
            trial.suffer(&fault);
            count += 1;
        }
        trial.taken.sort();
        let within = |part: usize| trial.taken[(trial.taken.len() - 1) * part / 1000].0;
        eprintln!(
            "figure: {count} faults in {}, {} prompts, half within {:?}, 99 of 100 within {:?}, the longest {:?} ({})",
            shell.name(),
            trial.taken.len(),
            within(500),
            within(990),
            within(1000),
            trial.taken[trial.taken.len() - 1].1,
        );
    });
}
