//! `devsh status` and `devsh explain`: information that the user needs although nothing failed.

use std::fs;

use serde_json::Value;

use crate::support::{Sandbox, for_each_shell};

fn status(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&sandbox.devsh(&["status", "--json"]).success().stdout).unwrap()
}

#[test]
fn missing_required_variables_are_reported() {
    let manifest = "[env]\nTOKEN = { required = \"ask the vault\" }\nOTHER = \"x\"\n";
    let sandbox = Sandbox::new().manifest(manifest);
    sandbox.allow();
    let told = sandbox.devsh(&["status"]).success();
    let row = "missing      `TOKEN` is not set: ask the vault (devshell.toml:2)";
    assert!(told.stdout.contains(row), "{}", told.stdout);
    let hint = "hint: set `TOKEN` in your own shell: ask the vault";
    assert!(told.stderr.contains(hint), "{}", told.stderr);
    assert_eq!(status(&sandbox)["missing"].as_array().unwrap().len(), 1);
    let sandbox = sandbox.env("TOKEN", "");
    assert_eq!(status(&sandbox)["missing"], serde_json::json!([]));
}

#[test]
fn lines_without_effect_are_reported() {
    let sandbox = Sandbox::new();
    sandbox.write(".nvmrc", "22\n");
    sandbox.write(
        "package.json",
        "{\"volta\": {\"node\": \"24.1.0\"}, \"engines\": {\"node\": \">=20\"}}",
    );
    sandbox.write("flake.nix", "");
    let yields = "`node` 24.1.0 yields to 22 of .nvmrc:1";
    let told = sandbox.devsh(&["status"]).success().stdout;
    assert!(
        told.contains(&format!("note         package.json:1: {yields}\n")),
        "{told}"
    );
    assert!(
        told.contains("note         flake.nix:1: devsh does not evaluate Nix"),
        "{told}"
    );
    assert_eq!(status(&sandbox)["notes"].as_array().unwrap().len(), 2);

    let all = sandbox.devsh(&["explain"]).success().stdout;
    assert!(all.contains("note  package.json:1  "), "{all}");
    assert!(!all.contains(" \n"), "{all}");
    let one = sandbox.devsh(&["explain", "node"]).success().stdout;
    assert!(
        one.contains(&format!("note      package.json:1: {yields}")),
        "{one}"
    );
    assert!(!one.contains("flake.nix"), "{one}");
}

#[test]
fn a_tool_that_only_a_file_requests_is_explained() {
    let sandbox = Sandbox::new();
    sandbox.write(".pre-commit-config.yaml", "repos: []\n");
    sandbox.write(
        "pyproject.toml",
        "[tool.poetry.dependencies]\nidna = { path = \"idna\" }\n",
    );
    let all = sandbox.devsh(&["explain"]).success().stdout;
    for (tool, place) in [
        ("pre-commit", ".pre-commit-config.yaml:1"),
        ("poetry", "pyproject.toml:1"),
    ] {
        let row = |line: &&str| line.starts_with("tool") && line.contains(tool);
        let row = all.lines().find(row).unwrap_or_else(|| panic!("{all}"));
        assert!(row.contains('*') && row.ends_with(place), "{row}");
        let one = sandbox.devsh(&["explain", tool]).success().stdout;
        assert!(one.starts_with(&format!("{tool}  *  {place}\n")), "{one}");
    }
    // `allow` says that the packages will be missing, before the error about the network.
    let allowed = sandbox.devsh(&["allow", "--offline"]);
    let note = "devsh: pyproject.toml:2: no packages are installed without a lockfile, because some have other sources: make one with `poetry lock`\n";
    assert!(allowed.stderr.contains(note), "{allowed}");
}

#[test]
fn a_bound_is_shown_at_its_own_place() {
    let sandbox = Sandbox::new();
    sandbox.write("package.json", "{\n  \"engines\": {\"node\": \">=20\"}\n}");
    let tool = &status(&sandbox)["tools"][0];
    assert_eq!(
        (&tool["requirement"], &tool["place"]),
        (&">=20".into(), &"package.json:2".into())
    );
    let shown = sandbox.devsh(&["allow", "--show"]).success().stderr;
    assert!(
        shown.contains("dev tool node  >=20  (package.json)"),
        "{shown}"
    );
}

#[test]
fn a_store_that_was_removed_is_noticed_at_the_next_prompt() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new().manifest("[env]\nACTIVE = \"yes\"\n");
        sandbox.allow();
        let mut pty = sandbox.shell(shell);
        pty.enter();
        assert_eq!(pty.var("ACTIVE").as_deref(), Some("yes"));
        let envs = sandbox.data().join("envs");
        fs::rename(&envs, sandbox.data().join("elsewhere")).unwrap();
        let told = pty.run("devsh status");
        assert!(told.contains("it is no longer in the store"), "{told}");
        // The prompt after the command above starts a new build.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while fs::read_dir(&envs).map_or(0, Iterator::count) == 0 {
            assert!(std::time::Instant::now() < until, "nothing was built");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
}

#[test]
fn a_reference_to_an_unset_variable_is_reported() {
    let manifest = "[env]\nA = \"${NOPE}/x\"\nB = \"${NOPE:-}\"\nC = \"${A}\"\n";
    let sandbox = Sandbox::new().manifest(manifest);
    let row =
        "`NOPE` is not set: `${NOPE}` is empty; `${NOPE:-}` says that it may be (devshell.toml:2)";
    let told = sandbox.devsh(&["allow"]).success().stderr;
    assert!(told.contains(&format!("warning: {row}")), "{told}");
    assert_eq!(told.matches("is not set").count(), 1, "{told}");
    let told = sandbox.devsh(&["status"]).success();
    assert!(
        told.stdout.contains(&format!("missing      {row}")),
        "{}",
        told.stdout
    );
    assert!(!told.stderr.contains("hint"), "{}", told.stderr);
    let sandbox = sandbox.env("NOPE", "");
    assert_eq!(status(&sandbox)["missing"], serde_json::json!([]));
}

#[test]
fn the_wrong_form_gets_a_hint_with_the_right_one() {
    for (manifest, hint) in [
        (
            "extends = \"x.toml\"\n",
            "hint: write `extends = [\"x.toml\"]`",
        ),
        (
            "tools = [\"ruff\"]\n",
            "hint: write `[tools]`, and below it a line `NAME = \"VERSION\"`",
        ),
        (
            "[tools]\n\"gem:x\" = \"1\"\n",
            "install a tool that only `gem` has yourself, in a directory on `PATH`",
        ),
        (
            "[tools]\n\"npm2:x\" = \"1\"\n",
            "hint: the sources are `cargo`, `conda`, `github`, `go`,",
        ),
    ] {
        let sandbox = Sandbox::new().manifest(manifest);
        sandbox.devsh(&["status"]).code(1).error(&[hint]);
    }
}

#[test]
fn a_long_key_of_a_lockfile_is_shortened() {
    let sandbox = Sandbox::new().manifest("[env]\nA = \"1\"\n");
    sandbox.allow();
    let key = "k".repeat(1 << 20);
    sandbox.write("devshell.lock", format!("version = 1\n{key} = 1\n"));
    for arguments in [&["status"][..], &["status", "--json"]] {
        let shown = sandbox.devsh(arguments).success().stdout;
        assert!(shown.contains("is not a usable lockfile"), "{shown}");
        assert!(shown.len() < 10_000, "{}", shown.len());
    }
}
