//! `devsh export` without a hook: for non-interactive shells, editors, files and CI services.

use std::{fs, os::unix::ffi::OsStrExt};

use serde_json::Value;

use crate::support::{HostShell, Sandbox, for_each_shell, sandbox::DEVSH};

/// A value with every character that a format must quote.
const ODD: &str = "a 'b' \"c\" $d `e` \\f\ng=h #i";

const MANIFEST: &str = "[env]\nACTIVE = \"yes\"\nODD = '''a 'b' \"c\" $d `e` \\f\ng=h #i'''\n\
     GONE = { unset = true }\nPATH = { prepend = [\"./one\", \"./two\"] }\n\
     [hooks]\nenter = \"export ENTERED=1; echo entered >> $HOME/entered\"\n\
     [shells.test.env]\nTESTED = \"yes\"\n";

fn prepared() -> Sandbox {
    let sandbox = Sandbox::new().env("GONE", "here").manifest(MANIFEST);
    sandbox.allow();
    sandbox
}

#[test]
fn json_has_only_changed_variables() {
    let sandbox = prepared();
    let json = |arguments: &[&str]| -> Value {
        let mut command = sandbox.command(DEVSH);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let object = json(&["export", "json"]);
    assert_eq!(object["ACTIVE"], "yes");
    assert_eq!(object["ODD"], ODD);
    assert_eq!(object["ENTERED"], "1");
    assert_eq!(object["GONE"], Value::Null);
    assert!(object.as_object().unwrap().contains_key("GONE"));
    let path = object["PATH"].as_str().unwrap();
    let one = sandbox.project().join("one");
    assert!(path.starts_with(one.to_str().unwrap()), "{path}");
    assert!(path.ends_with(":/usr/bin:/bin"), "{path}");
    assert_eq!(object["DEVSH_SHELL"], "dev");
    assert_eq!(object.get("HOME"), None, "what stays is not told");
    assert_eq!(
        json(&["export", "json", "--shell", "test"])["TESTED"],
        "yes"
    );
    // In an editor with the loaded environment nothing changes.
    let loaded = ["run", "--", DEVSH, "export", "json", "--no-wait"];
    assert_eq!(json(&loaded), serde_json::json!({}));
}

#[test]
fn a_shell_without_a_prompt_gets_it_from_one_line() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let name = shell.name();
        let line = match shell {
            HostShell::Fish => "devsh export fish | source".to_owned(),
            _ => format!("eval \"$(devsh export {name})\""),
        };
        let script = format!("{line}; printf '%s|' \"$ACTIVE\" \"$ODD\" \"${{GONE-unset}}\"");
        let script = match shell {
            HostShell::Fish => {
                format!("{line}; set -q GONE; or set GONE unset; printf '%s|' $ACTIVE $ODD $GONE")
            }
            _ => script,
        };
        let outcome = sandbox.outcome(sandbox.command(name).arg("-c").arg(&script));
        assert_eq!(outcome.success().stdout, format!("yes|{ODD}|unset|"));
    });
}

#[test]
fn code_that_was_cut_short_does_nothing() {
    for_each_shell(|shell| {
        let sandbox = prepared();
        let mut command = sandbox.command(DEVSH);
        let code = command
            .args(["export", shell.name()])
            .output()
            .unwrap()
            .stdout;
        for part in 1..10 {
            let cut = &code[..code.len() * part / 10];
            let script = sandbox.root().join("cut");
            fs::write(&script, cut).unwrap();
            let probe = match shell {
                HostShell::Fish => "cat ../../cut | source; set -q ACTIVE; and echo loaded",
                _ => "eval \"$(cat ../../cut)\"; echo ${ACTIVE:+loaded}",
            };
            let outcome = sandbox.outcome(sandbox.command(shell.name()).arg("-c").arg(probe));
            assert!(!outcome.stdout.contains("loaded"), "{part}: {outcome}");
        }
    });
}

/// Returns a sandbox whose bash and zsh start with the recipe of `docs/guide/editors.md`.
fn with_start_files(sandbox: Sandbox) -> Sandbox {
    let home = sandbox.home();
    fs::create_dir_all(home.join(".config/devsh")).unwrap();
    let start = home.join(".config/devsh/env.bash");
    fs::write(&start, "eval \"$(devsh export bash --no-wait)\"\n").unwrap();
    fs::write(
        home.join(".zshenv"),
        "eval \"$(devsh export zsh --no-wait)\"\n",
    )
    .unwrap();
    let config = home.join(".config/fish/config.fish");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(config, "devsh export fish --no-wait | source\n").unwrap();
    sandbox.env("BASH_ENV", start)
}

