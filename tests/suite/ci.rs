//! `devsh ci` and the GitHub action: their YAML has the form that the services take, and their steps work.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use serde_json::Value;

use crate::support::{
    Sandbox, Server,
    archive::{gzip, sha256, tar},
    pypi::serve_tool,
    registry::Registry,
    require,
    sandbox::{DEVSH, Outcome},
    yaml,
};

const TARGET: &str = "x86_64-unknown-linux-musl";
/// Names of dev shells that YAML could take for other values.
const MANIFEST: &str = "[tools]\nruff = \"0.12\"\n[image]\nbase = \"scratch\"\ncmd = [\"ruff\"]\n\
    [shells.test]\n[shells.no]\n[shells.3]\n[shells.1a]\n[shells.null]\n";

/// A checkout and a server with a release of devsh.
struct Runner {
    server: Server,
    checkout: Sandbox,
    /// The digest of the released archive.
    digest: String,
}

impl Runner {
    fn new() -> Option<Self> {
        for tool in ["curl", "sha256sum", "tar"] {
            require(tool)?;
        }
        let server = Server::start();
        serve_tool(&server, "ruff", &["0.12.4"]);
        let program = format!("#!/bin/sh\nexec '{DEVSH}' \"$@\"\n");
        let top = format!("devsh-{TARGET}");
        let (path, readme) = (format!("{top}/devsh"), format!("{top}/README.md"));
        let members = [
            (path.as_str(), program.as_bytes(), true),
            (readme.as_str(), b"text".as_slice(), false),
        ];
        let archive = gzip(&tar(&members, &[]));
        let version = env!("CARGO_PKG_VERSION");
        server.serve(
            &format!("/releases/v{version}/devsh-{TARGET}.tar.gz"),
            archive.as_slice(),
        );
        let checkout = Sandbox::new().served_by(&server).manifest(MANIFEST);
        checkout.devsh(&["lock", "--trust"]).success();
        fs::remove_file(checkout.root().join("bin/devsh")).unwrap();
        Some(Self {
            server,
            checkout,
            digest: sha256(&archive),
        })
    }

    /// Returns the workflow for a service.
    fn workflow(&self, service: &str, options: &[&str]) -> Value {
        let command = [&["ci", service, "--trust"], options].concat();
        // Outcomes show paths in another form.
        let output = self.checkout.command(DEVSH).args(command).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for part in ["OWNER/devsh/releases/download", "REPLACE_WITH_THE_CHECKSUM"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        yaml::parse(&text)
    }

    fn program(&self) -> PathBuf {
        self.checkout.home().join(".local/bin/devsh")
    }

    /// Runs a step, which may add to `PATH` by the file that GitHub gives it.
    fn run(&self, script: &str, variables: &BTreeMap<String, String>) -> Outcome {
        let added = self.checkout.root().join("github-path");
        let more = fs::read_to_string(&added).unwrap_or_default();
        let own = format!("{}/bin:/usr/bin:/bin", self.checkout.root().display());
        let path = more.lines().chain([own.as_str()]);
        let path = path.collect::<Vec<_>>().join(":");
        let mut command = self.checkout.command("bash");
        command
            .args(["-e", "-o", "pipefail", "-c", script])
            .envs(variables)
            .env("PATH", path)
            .env("GITHUB_PATH", &added)
            .env("GITHUB_ENV", self.checkout.root().join("github-env"))
            .env("CI_PROJECT_DIR", self.checkout.project())
            .env("CI_COMMIT_BRANCH", "main")
            .env("CI_DEFAULT_BRANCH", "main")
            .env("DOCKER_AUTH_CONFIG", "{}");
        self.checkout.outcome(&mut command)
    }

    /// Returns the variables of a table, with those of the release and without secrets.
    fn variables(&self, table: &Value) -> BTreeMap<String, String> {
        let all = table.as_object().into_iter().flatten();
        let mut variables: BTreeMap<String, String> = all
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .filter(|(_, value)| !value.contains('$'))
            .collect();
        let own = [
            (
                "DEVSH_RELEASES",
                format!("{}/releases", self.server.address()),
            ),
            ("DEVSH_SHA256", self.digest.clone()),
        ];
        for (name, value) in own {
            if variables.contains_key(name) {
                variables.insert(name.to_owned(), value);
            }
        }
        variables
    }
}

/// Fails if a table has another key.
fn has_only(table: &Value, keys: &[&str]) {
    for key in table.as_object().unwrap().keys() {
        assert!(keys.contains(&key.as_str()), "{key} in {table}");
    }
}

/// Returns the options for pushes to a directory and to a registry.
fn pushes(runner: &Runner, registry: Option<&Registry>) -> Vec<String> {
    let directory = runner.checkout.root().join("cache");
    let mut options = vec![
        "--push-cache".to_owned(),
        format!("file://{}", directory.display()),
    ];
    if let Some(registry) = registry {
        let image = format!("{}/team/app:1", registry.address);
        options.extend(["--push-image".to_owned(), image]);
    }
    options
}

fn check_pushes(runner: &Runner, registry: Option<&Registry>) {
    let artifacts = runner.checkout.root().join("cache/artifacts/sha256");
    assert_eq!(fs::read_dir(artifacts).unwrap().count(), 1);
    if let Some(registry) = registry {
        let url = format!("http://{}/v2/team/app/tags/list", registry.address);
        let tags = ureq::get(&url).call().unwrap().body_mut().read_to_string();
        assert!(tags.unwrap().contains("\"1\""));
    }
}

#[test]
fn the_steps_for_github_install_run_and_push() {
    let Some(runner) = Runner::new() else { return };
    let registry = Registry::start("");
    let options = pushes(&runner, registry.as_ref());
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let workflow = runner.workflow("github", &options);
    has_only(&workflow, &["name", "on", "permissions", "env", "jobs"]);
    has_only(&workflow["on"], &["push", "pull_request"]);
    let jobs = workflow["jobs"].as_object().unwrap();
    let names: Vec<&str> = jobs.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "devsh-1a",
            "devsh-3",
            "devsh-dev",
            "devsh-no",
            "devsh-null",
            "devsh-test"
        ]
    );
    let common = runner.variables(&workflow["env"]);
    let mut keys = BTreeSet::new();
    for job in jobs.values() {
        has_only(job, &["runs-on", "steps"]);
        let steps = job["steps"].as_array().unwrap().iter();
        keys.extend(steps.filter_map(|step| step["with"]["key"].as_str()));
        let mut run = 0;
        for step in job["steps"].as_array().unwrap() {
            has_only(step, &["name", "if", "uses", "with", "env", "run"]);
            assert_ne!(step["run"].is_string(), step["uses"].is_string(), "{step}");
            let Some(script) = step["run"].as_str() else {
                continue;
            };
            let mut variables = common.clone();
            variables.extend(runner.variables(&step["env"]));
            runner.run(script, &variables).success();
            run += 1;
        }
        assert!(run >= 3, "{job}");
    }
    assert_eq!(keys.len(), jobs.len(), "each job keeps its own store");
    check_pushes(&runner, registry.as_ref());
    let bin = runner.program();
    assert_eq!(fs::read_dir(bin.parent().unwrap()).unwrap().count(), 1);
    // Without a push there is no secret.
    let plain = runner.workflow("github", &[]).to_string();
    assert!(!plain.contains("secrets."), "{plain}");
}

