//! Container images: built without an engine, the same for everybody, accepted by real registries and runtimes.

use std::{fs, path::Path, process::Command};

use crate::{
    applications::{self, pure, serve},
    support::{
        Sandbox, Server, cpython,
        pypi::{serve_pure, serve_tool, serve_tool_on},
        registry::{Registry, base_layout, run, skopeo},
        require,
    },
};

const MANIFEST: &str = r#"[tools]
ruff = "0.12"
just = "1"

[image]
base = "scratch"
copy = [{ from = ".", to = "/app" }]
cmd = ["ruff", "--version"]
expose = [8000]
env = { MODE = "production" }
user = "1000"
workdir = "/app"
labels = { "org.opencontainers.image.source" = "https://example.org/app" }
"#;

/// Returns a project with two tools and an image from scratch.
fn project(server: &Server, sandbox: Sandbox) -> Sandbox {
    serve_tool(server, "ruff", &["0.12.4", "0.12.5"]);
    serve_tool(server, "rust-just", &["1.40.0"]);
    let sandbox = sandbox.served_by(server).manifest(MANIFEST);
    sandbox.write("app/main.py", "print('hello')\n");
    sandbox.write("app/__pycache__/main.pyc", "x");
    sandbox.write("secret.env", "TOKEN=x\n");
    sandbox.write("notes/a.txt", "a\n");
    sandbox.write("notes/b.txt", "b\n");
    sandbox.write(".gitignore", "__pycache__/\nnotes/*\n");
    sandbox.write("notes/.gitignore", "!b.txt\n");
    sandbox.write(".dockerignore", "*.env\n!notes/a.txt\n");
    sandbox
}

fn digest(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let outcome = sandbox.devsh(&[&["image", "build", "--trust"], arguments].concat());
    outcome.success().stdout.trim().to_owned()
}

/// Unpacks an image and returns the root of its files.
fn unpack(layout: &Path, place: &Path) -> std::path::PathBuf {
    run(Command::new("umoci")
        .args(["unpack", "--image"])
        .arg(format!("{}:latest", layout.display()))
        .arg(place));
    place.join("rootfs")
}

fn config(layout: &Path) -> serde_json::Value {
    let image = format!("oci:{}:latest", layout.display());
    serde_json::from_str(&skopeo(&["inspect", "--config", &image])).unwrap()
}

#[test]
fn two_users_get_the_same_image() {
    if ["skopeo", "umoci"]
        .iter()
        .any(|tool| require(tool).is_none())
    {
        return;
    }
    let server = Server::start();
    let one = project(&server, Sandbox::new());
    let other = project(&server, Sandbox::odd());
    let layout = one.root().join("layout");
    let first = digest(&one, &["-o", layout.to_str().unwrap()]);
    assert!(first.starts_with("sha256:"), "{first}");
    fs::copy(
        one.project().join("devshell.lock"),
        other.project().join("devshell.lock"),
    )
    .unwrap();
    assert_eq!(digest(&other, &["--expect", &first]), first);
    other
        .devsh(&[
            "image",
            "build",
            "--trust",
            "--expect",
            &format!("sha256:{}", "0".repeat(64)),
        ])
        .error(&["the image is not the one that is expected", &first]);
}