#[test]
fn tools_that_run_a_shell_for_each_command_are_in_the_project() {
    for_each_shell(|shell| {
        let sandbox = with_start_files(prepared());
        let run = |directory: &std::path::Path, line: &str| {
            let mut command = sandbox.command(shell.name());
            command.arg("-c").arg(line).current_dir(directory);
            let outcome = sandbox.outcome(&mut command).success();
            assert_eq!(outcome.stderr, "", "{outcome}");
            outcome.stdout
        };
        let entered = sandbox.home().join("entered");
        fs::write(&entered, "").unwrap();
        assert_eq!(run(sandbox.project(), "echo $ACTIVE"), "yes\n");
        let count = || fs::read_to_string(&entered).unwrap().lines().count();
        assert_eq!(
            count(),
            1,
            "the enter script runs once and starts no circle"
        );
        assert_eq!(run(&sandbox.home(), "echo $ACTIVE"), "\n");
        // A shell inside another one has inherited it.
        let inner = format!("{} -c 'echo $ACTIVE'", shell.name());
        assert_eq!(run(sandbox.project(), &inner), "yes\n");
        assert_eq!(count(), 2);
        // A shell that starts inside and changes the directory first is outside.
        let outside = format!("cd ..; {} -c 'echo \"<$ACTIVE>\"'", shell.name());
        assert_eq!(run(sandbox.project(), &outside), "<>\n");
    });
}

#[test]
fn start_files_never_fail_and_never_load_unapproved_projects() {
    for_each_shell(|shell| {
        let sandbox = with_start_files(Sandbox::new().manifest(MANIFEST));
        let probe = || {
            let mut command = sandbox.command(shell.name());
            let outcome = sandbox.outcome(command.arg("-c").arg("echo \"[$ACTIVE]\""));
            let outcome = outcome.success();
            assert_eq!((&*outcome.stdout, &*outcome.stderr), ("[]\n", ""));
        };
        probe();
        sandbox.write("devshell.toml", "[broken");
        probe();
    });
}

#[test]
fn a_waiting_export_reports_the_error() {
    let sandbox = Sandbox::new().manifest(MANIFEST);
    sandbox
        .devsh(&["export", "json"])
        .code(3)
        .error(&["not allowed", "`devsh allow`"]);
    sandbox.devsh(&["export", "json", "--trust"]).success();
    sandbox.devsh(&["export", "xml"]).code(2);
    let empty = Sandbox::new();
    let outcome = empty.devsh(&["export", "bash"]).code(1);
    assert_eq!(outcome.error(&["no project"]).stdout, "");
}

#[test]
fn a_dotenv_file_is_the_same_inside_and_outside() {
    let sandbox = prepared();
    let refused = sandbox.devsh(&["export", "dotenv"]).code(1);
    refused.error(&["`ODD` has a backtick, and a quote"]);
    sandbox.write("devshell.toml", MANIFEST.replace('`', ""));
    sandbox.allow();
    let outside = sandbox.devsh(&["export", "dotenv"]).success();
    let warning = "warning: `GONE` is unset in the dev shell, which this format cannot express\n";
    assert_eq!(outside.stderr, warning);
    let inside = sandbox.devsh(&["run", "--", DEVSH, "export", "dotenv"]);
    let inside = inside.success();
    assert_eq!(inside.stdout, outside.stdout);
    let read = dotenvy::from_read_iter(outside.stdout.as_bytes());
    let read: std::collections::BTreeMap<String, String> = read.map(Result::unwrap).collect();
    assert_eq!(read["ODD"], ODD.replace('`', ""));
    assert_eq!(read["ACTIVE"], "yes");
    assert!(!read.contains_key("DEVSH_DIFF"));
}

