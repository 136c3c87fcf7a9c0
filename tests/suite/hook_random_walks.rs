//! Activation as a state machine: random walks of a user through projects, with the expected state after each.
//!
//! One long-lived host shell does all walks, its prompts called by the script. A walk goes in and out of
//! projects, nested and next to each other, some of which are edited and allowed again during the walk. The user
//! changes variables (empty, unset, any bytes), lists, `PATH`, functions and aliases on the way. After each walk the
//! user's changes are still there, and everything else is as at the start.
//!
//! `DEVSH_TEST_WALKS=10000 cargo test --test suite hook_random_walks` is the long form; `DEVSH_TEST_SEED` repeats one.

use std::{fmt::Write, fs, path::Path};

use crate::support::{HostShell, Pty, Sandbox, for_each_shell, sandbox::write};

/// Walks of the short form, in each host shell.
const WALKS: usize = 40;
/// Walks between two checks of the results.
const BATCH: usize = 5;

/// Projects below the home directory: path, manifest, and which of the user's variables it changes.
const PROJECTS: [(&str, &str, &[&str]); 5] = [
    (
        "one",
        "[env]\nA = \"one's\"\nB = \"one's\"\nD = \"one's\"\nEDIT = \"0\"\nPATH = { prepend = [\"bin\"] }\n[aliases]\nhi = \"echo one\"\n",
        &["A", "B", "D"],
    ),
    (
        "one/inner",
        "[env]\nB = \"inner's\"\nC = \"inner's\"\nNEW = \"\"\nD = { default = \"inner's\" }\nEDIT = \"0\"\n[aliases]\nhi = \"echo inner\"\nt = \"true\"\n",
        &["B", "C"],
    ),
    (
        "two",
        "[env]\nA = { unset = true }\nC = { default = \"two's\" }\nEDIT = \"0\"\nPATH = { append = [\"bin\"], prepend = [\"x y\"] }\n[aliases]\nf = \"echo two\"\n",
        &["A", "C"],
    ),
    (
        "two/hooked",
        "[env]\nB = \"hooked\"\nEDIT = \"0\"\n[hooks]\nenter = \"export A=hook NEW=2 PATH=$PATH:/hooked\"\nleave = \"true\"\n",
        &["A", "B"],
    ),
    ("sourced", SOURCED, &["A"]),
];

/// The common part of the scripts for bash and zsh.
macro_rules! posix {
    () => {
        "function f { echo sourced; }
function g { echo more; }
alias hi='echo sourced' more=true
export A=sourced NEW=1 PATH=$PATH:/sourced
PLAIN=1 LIST=(1 2)
cd /
"
    };
}

/// Adds one script for each host shell.
const SOURCED: &str = concat!(
    "[env]
EDIT = \"0\"
[grants]
source = [\"bash\", \"zsh\", \"fish\"]
[hooks.source]
bash = '''
shopt -s globstar
",
    posix!(),
    "'''
zsh = '''
setopt extended_glob
",
    posix!(),
    "'''
fish = '''
function f; echo sourced; end
function g; echo more; end
function hi; echo sourced; end
set -gx A sourced
set -gx NEW 1
set -gx PATH $PATH /sourced
set -g PLAIN 1
set -g LIST 1 2
cd /
'''
"
);

/// A sequence of numbers that a seed repeats (Marsaglia's xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % limit
    }
}

/// The user's own state, as far as a walk changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Own {
    a: String,
    b: String,
    /// True if `B` is exported, which it is not at the start.
    b_exported: bool,
    path: String,
    hi: String,
    /// `C`, a list that is not exported.
    c: String,
    /// `D` in hexadecimal; unset at the start.
    d: Option<&'static str>,
    /// The output of the function `f`.
    f: String,
}

impl Own {
    fn new(path: &str) -> Self {
        Self {
            a: "host's".to_owned(),
            b: "host's".to_owned(),
            b_exported: false,
            path: path.to_owned(),
            hi: "host".to_owned(),
            c: "1 b c ".to_owned(),
            d: None,
            f: "host".to_owned(),
        }
    }

    /// Returns the expected output of `report`.
    fn report(&self) -> String {
        let exported = if self.b_exported { &self.b } else { "" };
        format!(
            "A={}\nB={}\nexported={exported}\nPATH={}\nhi={}\nC={}\nD={}\nf={}\n",
            self.a,
            self.b,
            self.path,
            self.hi,
            self.c,
            self.d.unwrap_or("unset"),
            self.f
        )
    }
}