#[test]
fn an_image_has_the_files_and_settings_of_the_manifest() {
    if ["skopeo", "umoci"]
        .iter()
        .any(|tool| require(tool).is_none())
    {
        return;
    }
    let server = Server::start();
    let sandbox = project(&server, Sandbox::odd());
    let layout = sandbox.root().join("layout");
    let sbom = sandbox.root().join("sbom.json");
    digest(
        &sandbox,
        &[
            "-o",
            layout.to_str().unwrap(),
            "--sbom",
            sbom.to_str().unwrap(),
        ],
    );
    let root = unpack(&layout, &sandbox.root().join("bundle"));
    assert!(root.join("app/app/main.py").is_file());
    assert!(
        root.join("app/notes/a.txt").is_file(),
        "`.dockerignore` wins"
    );
    assert!(
        root.join("app/notes/b.txt").is_file(),
        "the nearest `.gitignore` wins"
    );
    for absent in ["app/secret.env", "app/app/__pycache__", "app/.git"] {
        assert!(!root.join(absent).exists(), "{absent}");
    }
    let link = fs::read_link(root.join("devsh/profile/bin/ruff")).unwrap();
    assert!(link.starts_with("/devsh/store"), "{}", link.display());
    assert!(root.join(link.strip_prefix("/").unwrap()).is_file());
    let home = sandbox.root().to_str().unwrap().to_owned();
    let found = Command::new("grep")
        .args(["-rlaF", &home])
        .arg(&root)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&found.stdout),
        "",
        "paths of this machine"
    );

    let config = config(&layout);
    let run_config = &config["config"];
    assert_eq!(run_config["Cmd"], serde_json::json!(["ruff", "--version"]));
    assert_eq!(run_config["User"], "1000");
    assert_eq!(run_config["WorkingDir"], "/app");
    assert!(run_config["ExposedPorts"].get("8000/tcp").is_some());
    assert_eq!(
        run_config["Labels"]["org.opencontainers.image.source"],
        "https://example.org/app"
    );
    let env = run_config["Env"].as_array().unwrap();
    assert!(env.contains(&"MODE=production".into()), "{env:?}");
    assert!(env.iter().any(|one| {
        one.as_str()
            .unwrap()
            .starts_with("PATH=/devsh/profile/bin:")
    }));
    let sbom: serde_json::Value = serde_json::from_slice(&fs::read(&sbom).unwrap()).unwrap();
    assert_eq!(sbom["bomFormat"], "CycloneDX");
    let names: Vec<&str> = sbom["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["ruff", "rust-just"]);
}

#[test]
fn a_changed_tool_moves_its_own_layer_and_the_profile() {
    let (Some(registry), Some(_)) = (Registry::start(""), require("skopeo")) else {
        return;
    };
    let server = Server::start();
    let sandbox = project(&server, Sandbox::new());
    sandbox.devsh(&["lock", "--trust"]).success();
    let lockfile = sandbox.project().join("devshell.lock");
    let text = fs::read_to_string(&lockfile).unwrap();
    let name = format!("{}/team/app:1.0", registry.address);
    let pushed = sandbox
        .devsh(&["image", "push", "--trust", &name])
        .success();
    let built = digest(
        &sandbox,
        &["--expect", pushed.stdout.trim().rsplit('@').next().unwrap()],
    );
    let inspected = registry.inspect("team/app:1.0");
    assert_eq!(inspected["Digest"], built);
    let before: Vec<String> = layers(&inspected);

    let again = sandbox
        .devsh(&["image", "push", "--trust", &name])
        .success();
    assert!(again.stderr.contains("0 uploaded"), "{again}");

    sandbox.write("devshell.toml", MANIFEST.replace("\"0.12\"", "\"0.12.4\""));
    sandbox.devsh(&["lock", "--trust"]).success();
    assert_ne!(fs::read_to_string(&lockfile).unwrap(), text);
    sandbox
        .devsh(&["image", "push", "--trust", &name])
        .success();
    let after = layers(&registry.inspect("team/app:1.0"));
    let moved = after.iter().filter(|layer| !before.contains(layer)).count();
    // The project's own files have the manifest and the lockfile in them.
    assert_eq!(
        (after.len(), moved),
        (before.len(), 3),
        "{before:?} {after:?}"
    );

    // The bill of materials is found by the tag for registries without the referrers API.
    let tag = registry.inspect("team/app:1.0")["Digest"]
        .as_str()
        .unwrap()
        .replace(':', "-");
    let index = skopeo(&[
        "inspect",
        "--raw",
        "--tls-verify=false",
        &format!("docker://{}/team/app:{tag}", registry.address),
    ]);
    assert!(index.contains("cyclonedx"), "{index}");
}