#[test]
fn a_github_step_writes_its_two_files() {
    let sandbox = prepared();
    sandbox
        .devsh(&["export", "github"])
        .code(1)
        .error(&["`GITHUB_PATH` is not set", "devsh export dotenv"]);
    let (env, path) = (sandbox.root().join("env"), sandbox.root().join("path"));
    fs::write(&env, "EARLIER=1\n").unwrap();
    let sandbox = sandbox.env("GITHUB_ENV", &env).env("GITHUB_PATH", &path);
    let outcome = sandbox.devsh(&["export", "github"]).success();
    assert_eq!(outcome.stdout, "");
    let text = fs::read_to_string(&env).unwrap();
    assert!(text.starts_with("EARLIER=1\n"), "{text}");
    assert!(text.contains("ACTIVE<<devsh_"), "{text}");
    assert!(text.contains(&format!("\n{ODD}\ndevsh_")), "{text}");
    assert!(
        !text.contains("PATH<<") && !text.contains("DEVSH_DIFF"),
        "{text}"
    );
    // The runner prepends each line, so the last one comes first.
    let entries = fs::read_to_string(&path).unwrap();
    let entries: Vec<_> = entries.lines().rev().collect();
    assert_eq!(entries.len(), 3, "{entries:?}");
    assert_eq!(entries[0], sandbox.project().join("one").to_str().unwrap());
    assert_eq!(entries[1], sandbox.project().join("two").to_str().unwrap());
    assert!(entries[2].ends_with("/bin"), "{entries:?}");
}

#[test]
fn a_gitlab_report_names_unsupported_values() {
    let sandbox = prepared();
    sandbox
        .devsh(&["export", "gitlab"])
        .code(1)
        .error(&["`ODD` has a line break", "devsh export bash"]);
    let sandbox = Sandbox::new().manifest("[env]\nACTIVE = \"it is\"\n");
    sandbox.allow();
    let outcome = sandbox.devsh(&["export", "gitlab"]).success();
    assert!(
        outcome.stdout.starts_with("ACTIVE=it is\nPATH="),
        "{outcome}"
    );
}

#[test]
fn bytes_that_are_no_text_are_refused_where_text_is_needed() {
    let mut path = b"/caf\xe9:".to_vec();
    path.extend_from_slice(b"/usr/bin:/bin");
    let sandbox = Sandbox::new().manifest("[env]\nACTIVE = \"yes\"\n");
    sandbox.allow();
    let sandbox = sandbox.env("PATH", std::ffi::OsStr::from_bytes(&path));
    for format in ["json", "dotenv", "gitlab"] {
        sandbox
            .devsh(&["export", format])
            .code(1)
            .error(&["`PATH` is not UTF-8 text", "`devsh export bash`"]);
    }
    let output = sandbox.command(DEVSH).args(["export", "bash"]).output();
    let code = output.unwrap().stdout;
    assert!(code.windows(5).any(|window| window == b"caf\xe9:"));
}

#[test]
fn a_pure_command_sees_little_of_the_host() {
    let sandbox = prepared()
        .env("SECRET", "s")
        .env("TOKEN", "t")
        .env("LC_TIME", "C");
    let names = |arguments: &[&str]| {
        let outcome = sandbox.devsh(arguments).success();
        let names = outcome
            .stdout
            .lines()
            .filter_map(|line| line.split_once('='));
        let names: Vec<String> = names.map(|(name, _)| name.to_owned()).collect();
        names
    };
    let pure = names(&["run", "--pure", "--", "env"]);
    for name in ["HOME", "PATH", "ACTIVE", "ENTERED", "LC_TIME", "TERM"] {
        assert!(pure.contains(&name.to_owned()), "{name}: {pure:?}");
    }
    for name in ["SECRET", "TOKEN", "GONE", "XDG_DATA_HOME"] {
        assert!(!pure.contains(&name.to_owned()), "{name}: {pure:?}");
    }
    let kept = names(&["run", "--pure", "--keep", "TOKEN", "--", "env"]);
    assert!(kept.contains(&"TOKEN".to_owned()), "{kept:?}");
    let path = sandbox.devsh(&["run", "--pure", "--", "sh", "-c", "echo $PATH"]);
    let path = path.success().stdout;
    assert!(path.ends_with(":/usr/bin:/bin:/usr/sbin:/sbin\n"), "{path}");
    sandbox
        .devsh(&["run", "--keep", "TOKEN", "--", "env"])
        .code(125);
    sandbox
        .devsh(&["run", "--pure", "--", "sh", "-c", "exit 7"])
        .code(7);
}
