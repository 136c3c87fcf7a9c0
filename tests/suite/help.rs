//! `devsh help`, `devsh version`, and wrong command lines.

use crate::support::Sandbox;

#[test]
fn help_shows_the_overview_commands_and_topics() {
    let sandbox = Sandbox::new().env("COLUMNS", "80");
    let overview = sandbox.devsh(&["help"]).success().stdout;
    assert_eq!(overview, sandbox.devsh(&["--help"]).success().stdout);
    let run = sandbox.devsh(&["help", "run"]).success().stdout;
    assert!(run.contains("\nExample:\n  devsh run "), "{run}");
    let topics = sandbox.devsh(&["help", "topics"]).success().stdout;
    for line in topics.lines() {
        let (name, title) = line.split_once("  ").unwrap();
        let page = sandbox.devsh(&["help", name]).success().stdout;
        let title = format!("{}\n", title.trim_start());
        assert!(page.contains(&title), "{name}: {page}");
        // Links need a viewer of Markdown.
        assert!(
            !page.contains(".md)") && !page.contains(".md#"),
            "{name}: {page}"
        );
    }
    assert!(topics.contains("manifest  "), "{topics}");
    let hint = "hint: did you mean `devsh help manifest`?";
    sandbox.devsh(&["help", "manifst"]).code(2).error(&[hint]);
    let version = sandbox.devsh(&["version"]).success().stdout;
    assert_eq!(version, sandbox.devsh(&["--version"]).success().stdout);
}

#[test]
fn a_wrong_command_line_is_an_error_with_one_hint() {
    let sandbox = Sandbox::new();
    for (line, error, hint) in [
        (
            "foo",
            "there is no command `foo`",
            "`devsh help` lists the commands",
        ),
        (
            "stauts",
            "there is no command `stauts`",
            "did you mean `status`?",
        ),
        (
            "exec ls",
            "there is no command `exec`",
            "use `devsh run -- COMMAND`",
        ),
        (
            "cache gc",
            "`devsh cache` has no command `gc`",
            "its commands are `push`, `export`, `list`, `info`, `verify`, `key`",
        ),
        (
            "image bild",
            "`devsh image` has no command `bild`",
            "did you mean `devsh image build`?",
        ),
        (
            "sync --lock",
            "there is no option `--lock`",
            "did you mean `--locked`?",
        ),
        (
            "status more",
            "`more` is one word too many",
            "write `devsh status [OPTIONS]`",
        ),
        (
            "hook",
            "`<HOST_SHELL>` is missing",
            "write `devsh hook <HOST_SHELL>`",
        ),
        (
            "hook tcsh",
            "`tcsh` is not a value of `<HOST_SHELL>`",
            "`devsh help hook` has an example",
        ),
        (
            "gc --older-than",
            "`--older-than <SPAN>` needs a value",
            "`devsh help gc` has an example",
        ),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let outcome = sandbox.devsh(&words).code(2);
        assert!(
            outcome.stderr.starts_with(&format!("error: {error}\n")),
            "{outcome}"
        );
        assert!(
            outcome.stderr.ends_with(&format!("hint: {hint}\n")),
            "{outcome}"
        );
        assert_eq!(outcome.stderr.matches("hint: ").count(), 1, "{outcome}");
    }
}

#[test]
fn options_are_listed_only_where_they_apply() {
    let sandbox = Sandbox::new();
    let help = |name: &str| sandbox.devsh(&["help", name]).success().stdout;
    for (name, locked, offline) in [
        ("sync", true, true),
        ("allow", true, true),
        ("search", false, true),
        ("man", false, false),
        ("du", false, false),
    ] {
        let text = help(name);
        assert_eq!(text.contains("--locked"), locked, "{text}");
        assert_eq!(text.contains("--offline"), offline, "{text}");
        let (_, global) = text.split_once("Global options:\n").unwrap();
        assert_eq!(global.matches("\n  ").count(), 3 + 1, "{text}");
    }
    sandbox.devsh(&["man", "--locked"]).code(2);
    // A host shell and a dev shell have different names.
    for name in [
        "hook",
        "completions",
        "enter",
        "run",
        "export",
        "sync",
        "lock",
    ] {
        let text = help(name)
            .replace("DEV_SHELL", "")
            .replace("HOST_SHELL", "");
        assert!(
            !text.contains("SHELL>") && !text.contains("[SHELL"),
            "{text}"
        );
    }
}