fn layers(inspected: &serde_json::Value) -> Vec<String> {
    let layers = inspected["Layers"].as_array().unwrap();
    layers
        .iter()
        .map(|one| one.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_base_is_locked_by_digest() {
    let (Some(registry), Some(_), Some(_)) =
        (Registry::start(""), require("skopeo"), require("umoci"))
    else {
        return;
    };
    let server = Server::start();
    let sandbox = project(&server, Sandbox::new());
    let base = sandbox.root().join("base");
    fs::create_dir(&base).unwrap();
    base_layout(&base, &[]);
    registry.push(&base.join("layout"), "base", "base:12");
    let name = format!("{}/base:12", registry.address);
    sandbox.write(
        "devshell.toml",
        MANIFEST.replace("\"scratch\"", &format!("\"{name}\"")),
    );
    sandbox.devsh(&["lock", "--trust"]).success();
    let lockfile = sandbox.project().join("devshell.lock");
    let text = fs::read_to_string(&lockfile).unwrap();
    let locked = registry.inspect("base:12")["Digest"]
        .as_str()
        .unwrap()
        .replace("sha256:", "");
    assert!(text.contains(&format!("sha256 = \"{locked}\"")), "{text}");
    sandbox.devsh(&["lock", "--check", "--trust"]).success();
    let built = digest(&sandbox, &[]);

    // The tag moves; the lockfile does not.
    run(Command::new("umoci").args([
        "config",
        "--config.user=7",
        "--image",
        &format!("{}:base", base.join("layout").display()),
    ]));
    registry.push(&base.join("layout"), "base", "base:12");
    assert_eq!(digest(&sandbox, &[]), built);
    // Everything is there already.
    assert_eq!(digest(&sandbox, &["--offline"]), built);
    sandbox.devsh(&["lock", "--upgrade", "--trust"]).success();
    assert!(!fs::read_to_string(&lockfile).unwrap().contains(&locked));
    assert_ne!(digest(&sandbox, &[]), built);

    // A base that is not locked is an error with `--locked`.
    let without = text.split("\n[[image-base]]").next().unwrap();
    fs::write(&lockfile, without).unwrap();
    sandbox
        .devsh(&["image", "build", "--trust", "--locked"])
        .error(&["the base image", "is not locked", "lock"]);
}

#[test]
fn a_registry_with_passwords_is_used_with_the_users_login() {
    // `user` with the password `secret`, by bcrypt.
    let users = "user:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";
    let Some(registry) = Registry::start(users) else {
        return;
    };
    let server = Server::start();
    let sandbox = project(&server, Sandbox::new());
    let name = format!("{}/app", registry.address);
    sandbox
        .devsh(&["image", "push", "--trust", &name])
        .error(&["answered 401", "docker login"]);
    let login = |auth: &str| {
        let text = format!(
            "{{\"auths\":{{\"{}\":{{\"auth\":\"{auth}\"}}}}}}",
            registry.address
        );
        fs::create_dir_all(sandbox.home().join(".docker")).unwrap();
        fs::write(sandbox.home().join(".docker/config.json"), text).unwrap();
    };
    // `user:wrong`
    login("dXNlcjp3cm9uZw==");
    let outcome = sandbox.devsh(&["-vv", "image", "push", "--trust", &name]);
    let outcome = outcome.error(&["answered 401"]);
    assert!(!outcome.stderr.contains("dXNlcjp3cm9uZw"), "{outcome}");
    // `user:secret`
    login("dXNlcjpzZWNyZXQ=");
    sandbox
        .devsh(&["image", "push", "--trust", &name])
        .success();
}

#[test]
fn an_image_for_another_processor_has_its_artifacts() {
    if ["skopeo", "umoci"]
        .iter()
        .any(|tool| require(tool).is_none())
    {
        return;
    }
    let server = Server::start();
    let sandbox = project(&server, Sandbox::new());
    let layout = sandbox.root().join("layout");
    let output = layout.to_str().unwrap();
    digest(&sandbox, &["--platform", "linux/arm64", "-o", output]);
    assert_eq!(config(&layout)["architecture"], "arm64");
    let both = digest(
        &sandbox,
        &["--platform", "linux/amd64,linux/arm64", "-o", output],
    );
    let index = fs::read_to_string(layout.join("blobs/sha256").join(&both[7..])).unwrap();
    assert!(
        index.contains("\"arm64\"") && index.contains("\"amd64\""),
        "{index}"
    );
    sandbox
        .devsh(&["image", "build", "--trust", "--platform", "windows/amd64"])
        .error(&["linux/amd64 or linux/arm64"]);
    serve_tool_on(&server, "onlyx", "1.0.0", "manylinux2014_x86_64");
    sandbox.write(
        "devshell.toml",
        MANIFEST.replace("[tools]\n", "[tools]\n\"pypi:onlyx\" = \"1\"\n"),
    );
    sandbox
        .devsh(&["image", "build", "--trust", "--platform", "linux/arm64"])
        .error(&["onlyx", "linux-aarch64"]);
}

#[test]
fn what_leads_out_of_the_project_is_not_copied() {
    let server = Server::start();
    let sandbox = project(&server, Sandbox::new());
    std::os::unix::fs::symlink("/etc/passwd", sandbox.project().join("link")).unwrap();
    sandbox.devsh(&["image", "build", "--trust"]).error(&[
        "`link` is a symlink that leads out of the project",
        "devshell.toml:7",
    ]);
    sandbox.write(
        "devshell.toml",
        MANIFEST.replace("from = \".\"", "from = \"nothing\""),
    );
    sandbox
        .devsh(&["image", "build", "--trust"])
        .error(&["`nothing` does not exist in the project"]);
    sandbox.write("devshell.toml", "[tools]\nruff = \"0.12\"\n");
    sandbox
        .devsh(&["image", "build", "--trust"])
        .error(&["the manifest has no `[image]`", "add `[image]`"]);
    sandbox
        .devsh(&["image", "build", "api", "--trust"])
        .error(&["there is no image `api`"]);
}

/// Returns a sandbox with everything from `server`, a real uv too.
fn tools_sandbox(server: &Server, sandbox: Sandbox) -> Option<Sandbox> {
    applications::sandbox(server)?;
    Some(sandbox.served_by(server))
}

/// The image of a Python project runs in a real container: its program, its packages and the project itself.
#[test]
fn a_python_project_runs_in_a_container() {
    let Some((version, archive)) = cpython::repackaged() else {
        return;
    };
    let tools = ["runc", "skopeo", "umoci", "uv"];
    let (Some(registry), true) = (
        Registry::start(""),
        tools.iter().all(|tool| require(tool).is_some()),
    ) else {
        return;
    };
    let server = Server::start();
    cpython::serve(&server, &version, &archive);
    serve(&server);
    serve_pure(&server, &[pure("tester", "1.0", &[], &["tester"])]);
    let prefix = cpython::prefix().unwrap();
    let mut programs = vec![prefix.join("bin/python3")];
    let dynamic = prefix.join(format!(
        "lib/python{}/lib-dynload",
        version.rsplit_once('.').unwrap().0
    ));
    programs.extend(
        fs::read_dir(dynamic)
            .unwrap()
            .map(|one| one.unwrap().path()),
    );
    let Some(sandbox) = tools_sandbox(&server, Sandbox::odd()) else {
        return;
    };
    let base = sandbox.root().join("base");
    fs::create_dir(&base).unwrap();
    base_layout(&base, &programs);
    registry.push(&base.join("layout"), "base", "base:1");
    let manifest = format!(
        "[tools]\npython = \"{version}\"\n[python]\npackages = [\"helper-lib\"]\n\
         [image]\nbase = \"{}/base:1\"\ncopy = [{{ from = \"main.py\", to = \"/app/main.py\" }}]\n\
         workdir = \"/app\"\ncmd = [\"python\", \"main.py\"]\n",
        registry.address
    );
    let sandbox = sandbox.manifest(&format!("[tools]\npython = \"{version}\"\n"));
    sandbox.write(
        "main.py",
        "import sys, helper_lib, ssl, sqlite3\nprint(sys.prefix, helper_lib.__file__)\n",
    );
    sandbox.devsh(&["lock", "--trust"]).success();
    cpython::adopt(&sandbox, &version, &archive);
    sandbox.write("devshell.toml", &manifest);
    let layout = sandbox.root().join("layout");
    let first = digest(&sandbox, &["-o", layout.to_str().unwrap()]);
    let bundle = sandbox.root().join("bundle");
    let root = unpack(&layout, &bundle);
    let home = sandbox.root().to_str().unwrap().to_owned();
    let found = Command::new("grep")
        .args(["-rlF", &home])
        .arg(&root)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&found.stdout),
        "",
        "paths of this machine"
    );
    let spec = bundle.join("config.json");
    let mut settings: serde_json::Value =
        serde_json::from_slice(&fs::read(&spec).unwrap()).unwrap();
    settings["process"]["terminal"] = false.into();
    fs::write(&spec, settings.to_string()).unwrap();
    let state = sandbox.root().join("runc");
    let output = run(Command::new("runc")
        .arg("--root")
        .arg(&state)
        .args(["run", &format!("devsh-{}", std::process::id())])
        .current_dir(&bundle)
        .stdin(std::process::Stdio::null()));
    assert!(
        output.starts_with("/devsh/profile /devsh/store/"),
        "{output}"
    );

    // Another user gets the same image.
    let other = tools_sandbox(&server, Sandbox::new()).unwrap();
    let other = other.manifest(&manifest);
    for file in ["main.py", "devshell.lock"] {
        fs::copy(sandbox.project().join(file), other.project().join(file)).unwrap();
    }
    assert_eq!(digest(&other, &["--expect", &first]), first);
    sandbox
        .devsh(&["image", "build", "--trust", "--platform", "linux/arm64"])
        .error(&["Python packages", "linux-aarch64"]);
}