#[test]
fn the_steps_for_gitlab_install_run_and_push() {
    let Some(runner) = Runner::new() else { return };
    let registry = Registry::start("");
    runner.checkout.program("apt-get", "#!/bin/sh\n");
    let options = pushes(&runner, registry.as_ref());
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let workflow = runner.workflow("gitlab", &options);
    let variables = runner.variables(&workflow["variables"]);
    has_only(&workflow["default"], &["image", "before_script", "cache"]);
    has_only(&workflow["default"]["cache"], &["key", "paths"]);
    assert_eq!(
        workflow["default"]["cache"]["key"]["prefix"],
        "$CI_JOB_NAME"
    );
    let script = |list: &Value| -> Vec<String> {
        let lines = list.as_array().unwrap().iter();
        lines
            .map(|line| line.as_str().unwrap().to_owned())
            .collect()
    };
    let before = script(&workflow["default"]["before_script"]);
    let mut jobs = 0;
    for (name, job) in workflow.as_object().unwrap() {
        if !name.starts_with("devsh-") {
            assert!(["variables", "default"].contains(&name.as_str()), "{name}");
            continue;
        }
        has_only(job, &["script"]);
        let config = runner.checkout.home().join(".config/devsh/config.toml");
        // Every job begins in a new container.
        let _absent = fs::remove_file(config);
        let lines = [before.clone(), script(&job["script"])].concat();
        runner.run(&lines.join("\n"), &variables).success();
        jobs += 1;
    }
    assert_eq!(jobs, 6);
    let kept = runner.checkout.project().join(".cache/devsh");
    assert!(kept.join("artifacts/sha256").is_dir());
    check_that_commits_bring_nothing(&runner, &before.join("\n"), &variables);
    check_pushes(&runner, registry.as_ref());
}