/// Returns the script that gives the shell its start state and the functions that walks use.
fn prologue(shell: HostShell) -> &'static str {
    match shell {
        HostShell::Bash => {
            "prompt() { local each; for each in \"${PROMPT_COMMAND[@]}\"; do eval \"$each\"; done; }\n\
             reset() { unset A B C D; export A=\"host's\"; B=\"host's\"; C=(1 'b c' ''); PATH=$START; alias hi='echo host'; function f { echo host; }; }\n\
             report() { echo \"A=$A\"; echo \"B=$B\"; echo \"exported=$(printenv B)\"; echo \"PATH=$PATH\"; eval 'echo hi=$(hi)'; \
             echo \"C=${C[*]}\"; bytes; eval 'echo f=$(f)'; }\n\
             bytes() { if printenv D >/dev/null; then echo \"D=$(printenv D | od -An -tx1 | tr -d ' \\n')\"; else echo D=unset; fi; }\n\
             state() { declare -p A B C D PATH; declare -f f; alias -p; trap -p EXIT; env | sort; compgen -v; compgen -A function | command grep -v ^__devsh_fresh_; shopt -p; set +o; }\n\
             START=$PATH; shopt -s expand_aliases; reset\n"
        }
        HostShell::Zsh => {
            "prompt() { local each; for each in $precmd_functions; do $each; done; }\n\
             reset() { unset A B C D; export A=\"host's\"; typeset -g B=\"host's\"; typeset -ga C=(1 'b c' ''); PATH=$START; alias hi='echo host'; function f { echo host; }; }\n\
             report() { echo \"A=$A\"; echo \"B=$B\"; echo \"exported=$(printenv B)\"; echo \"PATH=$PATH\"; eval 'echo hi=$(hi)'; \
             echo \"C=${C[*]}\"; bytes; eval 'echo f=$(f)'; }\n\
             bytes() { if printenv D >/dev/null; then echo \"D=$(printenv D | od -An -tx1 | tr -d ' \\n')\"; else echo D=unset; fi; }\n\
             state() { typeset -p A B C D PATH; functions f; alias -L; env | sort; print -rl -- ${(ko)parameters:#__devsh_*} ${(ko)functions:#__devsh_*}; setopt; }\n\
             START=$PATH; reset\n"
        }
        HostShell::Fish => {
            "function prompt; emit fish_prompt; end\n\
             function reset; set -eg A B C D; set -gx A \"host's\"; set -g B \"host's\"; set -g C 1 'b c' ''; set -gx PATH $START; function hi; echo host; end; function f; echo host; end; end\n\
             function bytes; if printenv D >/dev/null; echo D=(printenv D | od -An -tx1 | tr -d ' \\n'); else; echo D=unset; end; end\n\
             function report; echo \"A=$A\"; echo \"B=$B\"; printenv B | read -l e; echo \"exported=$e\"; echo \"PATH=$PATH\"; echo hi=(hi); echo \"C=$C\"; bytes; echo f=(f); end\n\
             function state; set -S A B C D PATH; env | sort; set --names | string match -v -r '^(__devsh_.*|_|OLDPWD|dirprev|dirnext|__fish_.*)$'; functions --all --names | string match -v '__devsh_*'; functions hi f; end\n\
             set -g START $PATH; reset\n"
        }
    }
}

/// Returns a line that changes a variable, and records the expected value.
fn variable(
    shell: HostShell,
    chance: &mut Chance,
    step: usize,
    own: &mut Own,
    inside: &[&str],
) -> String {
    match chance.below(6) {
        0 => {
            own.a = format!("a{step}");
            shell.export("A", &own.a)
        }
        1 => {
            own.b = format!("b{step}");
            own.b_exported |= inside.contains(&"B");
            match shell {
                HostShell::Fish => format!("set -g B {}", own.b),
                _ => format!("B={}", own.b),
            }
        }
        2 => {
            own.path.extend([":/user/", &step.to_string()]);
            match shell {
                HostShell::Fish => format!("set -gx PATH $PATH /user/{step}"),
                _ => format!("PATH=$PATH:/user/{step}"),
            }
        }
        // A list stays a list, unless a project has replaced it by a text.
        3 if !inside.contains(&"C") => {
            own.c = format!("x {step}");
            match shell {
                HostShell::Fish => format!("set -g C x {step}"),
                _ => format!("C=(x {step})"),
            }
        }
        3 | 4 => {
            let (bytes, hex) =
                [("", "0a"), ("\\xff\\xfe", "fffe0a"), ("d e", "6420650a")][chance.below(3)];
            own.d = Some(hex);
            match shell {
                HostShell::Fish if bytes.starts_with('\\') => format!("set -gx D {bytes}"),
                HostShell::Fish => format!("set -gx D '{bytes}'"),
                _ => format!("export D=$'{bytes}'"),
            }
        }
        _ => {
            own.d = None;
            match shell {
                HostShell::Fish => "set -eg D".to_owned(),
                _ => "unset D".to_owned(),
            }
        }
    }
}

