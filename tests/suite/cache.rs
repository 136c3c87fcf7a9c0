//! Caches of a team, on real servers of this machine: a directory, a web server, `SeaweedFS` and `docker-registry`.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    applications::{pure, serve},
    support::{Sandbox, Server, cpython, pypi, require, server::Fault},
};

const MANIFEST: &str = "[tools]\npython = \"VERSION\"\nuv = \"*\"\nruff = \"*\"\n\
     [python]\npackages = [\"helper-lib\"]\n";

/// A project of Python whose dev shell is built in one home.
struct Team {
    server: Server,
    builder: Sandbox,
}

/// A server of another program, killed at the end.
struct Process {
    child: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        // SeaweedFS does not end when it is asked to.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Waits until the server of a process answers.
fn started(command: &mut Command, port: u16, directory: tempfile::TempDir) -> Process {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = Process {
        child,
        port,
        _directory: directory,
    };
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_mins(1), "no server");
        thread::sleep(Duration::from_millis(50));
    }
    process
}

fn registry() -> Option<Process> {
    let program = require("docker-registry")?;
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let file = directory.path().join("config.yml");
    let text = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
        directory.path().join("data").display()
    );
    fs::write(&file, text).unwrap();
    let mut command = Command::new(program);
    command.arg("serve").arg(&file);
    Some(started(&mut command, port, directory))
}

/// Starts storage with one bucket `team` and one access key.
fn storage() -> Option<Process> {
    let program = require("weed")?;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let access = root.join("s3.json");
    let text = r#"{"identities": [{"name": "ci", "credentials": [{"accessKey": "ci", "secretKey": "secret"}],
        "actions": ["Admin", "Read", "Write", "List"]}]}"#;
    fs::write(&access, text).unwrap();
    fs::create_dir(root.join("data")).unwrap();
    let port = free_port();
    let mut command = Command::new(program);
    command.args(["server", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]);
    command.args(["-volume.max=8", "-master.volumeSizeLimitMB=64"]);
    command.arg(format!("-dir={}", root.join("data").display()));
    command.arg(format!("-s3.config={}", access.display()));
    command.arg(format!("-s3.port={port}"));
    for name in ["master", "volume", "filer"] {
        // Each uses the port 10000 higher too.
        command.arg(format!("-{name}.port={}", free_port() % 20_000 + 20_000));
        command.arg(format!("-{name}.port.grpc={}", free_port()));
    }
    command.arg(format!("-s3.port.grpc={}", free_port()));
    command.current_dir(root).env("HOME", root);
    Some(started(&mut command, port, directory))
}

impl Team {
    fn new() -> Option<Self> {
        let uv = require("uv")?;
        let (version, archive) = cpython::repackaged()?;
        let server = Server::start();
        let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", uv.display());
        pypi::serve_tool_as(&server, ("uv", "0.9.9"), "uv", script.as_bytes());
        serve(&server);
        pypi::serve_tool(&server, "ruff", &["0.12.4"]);
        pypi::serve_pure(&server, &[pure("tester", "1.0", &[], &["tester"])]);
        cpython::serve(&server, &version, &archive);
        let manifest = MANIFEST.replace("VERSION", &version);
        let (tools, _) = manifest.split_once("[python]").unwrap();
        let builder = Sandbox::new().served_by(&server).manifest(tools);
        builder.devsh(&["lock", "--trust"]).success();
        cpython::adopt(&builder, &version, &archive);
        // Packages are resolved by the Python that is adopted now.
        let builder = builder.manifest(&manifest);
        builder.devsh(&["lock", "--trust"]).success();
        Some(Self { server, builder })
    }

    /// Makes a key for the builder and returns its public part.
    fn key(&self) -> String {
        let made = self
            .builder
            .devsh(&["cache", "key", "new", "team-1"])
            .success();
        made.stdout.trim().to_owned()
    }

    /// Pushes the project of the builder to a cache with these settings.
    fn push(&self, cache: &str) -> Value {
        let text =
            format!("{cache}push = true\nsigning-key = \"~/.config/devsh/keys/team-1.key\"\n");
        self.configure(&text);
        let pushed = self.builder.devsh(&["cache", "push", "--trust", "--json"]);
        serde_json::from_str(&pushed.success().stdout).unwrap()
    }