/// A commit puts other files where the job keeps its downloads.
fn check_that_commits_bring_nothing(
    runner: &Runner,
    before: &str,
    variables: &BTreeMap<String, String>,
) {
    let kept = runner
        .checkout
        .project()
        .join(".cache/devsh/artifacts/sha256");
    for entry in fs::read_dir(kept).unwrap() {
        fs::write(entry.unwrap().path(), "another file").unwrap();
    }
    let config = runner.checkout.home().join(".config/devsh/config.toml");
    fs::remove_file(config).unwrap();
    let data = runner.checkout.data();
    let removed = runner
        .checkout
        .command("chmod")
        .args(["-R", "u+w"])
        .arg(&data)
        .status();
    assert!(removed.unwrap().success());
    fs::remove_dir_all(data).unwrap();
    let job = format!("{before}\ndevsh run --locked --trust -- ruff --version");
    let ran = runner.run(&job, variables).success();
    assert!(ran.stdout.ends_with("ruff 0.12.4\n"), "{ran}");
}

#[test]
fn dev_shells_for_tests_and_lint_run_the_usual_commands() {
    let sandbox =
        Sandbox::new().manifest("[tools]\n[shells.lint]\n[shells.test]\n[shells.service]\n");
    sandbox.write(
        "pyproject.toml",
        "[project]\nname = \"a\"\nversion = \"1\"\n",
    );
    for service in ["github", "gitlab"] {
        let printed = sandbox.devsh(&["ci", service, "--trust"]).success().stdout;
        for job in [
            "dev -- python -m pytest",
            "lint -- ruff check",
            "service -- true",
            "test -- python -m pytest",
        ] {
            assert!(
                printed.contains(&format!("--shell {job}\n")),
                "{job} in {printed}"
            );
        }
    }
}

#[test]
fn a_wrong_checksum_installs_nothing() {
    let Some(runner) = Runner::new() else { return };
    let workflow = runner.workflow("github", &[]);
    let mut variables = runner.variables(&workflow["env"]);
    variables.insert("DEVSH_SHA256".to_owned(), "0".repeat(64));
    let steps = &workflow["jobs"]["devsh-dev"]["steps"];
    let mut steps = steps.as_array().unwrap().iter();
    let install = steps.find_map(|step| step["run"].as_str()).unwrap();
    runner.run(install, &variables).code(1);
    assert!(!runner.program().exists());
}

#[test]
fn the_action_installs_a_release_with_its_checksum() {
    let Some(runner) = Runner::new() else { return };
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/.github/actions/devsh/action.yml"
    );
    let action = yaml::parse(&fs::read_to_string(file).unwrap());
    has_only(&action, &["name", "description", "inputs", "runs"]);
    assert_eq!(action["runs"]["using"], "composite");
    let others = format!("{}  \n{}\n", "0".repeat(64), runner.digest);
    let releases = format!("{}/releases", runner.server.address());
    let project = runner.checkout.project().display().to_string();
    let run = |digests: &str| {
        let inputs = BTreeMap::from([
            ("releases", releases.as_str()),
            ("version", env!("CARGO_PKG_VERSION")),
            ("sha256", digests),
            ("directory", project.as_str()),
            ("shell", "test"),
        ]);
        let steps = action["runs"]["steps"].as_array().unwrap().iter();
        let mut steps = steps.filter_map(|step| Some((step["run"].as_str()?, &step["env"])));
        steps.try_for_each(|(script, env)| {
            let mut variables = BTreeMap::from([
                ("RUNNER_OS".to_owned(), "Linux".to_owned()),
                ("RUNNER_ARCH".to_owned(), "X64".to_owned()),
            ]);
            for (name, value) in env.as_object().unwrap() {
                let input = value.as_str().unwrap();
                let input = input
                    .trim_start_matches("${{ inputs.")
                    .trim_end_matches(" }}");
                variables.insert(name.clone(), inputs[input].to_owned());
            }
            let outcome = runner.run(script, &variables);
            if outcome.status.success() {
                Ok(())
            } else {
                Err(outcome)
            }
        })
    };
    let refused = run(&"0".repeat(64)).unwrap_err();
    assert!(refused.stdout.contains("::error::"), "{refused}");
    assert!(!runner.program().exists());
    run(&others).unwrap();
    let path = fs::read_to_string(runner.checkout.root().join("github-path")).unwrap();
    assert!(path.contains("/devsh/envs/"), "{path}");
}

#[test]
fn only_plain_addresses_get_into_a_workflow() {
    let sandbox = Sandbox::new().manifest("[tools]\n");
    for option in ["--push-cache", "--push-image"] {
        for text in [
            "s3://b/$(touch x)",
            "s3://b/a'b",
            "s3://b/a\n  evil: 1",
            "oci://host/a\"b",
            "oci://host/${{ secrets.X }}",
            "file:///a b",
            "https://host/cache",
            "",
        ] {
            let command = ["ci", "github", "--trust", option, text];
            let refused = sandbox.devsh(&command).error(&[]);
            assert_eq!(refused.stdout, "", "{text}");
        }
    }
}
