//! Container images: built without an engine, the same for everybody, accepted by real registries and runtimes.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use devsh::package::System;

use crate::{
    applications::{self, pure, serve},
    support::{
        Random, Sandbox, Server, archive, conda,
        containers::Bundle,
        cpython,
        pypi::{serve_pure, serve_tool, serve_tool_on},
        registry::{
            IDENTITY_TOKEN, Proxy, ProxyFault, Registry, TOKEN, TOKEN_LOGIN, base_layout, run,
            skopeo,
        },
        require_all,
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
    sandbox.write(".dockerignore", "*.env\n!notes/a.txt\n!app/.env*\n");
    sandbox
}

/// Makes a base with these programs below the sandbox, pushes it, and returns its directory.
fn push_base(registry: &Registry, sandbox: &Sandbox, programs: &[PathBuf], name: &str) -> PathBuf {
    let base = sandbox.root().join("base");
    fs::create_dir(&base).unwrap();
    base_layout(&base, programs);
    registry.push(&base.join("layout"), "base", name);
    base
}

fn digest(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let outcome = sandbox.devsh(&[&["image", "build", "--trust"], arguments].concat());
    outcome.success().stdout.trim().to_owned()
}

/// Unpacks an image and returns the root of its files.
fn unpack(layout: &Path, place: &Path) -> PathBuf {
    run(Command::new("umoci")
        .args(["unpack", "--image"])
        .arg(format!("{}:latest", layout.display()))
        .arg(place));
    place.join("rootfs")
}

/// Returns the files below `root` that have a path of the sandbox.
fn host_paths(sandbox: &Sandbox, root: &Path) -> String {
    let found = Command::new("grep")
        .args(["-rlaF", sandbox.root().to_str().unwrap()])
        .arg(root)
        .output()
        .unwrap();
    String::from_utf8(found.stdout).unwrap()
}

fn config(layout: &Path) -> serde_json::Value {
    let image = format!("oci:{}:latest", layout.display());
    serde_json::from_str(&skopeo(&["inspect", "--config", &image])).unwrap()
}

#[test]
fn two_users_get_the_same_image() {
    if !require_all(&["skopeo", "umoci"]) {
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
    // The personal tools of the other user are not in it.
    serve_tool(&server, "mine", &["1.0.0"]);
    other.write(
        "devshell.local.toml",
        "[tools]\n\"pypi:mine\" = \"1\"\n[env]\nMINE = \"1\"\n",
    );
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
    if !require_all(&["skopeo", "umoci"]) {
        return;
    }
    let server = Server::start();
    let sandbox = project(&server, Sandbox::odd());
    sandbox.write(
        "devshell.toml",
        format!("{MANIFEST}\n[env-files]\nload = [\"local.conf\", \"linked.conf\"]\n"),
    );
    sandbox.write("local.conf", "TOKEN=x\n");
    sandbox.write("conf/real.conf", "TOKEN=x\n");
    std::os::unix::fs::symlink("conf/real.conf", sandbox.project().join("linked.conf")).unwrap();
    // The project is a directory of a larger repository.
    fs::create_dir_all(sandbox.root().join(".git/info")).unwrap();
    fs::write(sandbox.root().join(".git/info/exclude"), "excluded.txt\n").unwrap();
    fs::write(sandbox.root().join(".gitignore"), "above.txt\n").unwrap();
    sandbox.write("app/excluded.txt", "x");
    sandbox.write("app/above.txt", "x");
    sandbox.write("app/.env", "TOKEN=x\n");
    sandbox.write("app/.env.local", "TOKEN=x\n");
    sandbox.write("app/.env.example", "TOKEN=\n");
    for name in [
        "app/.ENV",
        "app/.Env.Local",
        "app/.env~",
        "app/.#.env",
        "app/.envrc",
        "app/.netrc",
    ] {
        sandbox.write(name, "TOKEN=x\n");
    }
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
    assert!(root.join("app/app/.env.example").is_file());
    for absent in [
        "app/secret.env",
        "app/app/__pycache__",
        "app/.git",
        "app/local.conf",
        "app/linked.conf",
        "app/conf/real.conf",
        "app/app/excluded.txt",
        "app/app/above.txt",
        "app/app/.env",
        "app/app/.env.local",
        "app/app/.ENV",
        "app/app/.Env.Local",
        "app/app/.env~",
        "app/app/.#.env",
        "app/app/.envrc",
        "app/app/.netrc",
    ] {
        assert!(!root.join(absent).exists(), "{absent}");
    }
    let link = fs::read_link(root.join("devsh/profile/bin/ruff")).unwrap();
    assert!(link.starts_with("/devsh/store"), "{}", link.display());
    assert!(root.join(link.strip_prefix("/").unwrap()).is_file());
    assert_eq!(host_paths(&sandbox, &root), "");

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
    let (Some(registry), true) = (Registry::start(""), require_all(&["skopeo"])) else {
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
    assert!(
        again.stderr.contains("uploaded 0 of 5 blobs (0 B)"),
        "{again}"
    );

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
    let (Some(registry), true) = (Registry::start(""), require_all(&["skopeo", "umoci"])) else {
        return;
    };
    let server = Server::start();
    let sandbox = project(&server, Sandbox::new());
    let base = push_base(&registry, &sandbox, &[], "base:12");
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

/// The login comes from credential helpers, and gets tokens that the registry takes for a few requests each.
#[test]
fn a_registry_with_tokens_takes_the_login_of_a_helper() {
    let (Some(registry), true) = (Registry::start(""), require_all(&["skopeo", "umoci"])) else {
        return;
    };
    let proxy = Proxy::with_tokens(&registry.address);
    let server = Server::start();
    let sandbox = project(&server, Sandbox::odd());
    push_base(&registry, &sandbox, &[], "team/base:12");
    let name = format!("\"{}/team/base:12\"", proxy.address);
    sandbox.write("devshell.toml", MANIFEST.replace("\"scratch\"", &name));
    // Anybody may pull the base.
    let built = digest(&sandbox, &[]);
    assert!(proxy.requests().iter().any(|one| {
        one.starts_with("GET /token?service=tests&scope=repository%3Ateam%2Fbase%3Apull ")
    }));
    let push = |version: &str| {
        let name = format!("{}/app:{version}", proxy.address);
        sandbox.devsh(&["-vv", "image", "push", "--trust", &name])
    };
    push("1").error(&["answered 401", "docker login"]);
    proxy.requests();

    let helper = |login: (&str, &str)| {
        let (name, secret) = login;
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = get ] && [ \"$(cat)\" = {} ] || exit 1\n\
             echo '{{\"ServerURL\":\"x\",\"Username\":\"{name}\",\"Secret\":\"{secret}\"}}'\n",
            proxy.address
        );
        sandbox.program("docker-credential-test", &script);
    };
    let docker = sandbox.home().join(".docker/config.json");
    fs::create_dir_all(docker.parent().unwrap()).unwrap();
    let for_one = format!("{{\"credHelpers\":{{\"{}\":\"test\"}}}}", proxy.address);
    for (version, settings, login, asked) in [
        ("2", for_one.as_str(), TOKEN_LOGIN, "GET /token?"),
        (
            "3",
            "{\"credsStore\":\"test\"}",
            ("<token>", IDENTITY_TOKEN),
            "POST /token ",
        ),
    ] {
        fs::write(&docker, settings).unwrap();
        helper((TOKEN_LOGIN.0, "wrong"));
        push(version).error(&["answered 401", "docker login"]);
        helper(login);
        let pushed = push(version).success();
        assert!(pushed.stdout.trim().ends_with(&built), "{pushed}");
        assert_eq!(registry.inspect(&format!("app:{version}"))["Digest"], built);
        let requests = proxy.requests();
        let tokens = requests.iter().filter(|one| one.starts_with(asked));
        let tokens: Vec<&String> = tokens.collect();
        assert!(tokens.len() > 1, "a used token is replaced: {requests:?}");
        assert!(
            tokens
                .iter()
                .any(|one| one.contains("repository%3Aapp%3Apull%2Cpush")),
            "{tokens:?}"
        );
        for secret in [login.1, TOKEN] {
            assert!(!pushed.stderr.contains(secret), "{pushed}");
        }
    }
    // A helper of the project never runs.
    let (own, hit) = (sandbox.project().join("bin"), sandbox.root().join("hit"));
    let script = format!("#!/bin/sh\ntouch '{}'\n", hit.display());
    sandbox.write("bin/docker-credential-test", script);
    let program = own.join("docker-credential-test");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut path = own.into_os_string();
    path.push(":");
    path.push(&sandbox.environment()[OsStr::new("PATH")]);
    let sandbox = sandbox.env("PATH", path);
    let name = format!("{}/app:4", proxy.address);
    sandbox
        .devsh(&["image", "push", "--trust", &name])
        .success();
    assert!(!hit.exists());
}

#[test]
fn an_image_for_another_processor_has_its_artifacts() {
    if !require_all(&["skopeo", "umoci"]) {
        return;
    }
    let server = Server::start();
    let sandbox = project(&server, Sandbox::new());
    let layout = sandbox.root().join("layout");
    let output = layout.to_str().unwrap();
    let sbom = sandbox.root().join("sbom.json");
    let label = "org.opencontainers.image.revision=0123abc";
    let both = "linux/amd64,linux/arm64";
    let build = |platform: &str, more: &[&str]| {
        let wanted = ["--platform", platform, "-o", output, "--label", label];
        digest(&sandbox, &[&wanted, more].concat())
    };
    let document = |path: &Path| -> serde_json::Value {
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let blob = |digest: &str| document(&layout.join("blobs/sha256").join(&digest[7..]));
    let labels = serde_json::json!({
        "org.opencontainers.image.revision": "0123abc",
        "org.opencontainers.image.source": "https://example.org/app",
    });
    let manifests = ["amd64", "arm64"].map(|processor| {
        let platform = format!("linux/{processor}");
        let manifest = build(&platform, &["--sbom", sbom.to_str().unwrap()]);
        let config = config(&layout);
        assert_eq!(config["architecture"], processor);
        assert_eq!(config["config"]["Labels"], labels, "{processor}");
        assert_eq!(blob(&manifest)["annotations"], labels, "{processor}");
        // The bill of materials names the artifacts of the platform.
        let tag = if processor == "arm64" {
            "aarch64"
        } else {
            "x86_64"
        };
        for component in document(&sbom)["components"].as_array().unwrap() {
            let url = component["externalReferences"][0]["url"].as_str().unwrap();
            assert!(url.contains(tag), "{component}");
        }
        serde_json::Value::from(manifest)
    });
    let index = blob(&build(both, &[]));
    assert_eq!(index["annotations"], labels);
    for (entry, manifest) in index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .zip(&manifests)
    {
        assert_eq!(&entry["digest"], manifest, "{index}");
    }
    sandbox
        .devsh(&[
            "image",
            "build",
            "--trust",
            "--platform",
            both,
            "--sbom",
            "x",
        ])
        .error(&["`--sbom` writes the parts of one platform"]);
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
    // Git may ignore what is named, as it does results of builds. `.dockerignore` and devsh decide.
    sandbox.write(".git/config", "token\n");
    let from = |path: &str| MANIFEST.replace("from = \".\"", &format!("from = \"{path}\""));
    for path in [".git", ".git/config", "secret.env"] {
        sandbox.write("devshell.toml", from(path));
        let outcome = sandbox.devsh(&["image", "build", "--trust"]);
        outcome.error(&[&format!("`{path}` is not copied"), "devshell.toml:7"]);
    }
    std::os::unix::fs::symlink(".git", sandbox.project().join("settings")).unwrap();
    sandbox.write("devshell.toml", from("settings/config"));
    let outcome = sandbox.devsh(&["image", "build", "--trust"]);
    outcome.error(&[
        "a directory in `settings/config` is a symlink",
        "devshell.toml:7",
    ]);
    for path in ["app/__pycache__", "app/__pycache__/main.pyc"] {
        sandbox.write("devshell.toml", from(path));
        sandbox.devsh(&["image", "build", "--trust"]).success();
    }
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
    let (Some(registry), true) = (
        Registry::start(""),
        require_all(&["runc", "skopeo", "umoci", "uv"]),
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
    push_base(&registry, &sandbox, &programs, "base:1");
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
    let bundle = Bundle::unpack(&layout, &sandbox.root().join("bundle"));
    assert_eq!(host_paths(&sandbox, &bundle.root()), "");
    let output = bundle.run(&[]);
    assert!(
        output.starts_with("/devsh/profile /devsh/store/"),
        "{output}"
    );
    assert!(!bundle.has_program("uv"), "uv only installed the packages");

    // Another user gets the same image.
    let other = tools_sandbox(&server, Sandbox::new()).unwrap();
    let other = other.manifest(&manifest);
    for file in ["main.py", "devshell.lock"] {
        fs::copy(sandbox.project().join(file), other.project().join(file)).unwrap();
    }
    assert_eq!(digest(&other, &["--expect", &first]), first);
}

/// Wheels for another processor are unpacked; a package without one is named.
#[test]
fn wheels_are_installed_for_another_processor() {
    let Some((version, archive)) = cpython::repackaged() else {
        return;
    };
    if !require_all(&["umoci", "uv"]) {
        return;
    }
    let (other, platform, tag) = match System::current() {
        Some(System::LinuxAarch64) => (System::LinuxX86_64, "linux/amd64", "x86_64"),
        _ => (System::LinuxAarch64, "linux/arm64", "aarch64"),
    };
    let server = Server::start();
    let foreign = cpython::tiny(&version);
    cpython::serve(&server, &version, &archive);
    cpython::serve_for(&server, other, &version, &foreign);
    serve_tool(&server, "nativelib", &["1.0"]);
    serve_tool_on(
        &server,
        "onlyhere",
        "1.0.0",
        &format!("manylinux2014_{}", std::env::consts::ARCH),
    );
    serve_pure(&server, &[pure("tester", "1.0", &[], &["tester"])]);
    let Some(sandbox) = tools_sandbox(&server, Sandbox::new()) else {
        return;
    };
    let sandbox = sandbox.manifest(&format!("[tools]\npython = \"{version}\"\n"));
    sandbox.devsh(&["lock", "--trust"]).success();
    cpython::adopt(&sandbox, &version, &archive);
    cpython::adopt_for(&sandbox, other, &version, &foreign);
    let manifest = format!(
        "[tools]\npython = \"{version}\"\n\"pypi:tester\" = \"1\"\n[python]\npackages = [\"nativelib\"]\n\
         [image]\nbase = \"scratch\"\n"
    );
    sandbox.write("devshell.toml", &manifest);
    let layout = sandbox.root().join("layout");
    let output = layout.to_str().unwrap();
    let sbom = sandbox.root().join("sbom.json");
    let written = ["-o", output, "--sbom", sbom.to_str().unwrap()];
    digest(
        &sandbox,
        &[&["--platform", platform], &written[..]].concat(),
    );
    let sbom: serde_json::Value = serde_json::from_slice(&fs::read(&sbom).unwrap()).unwrap();
    let parts = sbom["components"].as_array().unwrap();
    let names: Vec<_> = parts
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    // The uv of this machine has installed them.
    assert_eq!(names, ["nativelib", "python", "tester"]);
    let digest_of_python = &parts[1]["hashes"][0]["content"];
    assert_eq!(*digest_of_python, archive::sha256(&foreign), "{sbom}");
    let root = unpack(&layout, &sandbox.root().join("bundle"));
    assert_eq!(host_paths(&sandbox, &root), "");
    let minor = version.rsplit_once('.').unwrap().0;
    let inside = |path: &Path| root.join(path.strip_prefix("/").unwrap());
    let interpreter = fs::read_link(root.join("devsh/profile/bin/python")).unwrap();
    let interpreter = fs::read_to_string(inside(&interpreter)).unwrap();
    assert!(interpreter.starts_with("#!/bin/sh"), "{interpreter}");
    let packages = root.join(format!("devsh/profile/lib/python{minor}/site-packages"));
    let line = fs::read_to_string(packages.join("_devsh.pth")).unwrap();
    let packages = inside(Path::new(line.lines().next().unwrap()));
    let wheel = fs::read_to_string(packages.join("nativelib-1.0.dist-info/WHEEL")).unwrap();
    assert!(wheel.contains(tag), "{wheel}");
    let settings = packages.join("../../../pyvenv.cfg");
    let settings = fs::read_to_string(settings).unwrap();
    assert!(settings.contains("home = /devsh/store/"), "{settings}");
    assert!(
        root.join("devsh/profile/bin/tester")
            .symlink_metadata()
            .is_ok()
    );

    sandbox.write(
        "devshell.toml",
        manifest.replace("\"nativelib\"", "\"nativelib\", \"onlyhere\""),
    );
    sandbox
        .devsh(&["image", "build", "--trust", "--platform", platform])
        .error(&["onlyhere", &format!("the image is for {other}")]);
    // A package in a directory is built by its own code.
    sandbox.write(
        "pyproject.toml",
        "[project]\nname = \"app\"\nversion = \"1\"\n[build-system]\nrequires = []\n\
         build-backend = \"backend\"\nbackend-path = [\".\"]\n",
    );
    sandbox.write("requirements.txt", "-e .\n");
    sandbox.write(
        "devshell.toml",
        format!("[tools]\npython = \"{version}\"\n[python]\nlock = \"requirements.txt\"\n[image]\nbase = \"scratch\"\n"),
    );
    sandbox
        .devsh(&["image", "build", "--trust", "--platform", platform])
        .error(&[
            "the project itself",
            &format!("cannot be built for {other}"),
        ]);
}

const WHERE: conda::Package<'_> = conda::Package {
    name: "where",
    version: "1.0",
    depends: &["libwhere"],
    files: &[
        (
            "bin/where",
            "#!/bin/sh\n. PREFIX/etc/settings\necho $VALUE at PREFIX and $WHERE_HOME\n",
        ),
        (
            "etc/conda/activate.d/where.sh",
            "export WHERE_HOME=PREFIX/share\nexport PATH=PREFIX/more:$PATH\n",
        ),
        ("lib/where.bin", "begin\0PREFIX/lib\0end"),
    ],
};
const LIBRARY: conda::Package<'_> = conda::Package {
    name: "libwhere",
    version: "1.0",
    depends: &[],
    files: &[("etc/settings", "VALUE=here\n")],
};

/// The prefix of conda packages is linked for its place in the image, with the variables of their scripts.
#[test]
fn conda_packages_run_in_a_container() {
    let (Some(registry), true) = (
        Registry::start(""),
        require_all(&["runc", "skopeo", "umoci"]),
    ) else {
        return;
    };
    let server = Server::start();
    conda::serve_channel(&server, &[WHERE, LIBRARY], conda::Layout::Sharded);
    let sandbox = Sandbox::new().served_by(&server);
    push_base(&registry, &sandbox, &[], "base:1");
    let manifest = format!(
        "[tools]\n\"conda:where\" = \"1\"\n[conda]\nchannels = [\"team\"]\n\
         [image]\nbase = \"{}/base:1\"\ncmd = [\"where\"]\n",
        registry.address
    );
    let sandbox = sandbox.manifest(&manifest);
    let layout = sandbox.root().join("layout");
    let first = digest(&sandbox, &["-o", layout.to_str().unwrap()]);
    let bundle = Bundle::unpack(&layout, &sandbox.root().join("bundle"));
    let store = fs::read_dir(bundle.root().join("devsh/store")).unwrap();
    let objects: Vec<_> = store
        .map(|one| one.unwrap().file_name().into_string().unwrap())
        .collect();
    let [prefix] = objects.as_slice() else {
        panic!("the packages themselves are not in the image: {objects:?}");
    };
    let prefix = format!("/devsh/store/{prefix}");
    assert_eq!(
        bundle.run(&[]),
        format!("here at {prefix} and {prefix}/share\n")
    );
    let place = bundle.root().join(prefix.trim_start_matches('/'));
    let binary = fs::read_to_string(place.join("lib/where.bin")).unwrap();
    assert!(binary.starts_with(&format!("begin\0{prefix}/lib\0")));
    assert!(binary.ends_with("\0end"));
    assert_eq!(host_paths(&sandbox, &bundle.root()), "");
    let env = config(&layout)["config"]["Env"].to_string();
    for part in [
        format!("\"CONDA_PREFIX={prefix}\""),
        format!("\"WHERE_HOME={prefix}/share\""),
        format!("\"PATH=/devsh/profile/bin:{prefix}/more:"),
    ] {
        assert!(env.contains(&part), "{part}: {env}");
    }

    // The store of another user is in another place.
    let other = Sandbox::new().served_by(&server).manifest(&manifest);
    let lock = fs::read(sandbox.project().join("devshell.lock")).unwrap();
    other.write("devshell.lock", lock);
    assert_eq!(digest(&other, &["--expect", &first]), first);
}

#[test]
fn an_image_has_no_earlier_image_in_it() {
    let server = Server::start();
    let sandbox = project(&server, Sandbox::odd());
    let outputs = ["-o", "./image.tar", "--sbom", "sbom.json"];
    let first = digest(&sandbox, &outputs);
    assert_eq!(digest(&sandbox, &outputs), first);
    let layout = ["-o", "layout", "--sbom", "sbom.json"];
    fs::remove_file(sandbox.project().join("image.tar")).unwrap();
    assert_eq!(digest(&sandbox, &layout), first);
    assert_eq!(digest(&sandbox, &layout), first);
}

#[test]
fn an_image_replaces_only_an_earlier_build_of_itself() {
    let server = Server::start();
    let more = "[images.worker]\ncmd = [\"just\"]\n";
    let sandbox = project(&server, Sandbox::odd()).manifest(&format!("{MANIFEST}{more}"));
    let build =
        |arguments: &[&str]| sandbox.devsh(&[&["image", "build", "--trust"], arguments].concat());
    let index = sandbox.project().join("layout/index.json");
    build(&["-o", "layout"]).success();
    build(&["-o", "layout", "--tag", "2"]).success();
    let before = fs::read(&index).unwrap();
    build(&["worker", "-o", "layout"]).error(&["`layout` has another image", "`-o DIR`"]);
    assert_eq!(fs::read(&index).unwrap(), before);
    // Another program adds an image, or puts one in the place of the built one.
    let mut changed: serde_json::Value = serde_json::from_slice(&before).unwrap();
    let own = changed["manifests"][0].clone();
    let mut other = own.clone();
    let names = other["annotations"].as_object_mut().unwrap();
    names.retain(|key, _| key == "org.opencontainers.image.ref.name");
    for images in [vec![own, other.clone()], vec![other]] {
        changed["manifests"] = images.into();
        let text = changed.to_string();
        fs::write(&index, &text).unwrap();
        build(&["-o", "layout"]).error(&["`layout` has another image"]);
        assert_eq!(fs::read_to_string(&index).unwrap(), text);
    }
    // Directories that are no layouts.
    sandbox.write("public/index.json", "{\"mine\": 1}");
    for output in ["public", "notes", "."] {
        build(&["-o", output]).error(&[&format!("`{output}` has other files than an image")]);
        assert!(!sandbox.project().join(output).join("blobs").exists());
    }
    let mine = fs::read(sandbox.project().join("public/index.json")).unwrap();
    assert_eq!(mine, b"{\"mine\": 1}");
    // A build that fails leaves a layout for the next one.
    fs::create_dir(sandbox.project().join("new")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", sandbox.project().join("link")).unwrap();
    build(&["-o", "new"]).error(&["`link` is a symlink"]);
    fs::remove_file(sandbox.project().join("link")).unwrap();
    build(&["-o", "new"]).success();
}

#[test]
fn names_that_layers_cannot_have_are_errors() {
    let server = Server::start();
    let sandbox = project(&server, Sandbox::new());
    let build = || sandbox.devsh(&["image", "build", "--trust"]);
    for name in ["app/.wh.etc", "app/.wh..wh..opq", ".wh.d/file"] {
        sandbox.write(name, "");
        build().error(&[
            &format!(
                "`/app/{}` cannot be in an image",
                name.trim_end_matches("/file")
            ),
            "devshell.toml:7",
            ".dockerignore",
        ]);
        fs::remove_file(sandbox.project().join(name)).unwrap();
    }
    fs::remove_dir(sandbox.project().join(".wh.d")).unwrap();
    let odd = sandbox.project().join(OsStr::from_bytes(b"app/\xff"));
    fs::write(&odd, "").unwrap();
    build().error(&["app/", "` is not UTF-8", "devshell.toml:7"]);
    fs::remove_file(&odd).unwrap();
    sandbox.write(
        "devshell.toml",
        MANIFEST.replace("\"/app\" }", "\"/a/.wh.x\" }"),
    );
    build().error(&["`/a/.wh.x` cannot be in an image", "devshell.toml:7"]);
}

#[test]
fn no_copy_goes_through_a_symlink_of_another_one() {
    let server = Server::start();
    let sandbox = project(&server, Sandbox::new());
    std::os::unix::fs::symlink("../app", sandbox.project().join("notes/link")).unwrap();
    let rules = [
        "{ from = \"notes/link\", to = \"/x\" }",
        "{ from = \"app/main.py\", to = \"/x/main.py\" }",
    ];
    for rules in [rules, [rules[1], rules[0]]] {
        let copy = format!("copy = [{}]", rules.join(", "));
        let manifest = MANIFEST.replace("copy = [{ from = \".\", to = \"/app\" }]", &copy);
        sandbox.write("devshell.toml", manifest);
        let built = sandbox.devsh(&["image", "build", "--trust"]);
        built.error(&[
            "`/x/main.py` cannot be in an image together with `/x`",
            "devshell.toml:7",
        ]);
    }
}

#[test]
fn ignore_files_are_checked_as_other_files_of_a_project() {
    let server = Server::start();
    let sandbox = Sandbox::new().served_by(&server);
    let root = sandbox.home().join("repository");
    let project = root.join("project");
    fs::create_dir_all(project.join("app")).unwrap();
    fs::create_dir_all(root.join(".git/info")).unwrap();
    fs::create_dir(root.join(".git/objects")).unwrap();
    fs::write(root.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    fs::write(project.join("app/file"), "").unwrap();
    fs::write(
        project.join("devshell.toml"),
        "[image]\nbase = \"scratch\"\ncopy = [{ from = \"app\", to = \"/app\" }]\n",
    )
    .unwrap();
    let secret = sandbox.home().join("secret");
    fs::write(&secret, "# first\nSECRET{a[z\n").unwrap();
    let build = || {
        let mut command = sandbox.command("devsh");
        command
            .args(["image", "build", "--trust"])
            .current_dir(&project);
        sandbox.outcome(&mut command)
    };
    build().success();
    let files = [
        project.join(".dockerignore"),
        project.join(".gitignore"),
        project.join("app/.gitignore"),
        root.join(".gitignore"),
        root.join(".git/info/exclude"),
    ];
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        std::os::unix::fs::symlink(&secret, file).unwrap();
        build().error(&[name, "is a symlink that leads out of the project"]);
        fs::remove_file(file).unwrap();
        fs::copy(&secret, file).unwrap();
        let outcome = build().error(&["a pattern is not valid", &format!("{name}:2")]);
        assert!(!outcome.stderr.contains("SECRET"), "{outcome}");
        fs::write(file, "").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o666)).unwrap();
        build().error(&[name, "can be changed by every user", "chmod o-w"]);
        fs::remove_file(file).unwrap();
    }
    let copied = project.join("app/file");
    fs::set_permissions(&copied, fs::Permissions::from_mode(0o666)).unwrap();
    build().error(&["app/file", "can be changed by every user", "chmod o-w"]);
}

/// Packages of the index on the Python of a conda prefix: both name places, and neither is that of this machine.
#[test]
fn wheels_on_the_python_of_conda_run_in_a_container() {
    let Some((version, archive)) = cpython::repackaged() else {
        return;
    };
    let (Some(registry), true) = (Registry::start(""), require_all(&["runc", "umoci", "uv"]))
    else {
        return;
    };
    let server = Server::start();
    serve(&server);
    let minor = version.rsplit_once('.').unwrap().0.to_owned();
    let python = conda::FilePackage::of_archive("python", &version, &archive);
    let native = conda::FilePackage::new("native", "1.0", &["python"]).file(
        &format!("lib/python{minor}/site-packages/native.py"),
        "PLACE = __file__\n",
        false,
    );
    conda::serve_files(&server, &[python, native], conda::Layout::Sharded);
    let programs = [cpython::prefix().unwrap().join("bin/python3")];
    let sandbox = tools_sandbox(&server, Sandbox::new()).unwrap();
    push_base(&registry, &sandbox, &programs, "base:1");
    let code = "import native, helper_lib; print(native.PLACE, helper_lib.__file__)";
    let manifest = format!(
        "[tools]\npython = \"{minor}\"\n[python]\nfrom = \"conda\"\npackages = [\"helper-lib\"]\n\
         [conda]\nchannels = [\"team\"]\npackages = [\"native\"]\n\
         [image]\nbase = \"{}/base:1\"\ncmd = [\"python\", \"-c\", \"{code}\"]\n",
        registry.address
    );
    let sandbox = sandbox.manifest(&manifest);
    let layout = sandbox.root().join("layout");
    let first = digest(&sandbox, &["-o", layout.to_str().unwrap()]);
    let bundle = Bundle::unpack(&layout, &sandbox.root().join("bundle"));
    assert_eq!(host_paths(&sandbox, &bundle.root()), "");
    let places = bundle.run(&[]);
    let places: Vec<&str> = places.split_whitespace().collect();
    let [native, helper] = places.as_slice() else {
        panic!("{places:?}");
    };
    assert!(native.starts_with("/devsh/store/"), "{native}");
    assert!(helper.contains("-python-packages-"), "{helper}");

    let other = tools_sandbox(&server, Sandbox::new())
        .unwrap()
        .manifest(&manifest);
    let lock = fs::read(sandbox.project().join("devshell.lock")).unwrap();
    other.write("devshell.lock", lock);
    assert_eq!(digest(&other, &["--expect", &first]), first);
}

/// An image with a layer that is uploaded in parts, for `registry` behind a proxy.
fn large_image(server: &Server) -> Sandbox {
    let sandbox = project(server, Sandbox::new());
    let mut random = Random::new(21);
    let bytes: Vec<u8> = (0..40 << 20)
        .map(|_| u8::try_from(random.below(256)).unwrap())
        .collect();
    sandbox.write("large.bin", bytes);
    sandbox
}

#[test]
fn broken_uploads_go_on_or_begin_again() {
    let (Some(registry), true) = (Registry::start(""), require_all(&["skopeo"])) else {
        return;
    };
    let proxy = Proxy::start(&registry.address);
    let server = Server::start();
    let sandbox = large_image(&server);
    let built = digest(&sandbox, &[]);
    let push = |name: &str| {
        let name = format!("{}/{name}", proxy.address);
        sandbox.devsh(&["image", "push", "--trust", &name])
    };
    let check = |name: &str| {
        assert_eq!(registry.inspect(name)["Digest"], built);
        // It reads every blob and checks its digest.
        let copy = sandbox.root().join(format!("copy-{name}"));
        skopeo(&[
            "copy",
            "--quiet",
            "--src-tls-verify=false",
            &format!("docker://{}/{name}", registry.address),
            &format!("dir:{}", copy.display()),
        ]);
    };
    for (name, faults) in [
        ("cut", vec![("PATCH", ProxyFault::Cut(5 << 20))]),
        (
            "refused",
            vec![
                ("PATCH", ProxyFault::Answer(503)),
                ("PUT", ProxyFault::Answer(502)),
            ],
        ),
        (
            "expired",
            vec![
                ("PATCH", ProxyFault::Answer(404)),
                ("GET", ProxyFault::Answer(404)),
            ],
        ),
        (
            "lost",
            vec![("PATCH", ProxyFault::Deaf), ("PUT", ProxyFault::Deaf)],
        ),
        ("small", vec![("PUT", ProxyFault::Cut(10))]),
    ] {
        for (method, fault) in faults {
            proxy.fault(method, fault);
        }
        push(name).success();
        proxy.requests();
        check(name);
    }

    // A registry that refuses is asked once.
    proxy.fault("POST", ProxyFault::Answer(403));
    push("denied").error(&["answered 403", "docker login"]);
    proxy.requests();

    // A devsh that is killed in the middle leaves no image, and the next one completes it.
    proxy.fault("PATCH", ProxyFault::Hang);
    let mut command = sandbox.command("devsh");
    let mut killed = command
        .args(["image", "push", "--trust"])
        .arg(format!("{}/killed", proxy.address))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    proxy.wait_for("PATCH");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let tags = ["list-tags", "--tls-verify=false"];
    let name = format!("docker://{}/killed", registry.address);
    let listed = Command::new("skopeo").args(tags).arg(&name).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    assert!(!listed.contains("latest"), "{listed}");
    push("killed").success();
    check("killed");
}

#[test]
fn the_layers_of_the_base_are_mounted() {
    let (Some(registry), true) = (Registry::start(""), require_all(&["skopeo", "umoci"])) else {
        return;
    };
    let proxy = Proxy::start(&registry.address);
    let server = Server::start();
    let sandbox = project(&server, Sandbox::new());
    push_base(&registry, &sandbox, &[], "team/base:12");
    let name = format!("{}/team/base:12", proxy.address);
    sandbox.write(
        "devshell.toml",
        MANIFEST.replace("\"scratch\"", &format!("\"{name}\"")),
    );
    let layers = layers(&registry.inspect("team/base:12"));
    let reference = format!("{}/app:1", proxy.address);
    let pushed = sandbox.devsh(&["image", "push", "--trust", &reference]);
    let pushed = pushed.success().stdout;
    let requests = proxy.requests();
    for layer in &layers {
        let mount = format!(
            "mount=sha256%3A{}&from=team%2Fbase",
            &layer["sha256:".len()..]
        );
        assert!(
            requests.iter().any(|one| one.contains(&mount)),
            "{mount}: {requests:?}"
        );
        let uploaded = format!("digest=sha256%3A{}", &layer["sha256:".len()..]);
        assert!(!requests.iter().any(|one| one.contains(&uploaded)));
    }
    // skopeo agrees on every digest: the image that it pulls has the blobs of the one that was built.
    let built = sandbox.root().join("built");
    let digest = digest(&sandbox, &["-o", built.to_str().unwrap()]);
    assert!(pushed.trim().ends_with(&digest), "{pushed}");
    let pulled = sandbox.root().join("pulled");
    skopeo(&[
        "copy",
        "--quiet",
        "--preserve-digests",
        "--src-tls-verify=false",
        &format!("docker://{}/app:1", registry.address),
        &format!("oci:{}:latest", pulled.display()),
    ]);
    let blobs = |layout: &Path| {
        let blobs = fs::read_dir(layout.join("blobs/sha256")).unwrap();
        let mut names: Vec<_> = blobs.map(|one| one.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(blobs(&pulled), blobs(&built));
}

#[test]
fn an_archive_is_one_of_docker_too() {
    if !require_all(&["skopeo"]) {
        return;
    }
    let server = Server::start();
    let sandbox = project(&server, Sandbox::odd());
    let archive = sandbox.root().join("image.tar");
    digest(
        &sandbox,
        &["-o", archive.to_str().unwrap(), "--tag", "team/app:1.0"],
    );
    // skopeo checks the layers against the digests of the configuration.
    for transport in ["docker-archive", "oci-archive"] {
        let copy = sandbox.root().join(transport);
        let image = match transport {
            "docker-archive" => format!("{transport}:{}:team/app:1.0", archive.display()),
            _ => format!("{transport}:{}", archive.display()),
        };
        skopeo(&[
            "copy",
            "--quiet",
            &image,
            &format!("oci:{}:latest", copy.display()),
        ]);
        assert_eq!(config(&copy)["config"]["User"], "1000");
    }
}

#[test]
fn an_image_is_loaded_into_the_engine_that_runs() {
    let server = Server::start();
    let sandbox = project(&server, Sandbox::new());
    let bin = sandbox.root().join("bin");
    let load = || {
        let mut command = sandbox.command("devsh");
        sandbox.outcome(command.args(["image", "load", "--trust"]).env("PATH", &bin))
    };
    load().error(&["there is no docker and no podman on PATH"]);
    sandbox.program("docker", "#!/bin/sh\necho 'no daemon' >&2\nexit 1\n");
    load().error(&["no engine can load the image", "no daemon"]);
    sandbox.program(
        "podman",
        "#!/bin/sh\n[ \"$1 $2 $3\" = 'load --quiet --input' ] && [ -s \"$4\" ]\n",
    );
    assert_eq!(load().success().stdout, "project:latest\n");
}

#[test]
fn images_of_one_manifest_share_its_keys() {
    if !require_all(&["skopeo"]) {
        return;
    }
    let server = Server::start();
    let more = "[images.worker]\nentrypoint = [\"just\"]\ncmd = [\"--list\"]\nlabels = { tier = \"back\" }\n";
    let sandbox = project(&server, Sandbox::new()).manifest(&format!("{MANIFEST}{more}"));
    let layout = sandbox.root().join("layout");
    let revision = "org.opencontainers.image.revision=0123abc";
    let output = layout.to_str().unwrap();
    digest(&sandbox, &["worker", "-o", output, "--label", revision]);
    let config = config(&layout)["config"].clone();
    assert_eq!(config["Entrypoint"], serde_json::json!(["just"]));
    assert_eq!(config["Cmd"], serde_json::json!(["--list"]));
    assert_eq!(config["WorkingDir"], "/app");
    assert_eq!(
        config["Labels"],
        serde_json::json!({
            "org.opencontainers.image.source": "https://example.org/app",
            "org.opencontainers.image.revision": "0123abc",
            "tier": "back",
        })
    );
    sandbox
        .devsh(&["image", "build", "other", "--trust"])
        .error(&["there is no image `other`", "`worker`"]);
    sandbox
        .devsh(&["image", "build", "--trust", "--label", "x"])
        .error(&["`x` is not a label", "--label NAME=VALUE"]);
}

#[test]
fn failures_name_the_object_and_a_fix() {
    let (Some(registry), true) = (Registry::start(""), require_all(&["skopeo", "umoci"])) else {
        return;
    };
    let server = Server::start();
    let sandbox = project(&server, Sandbox::new());
    sandbox
        .devsh(&["image", "push", "--trust", "127.0.0.1:9/app"])
        .error(&["cannot reach `127.0.0.1", "`127.0.0.1:9` is the right host"]);
    sandbox
        .devsh(&["image", "push", "--trust", "UPPER/app"])
        .error(&["the name of an image"]);
    push_base(&registry, &sandbox, &[], "base:12");
    let name = format!("{}/base:12", registry.address);
    let manifest = MANIFEST.replace("\"scratch\"", &format!("\"{name}\""));
    sandbox.write("devshell.toml", &manifest);
    sandbox.devsh(&["lock", "--trust"]).success();
    // Another image is in the place of the locked one.
    let digest = registry.inspect("base:12")["Digest"].clone();
    registry.replace_blob(digest.as_str().unwrap(), b"{\"schemaVersion\":2}");
    sandbox
        .devsh(&["image", "build", "--trust"])
        .error(&["digest mismatch", "base/manifests"]);
    sandbox.write("devshell.toml", manifest.replace("base:12", "absent:1"));
    sandbox.devsh(&["image", "build", "--trust"]).error(&[
        "answered 404",
        "devshell.toml:6 asks for the base",
        "absent:1",
    ]);
    // A disk that takes no more.
    sandbox.write("devshell.toml", MANIFEST);
    sandbox.write("large.bin", vec![7; 1 << 20]);
    let mut command = sandbox.command("sh");
    command.args([
        "-c",
        "trap '' XFSZ; ulimit -f 8; exec devsh image build --trust -o full.tar",
    ]);
    let outcome = sandbox.outcome(&mut command);
    outcome.error(&["cannot write", "full.tar"]);
    assert!(!sandbox.project().join("full.tar").exists());
}