    fn configure(&self, text: &str) {
        let path = self.builder.home().join(".config/devsh/config.toml");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Returns another home with the same project and this configuration.
    fn second(&self, config: &str) -> Sandbox {
        let second = Sandbox::new().served_by(&self.server).config(config);
        for name in ["devshell.toml", "devshell.lock"] {
            second.write(name, fs::read(self.builder.project().join(name)).unwrap());
        }
        self.server.requests();
        second
    }

    /// Runs the project's package in a second home and returns which files its publishers were asked for.
    fn run_in(&self, second: &Sandbox) -> Vec<String> {
        let run = ["run", "--locked", "--trust", "--", "helper"];
        let ran = second.devsh(&run).success();
        assert_eq!(ran.stdout, "helper-lib 1.0\n", "{}", ran.stderr);
        self.server.requests()
    }

    /// Pushes to a cache and uses it in a clean home, where nothing is asked for elsewhere and nothing is built.
    fn share(&self, cache: &str, credentials: &[(&str, &str)]) {
        let key = self.key();
        let report = self.push(cache);
        assert_eq!(report[0]["not_shared"], serde_json::json!([]), "{report}");
        assert!(report[0]["written"].as_u64().unwrap() >= 4, "{report}");
        let again = self.push(cache);
        assert_eq!(again[0]["written"], 0, "{again}");
        let mut second = self.second(&format!("{cache}keys = [\"{key}\"]\n"));
        for (name, value) in credentials {
            second = second.env(name, value);
        }
        assert_eq!(self.run_in(&second), Vec::<String>::new());
        let checked = second.devsh(&["cache", "verify", "--json"]).success();
        let checked: Value = serde_json::from_str(&checked.stdout).unwrap();
        assert_eq!(checked[0]["damaged"], serde_json::json!([]), "{checked}");
        second.devsh(&["verify"]).success();
    }
}

#[test]
fn a_clean_home_needs_only_a_directory() {
    let Some(team) = Team::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let url = format!(
        "[[caches]]\nurl = \"file://{}\"\n",
        directory.path().display()
    );
    team.share(&url, &[]);
}

#[test]
fn a_bundle_serves_a_machine_without_a_network() {
    let Some(team) = Team::new() else { return };
    let key = team.key();
    let secret = fs::read_to_string(team.builder.home().join(".config/devsh/keys/team-1.key"));
    let (builder, bundle) = (&team.builder, team.builder.root().join("bundle"));
    let mut export = builder.command(crate::support::sandbox::DEVSH);
    export
        .args(["cache", "export", "--trust"])
        .arg(&bundle)
        .env("DEVSH_SIGNING_KEY", secret.unwrap().trim());
    builder.outcome(&mut export).success();
    let config = format!(
        "[[caches]]\nurl = \"file://{}\"\nkeys = [\"{key}\"]\n",
        bundle.display()
    );
    let second = team.second(&config);
    let run = ["run", "--offline", "--locked", "--trust", "--", "helper"];
    assert_eq!(second.devsh(&run).success().stdout, "helper-lib 1.0\n");
    assert_eq!(team.server.requests(), Vec::<String>::new());
}

#[test]
fn a_clean_home_needs_only_s3_storage() {
    let (Some(team), Some(storage)) = (Team::new(), storage()) else {
        return;
    };
    let team = Team {
        builder: team
            .builder
            .env("AWS_ACCESS_KEY_ID", "ci")
            .env("AWS_SECRET_ACCESS_KEY", "secret"),
        ..team
    };
    let endpoint = format!("http://127.0.0.1:{}", storage.port);
    make_bucket(&endpoint);
    let cache = format!(
        "[[caches]]\nurl = \"s3://team/devsh\"\nendpoint = \"{endpoint}\"\nregion = \"us-east-1\"\n"
    );
    team.share(
        &cache,
        &[
            ("AWS_ACCESS_KEY_ID", "ci"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ],
    );
    // A wrong key costs one line, and the work is done without the cache.
    let wrong = team
        .second(&cache)
        .env("AWS_ACCESS_KEY_ID", "ci")
        .env("AWS_SECRET_ACCESS_KEY", "wrong");
    assert!(!team.run_in(&wrong).is_empty());
}

/// Creates the bucket, once the storage is ready for it.
fn make_bucket(endpoint: &str) {
    let credentials = rusty_s3::Credentials::new("ci", "secret");
    let bucket = rusty_s3::Bucket::new(
        endpoint.parse().unwrap(),
        rusty_s3::UrlStyle::Path,
        "team",
        "us-east-1",
    );
    let bucket = bucket.unwrap();
    let start = Instant::now();
    loop {
        let action = rusty_s3::actions::CreateBucket::new(&bucket, &credentials);
        let url = rusty_s3::S3Action::sign(&action, Duration::from_mins(5));
        let answer = ureq::put(url.as_str()).send_empty();
        if answer.is_ok() {
            return;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{answer:?}");
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_clean_home_needs_only_a_registry() {
    let (Some(team), Some(registry)) = (Team::new(), registry()) else {
        return;
    };
    let cache = format!(
        "[[caches]]\nurl = \"oci://127.0.0.1:{}/team/devsh\"\n",
        registry.port
    );
    team.share(&cache, &[]);
}

/// Changes the bytes of a file.
type Change<'c> = &'c dyn Fn(&mut Vec<u8>);

/// Changes every file below a directory.
fn change_all(directory: &Path, change: &dyn Fn(&mut Vec<u8>)) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            change_all(&path, change);
        } else {
            let mut bytes = fs::read(&path).unwrap();
            change(&mut bytes);
            fs::write(&path, bytes).unwrap();
        }
    }
}

#[test]
fn a_cache_that_is_wrong_costs_one_line_and_nothing_else() {
    let Some(team) = Team::new() else { return };
    let key = team.key();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("cache");
    let url = format!("[[caches]]\nurl = \"file://{}\"\n", root.display());
    let flip = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    };
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    let cases: [(&str, Change<'_>); 3] = [("blobs", &flip), ("blobs", &cut), ("artifacts", &flip)];
    for (part, change) in cases {
        team.push(&url);
        change_all(&root.join(part), change);
        let second = team.second(&format!("{url}keys = [\"{key}\"]\n"));
        let run = ["run", "--locked", "--trust", "--", "helper"];
        let ran = second.devsh(&run).success();
        assert_eq!(ran.stdout, "helper-lib 1.0\n");
        assert_eq!(
            ran.stderr.matches("is not used").count(),
            1,
            "{}",
            ran.stderr
        );
        second.devsh(&["verify"]).success();
        second.devsh(&["cache", "verify"]).code(1);
        fs::remove_dir_all(&root).unwrap();
    }
}

#[test]
fn a_record_is_used_only_with_a_trusted_signature() {
    let Some(team) = Team::new() else { return };
    let key = team.key();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let url = format!("[[caches]]\nurl = \"file://{}\"\n", root.display());
    team.push(&url);
    let web = Server::start();
    serve_files(&web, root, "/cache");
    // Returns whether the packed tree was taken after the record was read.
    let takes_blob = |key: &str| {
        let config = format!(
            "[[caches]]\nurl = \"{}/cache\"\nkeys = [\"{key}\"]\n",
            web.address()
        );
        web.requests();
        team.run_in(&team.second(&config));
        let asked = web.requests();
        assert!(
            asked.iter().any(|one| one.contains("/objects/")),
            "{asked:?}"
        );
        asked.iter().any(|one| one.contains("/blobs/"))
    };
    assert!(takes_blob(&key));
    let other = Sandbox::new();
    let other = other.devsh(&["cache", "key", "new", "team-1"]).success();
    assert!(!takes_blob(other.stdout.trim()), "the key of a stranger");
    let record = web.paths("/cache/objects/").remove(0);
    let whole = web.content(&record);
    let text = String::from_utf8(whole.clone()).unwrap();
    web.serve(&record, text.replace("\"size\": ", "\"size\": 1"));
    assert!(!takes_blob(&key), "a changed record");
    web.serve(&record, whole);
    assert!(takes_blob(&key));
}

#[test]
fn a_web_server_serves_a_directory() {
    let Some(team) = Team::new() else { return };
    let key = team.key();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    team.push(&format!(
        "[[caches]]\nurl = \"file://{}\"\n",
        root.display()
    ));
    let web = Server::start();
    serve_files(&web, root, "/cache");
    let cache = format!(
        "[[caches]]\nurl = \"{}/cache\"\nkeys = [\"{key}\"]\n",
        web.address()
    );
    assert_eq!(team.run_in(&team.second(&cache)), Vec::<String>::new());
    // A server that fails is left out.
    for path in web.paths("/cache") {
        web.fault(&path, Fault::Status(500));
    }
    assert!(!team.run_in(&team.second(&cache)).is_empty());
}

fn serve_files(server: &Server, directory: &Path, path: &str) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let name = format!("{path}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            serve_files(server, &entry.path(), &name);
        } else {
            server.serve(&name, fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn a_workflow_runs_each_dev_shell() {
    let sandbox = Sandbox::new().manifest("[shells.test]\n[shells.lint]\n");
    for (service, parts) in [
        ("github", ["sha256sum -c", "secrets.DEVSH_SIGNING_KEY"]),
        ("gitlab", ["sha256sum -c", "CI_DEFAULT_BRANCH"]),
    ] {
        let plain = sandbox.devsh(&["ci", service, "--trust"]).success().stdout;
        let push = [
            "ci",
            service,
            "--trust",
            "--push-cache",
            "s3://bucket/devsh",
        ];
        let pushed = sandbox.devsh(&push).success().stdout;
        assert!(!plain.contains("--push"), "{plain}");
        for part in parts {
            assert!(pushed.contains(part), "{part} in\n{pushed}");
        }
        for shell in ["dev", "test", "lint"] {
            let run = format!("devsh run --locked --trust --shell {shell} -- ");
            assert!(plain.contains(&run), "{run} in\n{plain}");
        }
    }
}
