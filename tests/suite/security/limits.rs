//! Limits of the environment: an excess is reported with its place, and every program still starts.

use crate::support::Sandbox;

/// The longest `NAME=value` with its end, and the most that a dev shell adds, in bytes.
const VARIABLE: usize = 128 << 10;
const GROWTH: usize = 256 << 10;

/// Returns `[env]` with values of these lengths.
fn manifest(variables: &[(&str, usize)]) -> String {
    let lines = variables
        .iter()
        .map(|(name, length)| format!("{name} = \"{}\"\n", "x".repeat(*length)));
    format!("[env]\nFIRST = \"1\"\n{}", lines.collect::<String>())
}

fn length_inside(sandbox: &Sandbox, name: &str) -> (usize, String) {
    let script = format!("printf %s \"${name}\" | wc -c");
    let outcome = sandbox.devsh(&["run", "--trust", "--", "sh", "-c", &script]);
    let outcome = outcome.success();
    (outcome.stdout.trim().parse().unwrap(), outcome.stderr)
}

#[test]
fn a_value_may_be_as_long_as_a_program_can_take() {
    let most = VARIABLE - "BIG=".len() - 1;
    let sandbox = Sandbox::new().manifest(&manifest(&[("BIG", most)]));
    sandbox.allow();
    assert_eq!(length_inside(&sandbox, "BIG"), (most, String::new()));
    sandbox.write("devshell.toml", manifest(&[("BIG", most + 1)]));
    let outcome = sandbox.devsh(&["allow"]).code(1);
    outcome.error(&["devshell.toml:3", "`BIG`", "131073", "hint: "]);
}

#[test]
fn variables_may_add_so_much_together_and_no_more() {
    // `FIRST`, and of each its name, `=` and an end.
    let rest = GROWTH - "FIRST=1".len() - 1 - 3 * "A=".len() - 3;
    let (third, last) = (rest / 3, rest - rest / 3 * 2);
    let sandbox = Sandbox::new();
    sandbox.write(
        "devshell.toml",
        manifest(&[("A", third), ("B", third), ("C", last)]),
    );
    // The list of programs grows as well.
    let (length, said) = length_inside(&sandbox, "A");
    assert!(length == third || said.contains("`C`"), "{length} {said}");
    let smaller = [("A", third), ("B", third), ("C", last - 4096)];
    sandbox.write("devshell.toml", manifest(&smaller));
    assert_eq!(length_inside(&sandbox, "C"), (last - 4096, String::new()));
    let larger = [("A", third), ("B", third), ("C", last + 1)];
    sandbox.write("devshell.toml", manifest(&larger));
    let outcome = sandbox.devsh(&["allow"]).code(1);
    outcome.error(&["devshell.toml:5", "262145", "262144", "hint: "]);
}

#[test]
fn values_that_grow_by_references_are_omitted_and_reported() {
    let text = "x".repeat(100_000);
    let references = "B = \"${A}${A}\"\n";
    let sandbox = Sandbox::new().manifest(&format!("[env]\nA = \"{text}\"\n{references}"));
    let (length, said) = length_inside(&sandbox, "B");
    assert_eq!(length, 0);
    assert!(
        said.contains("`B`") && said.contains("200003 bytes"),
        "{said}"
    );
    let references = "B = \"${A}\"\nC = \"${A}yy\"\n";
    sandbox.write(
        "devshell.toml",
        format!("[env]\nA = \"{text}\"\n{references}"),
    );
    let (length, said) = length_inside(&sandbox, "C");
    assert_eq!(length, 0, "the largest goes");
    assert!(said.contains("`C`") && said.contains("262144"), "{said}");
    assert_eq!(length_inside(&sandbox, "B").0, 100_000);
}

#[test]
fn a_value_that_could_not_be_given_back_stays() {
    // Without a writable directory the session is in one variable, which is too small for this one.
    let text = "x".repeat(100_000);
    let sandbox = Sandbox::new()
        .env("XDG_STATE_HOME", "/proc/no/place")
        .env("LONG", &text)
        .manifest("[env]\nLONG = \"short\"\nOTHER = \"set\"\n");
    let (length, said) = length_inside(&sandbox, "LONG");
    assert_eq!(length, 100_000, "{said}");
    assert!(said.contains("`LONG`") && said.contains("100000"), "{said}");
    assert_eq!(length_inside(&sandbox, "OTHER").0, 3);
}

#[test]
fn the_state_in_the_environment_is_small() {
    let text = "v".repeat(40);
    for count in (0..40).step_by(3) {
        let mut sandbox = Sandbox::new();
        let mut manifest = "[env]\n".to_owned();
        for at in 0..count {
            let name = format!("VARIABLE_{at}");
            sandbox = sandbox.env(&name, &text);
            manifest.extend([&*name, " = \"new\"\n"]);
        }
        sandbox.write("devshell.toml", manifest);
        let outcome = sandbox.devsh(&["run", "--trust", "--", "env"]).success();
        let own = outcome
            .stdout
            .lines()
            // The sandbox sets other variables of devsh.
            .filter(|line| {
                let session = ["DEVSH_DIFF=", "DEVSH_ROOT=", "DEVSH_SHELL="];
                session.iter().any(|name| line.starts_with(name))
            });
        let size: usize = own.map(|line| line.len() + 1).sum();
        assert!(
            (1..=2 << 10).contains(&size),
            "{count} variables: {size} bytes"
        );
    }
}