/// Returns a line that defines an alias or a function, and records its output.
fn definition(shell: HostShell, chance: &mut Chance, step: usize, own: &mut Own) -> String {
    let (name, text) = if chance.below(2) == 0 {
        own.hi = format!("user{step}");
        ("hi", &own.hi)
    } else {
        own.f = format!("user{step}");
        ("f", &own.f)
    };
    match shell {
        HostShell::Fish => format!("function {name}; echo {text}; end"),
        _ if name == "hi" => format!("alias hi='echo {text}'"),
        // An alias with the same name would hide the function.
        _ => format!("function f {{ echo {text}; }}"),
    }
}

/// Writes one walk and returns the user's state at its end.
fn walk(
    shell: HostShell,
    home: &Path,
    chance: &mut Chance,
    start: &Own,
    script: &mut String,
) -> Own {
    let quoted = |path: &Path| shell.quoted(path.to_str().unwrap());
    let mut own = start.clone();
    let mut inside: &[&str] = &[];
    for step in 0..4 + chance.below(6) {
        let line = match chance.below(24) {
            0..9 => variable(shell, chance, step, &mut own, inside),
            9..13 => definition(shell, chance, step, &mut own),
            13 => {
                // An edit that is allowed immediately; the shell notices it in any directory.
                let (path, ..) = PROJECTS[chance.below(PROJECTS.len())];
                let root = quoted(&home.join(path));
                let manifest = quoted(&home.join(path).join("devshell.toml"));
                let number = chance.below(1000);
                format!(
                    "command sed -i 's/^EDIT = .*/EDIT = \"{number}\"/' {manifest}; command devsh -q -C {root} allow"
                )
            }
            _ => {
                let goal = PROJECTS.get(chance.below(PROJECTS.len() + 2));
                inside = goal.map_or(&[], |(_, _, changes)| changes);
                let path = goal.map_or(home.to_owned(), |(path, ..)| home.join(path));
                format!("cd {}", quoted(&path))
            }
        };
        writeln!(script, "{line}\nprompt").unwrap();
    }
    writeln!(script, "cd {}\nprompt", quoted(home)).unwrap();
    own
}

/// Returns a state without the parts that each `cd` and each command change.
fn settled(state: &str) -> String {
    let lines = state.lines().filter(|line| {
        !line.starts_with("OLDPWD") && !line.starts_with("_=") && !line.starts_with("SHLVL")
    });
    lines.fold(String::new(), |text, line| text + line + "\n")
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn after_any_walk_everything_is_as_it_was() {
    let walks = number("DEVSH_TEST_WALKS").map_or(WALKS, |walks| usize::try_from(walks).unwrap());
    for_each_shell(|shell| {
        let sandbox = Sandbox::new();
        for (path, manifest, _) in PROJECTS {
            let root = sandbox.home().join(path);
            write(&root.join("devshell.toml"), manifest.as_bytes());
            sandbox
                .outcome(sandbox.command("devsh").arg("allow").current_dir(root))
                .success();
        }
        let mut pty = Pty::start(&sandbox, shell, &shell.hook_line());
        let out = sandbox.root().join("out");
        let file = shell.quoted(out.to_str().unwrap());
        pty.run(prologue(shell).trim_end());
        pty.run(&format!("reset; prompt; state >{file} 2>&1"));
        let start_state = settled(&fs::read_to_string(&out).unwrap());
        let start = Own::new(&pty.var("PATH").unwrap());
        let seed = number("DEVSH_TEST_SEED").unwrap_or(0x9e37_79b9_7f4a_7c15);
        let mut chance = Chance(seed.max(1));
        let mut done = 0;
        while done < walks {
            let mut expected = Vec::new();
            let mut script = format!("command rm -f {file}\n");
            let mut texts = Vec::new();
            for _ in 0..BATCH.min(walks - done) {
                let from = script.len();
                expected.push(walk(
                    shell,
                    &sandbox.home(),
                    &mut chance,
                    &start,
                    &mut script,
                ));
                texts.push(script[from..].to_owned());
                writeln!(
                    script,
                    "report >>{file} 2>&1\nreset\necho '==' >>{file}\nstate >>{file} 2>&1\necho '====' >>{file}"
                )
                .unwrap();
            }
            pty.run(script.trim_end());
            let all = fs::read_to_string(&out).unwrap();
            let mut results = all.split("====\n");
            for (own, text) in expected.iter().zip(&texts) {
                let (report, state) = results.next().unwrap().split_once("==\n").unwrap();
                let state = settled(state);
                assert_eq!(report, own.report(), "after the walk\n{text}");
                let differs = state
                    .lines()
                    .filter(|line| !start_state.contains(*line))
                    .chain(start_state.lines().filter(|line| !state.contains(*line)))
                    .collect::<Vec<_>>();
                assert!(state == start_state, "{differs:#?} after the walk\n{text}");
            }
            done += expected.len();
        }
        eprintln!("{}: {done} walks", shell.name());
    });
}
