//! Caches of a team, on real servers of this machine: a directory, a web server, `SeaweedFS` and `docker-registry`.

mod commands;
mod faults;
mod projects;
mod trial;
mod wheels;

use std::{fs, os::unix::ffi::OsStrExt as _, path::Path};

use serde_json::{Value, json};

use crate::{
    applications::{pure, serve},
    support::{
        Sandbox, Server, cpython, pypi,
        registry::Registry,
        require,
        server::Fault,
        storage::{ACCESS, Storage},
    },
};

const MANIFEST: &str = "[tools]\npython = \"VERSION\"\nuv = \"*\"\nruff = \"*\"\n\
     [python]\npackages = [\"helper-lib\"]\n";

/// A project of Python whose dev shell is built in one home.
struct Team {
    server: Server,
    builder: Sandbox,
}

/// A cache of a team on a web server.
struct WebCache {
    server: Server,
    /// The public part of the key that signed its objects.
    key: String,
}

impl WebCache {
    /// Returns the settings of a home that trusts this key for the cache.
    fn settings(&self, key: &str) -> String {
        let address = self.server.address();
        format!("[[caches]]\nurl = \"{address}/cache\"\nkeys = [\"{key}\"]\n")
    }
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

    /// Gives the builder the access key of the storage.
    fn with_access_key(self) -> Self {
        let (key, secret) = ACCESS;
        let builder = self.builder.env("AWS_ACCESS_KEY_ID", key);
        Self {
            builder: builder.env("AWS_SECRET_ACCESS_KEY", secret),
            ..self
        }
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

    /// Pushes the project and serves the cache from a web server.
    fn web_cache(&self) -> WebCache {
        let key = self.key();
        let directory = tempfile::tempdir().unwrap();
        let url = format!("file://{}", directory.path().display());
        self.push(&format!("[[caches]]\nurl = \"{url}\"\n"));
        let server = Server::start();
        serve_files(&server, directory.path(), "/cache");
        WebCache { server, key }
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
        assert_eq!(report[0]["not_shared"], json!([]), "{report}");
        assert!(report[0]["written"].as_u64().unwrap() >= 4, "{report}");
        let again = self.push(cache);
        assert_eq!(again[0]["written"], 0, "{again}");
        let mut second = self.second(&format!("{cache}keys = [\"{key}\"]\n"));
        for (name, value) in credentials {
            second = second.env(name, value);
        }
        assert_eq!(self.run_in(&second), Vec::<String>::new());
        let entries = report[0]["written"].as_u64().unwrap() + 1;
        let checked = second.devsh(&["cache", "verify", "--json"]).success();
        let checked: Value = serde_json::from_str(&checked.stdout).unwrap();
        // The artifacts, the record of the packages, and their packed tree.
        assert_eq!(checked[0]["checked"], entries, "{checked}");
        assert_eq!(checked[0]["damaged"], json!([]), "{checked}");
        second.devsh(&["verify"]).success();
        for entry in fs::read_dir(second.data().join("store")).unwrap().flatten() {
            if entry
                .file_name()
                .to_string_lossy()
                .contains("python-packages")
            {
                self.is_not_named_in(&entry.path());
            }
        }
    }

    /// Fails if a file or link names the home of the builder.
    fn is_not_named_in(&self, directory: &Path) {
        let builder = self.builder.root().as_os_str().as_bytes();
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let content = if kind.is_dir() {
                self.is_not_named_in(&path);
                continue;
            } else if kind.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            let is_named = content.windows(builder.len()).any(|part| part == builder);
            assert!(!is_named, "{}", path.display());
        }
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
fn a_received_object_is_not_signed_again() {
    let Some(team) = Team::new() else { return };
    let key = team.key();
    let secret = fs::read_to_string(team.builder.home().join(".config/devsh/keys/team-1.key"));
    let (builder, bundle) = (&team.builder, team.builder.root().join("bundle"));
    let export = |sandbox: &Sandbox, to: &Path, secret: &str| {
        let mut export = sandbox.command(crate::support::sandbox::DEVSH);
        export
            .args(["cache", "export", "--trust", "--json"])
            .arg(to);
        export.env("DEVSH_SIGNING_KEY", secret.trim());
        sandbox.outcome(&mut export).success().stdout
    };
    export(builder, &bundle, &secret.unwrap());
    let config = format!(
        "[[caches]]\nurl = \"file://{}\"\nkeys = [\"{key}\"]\n",
        bundle.display()
    );
    let second = team.second(&config);
    team.run_in(&second);
    second.devsh(&["cache", "key", "new", "other-1"]).success();
    let own = fs::read_to_string(second.home().join(".config/devsh/keys/other-1.key")).unwrap();
    let onward = second.root().join("onward");
    let report = export(&second, &onward, &own);
    assert!(report.contains("it came from a cache"), "{report}");
    let listed = second
        .devsh(&["cache", "verify", "--json"])
        .success()
        .stdout;
    assert!(!listed.contains("other-1"), "{listed}");
    assert!(!onward.join("objects").exists());
}

#[test]
fn a_clean_home_needs_only_s3_storage() {
    let (Some(team), Some(storage)) = (Team::new(), Storage::start()) else {
        return;
    };
    let team = team.with_access_key();
    let cache = storage.settings("devsh");
    team.share(
        &cache,
        &[
            ("AWS_ACCESS_KEY_ID", ACCESS.0),
            ("AWS_SECRET_ACCESS_KEY", ACCESS.1),
        ],
    );
    // A wrong key costs one line, and the work is done without the cache.
    let wrong = team
        .second(&cache)
        .env("AWS_ACCESS_KEY_ID", "ci")
        .env("AWS_SECRET_ACCESS_KEY", "wrong");
    assert!(!team.run_in(&wrong).is_empty());
}

#[test]
fn a_clean_home_needs_only_a_registry() {
    let (Some(team), Some(registry)) = (Team::new(), Registry::start("")) else {
        return;
    };
    let cache = format!(
        "[[caches]]\nurl = \"oci://{}/team/devsh\"\n",
        registry.address
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
    let cache = team.web_cache();
    let (web, key) = (&cache.server, &cache.key);
    // Returns whether the packed tree was taken after the record was read.
    let takes_blob = |key: &str| {
        web.requests();
        team.run_in(&team.second(&cache.settings(key)));
        let asked = web.requests();
        assert!(
            asked.iter().any(|one| one.contains("/objects/")),
            "{asked:?}"
        );
        asked.iter().any(|one| one.contains("/blobs/"))
    };
    assert!(takes_blob(key));
    let other = Sandbox::new();
    let other = other.devsh(&["cache", "key", "new", "team-1"]).success();
    assert!(!takes_blob(other.stdout.trim()), "the key of a stranger");
    let record = web.paths("/cache/objects/").remove(0);
    let whole = web.content(&record);
    let text = String::from_utf8(whole.clone()).unwrap();
    web.serve(&record, text.replace("\"size\": ", "\"size\": 1"));
    assert!(!takes_blob(key), "a changed record");
    web.serve(&record, whole.clone());
    assert!(takes_blob(key));
    // The team replaces its key. Someone serves what the old one has signed, also under the name of the new one.
    let made = team.builder.devsh(&["cache", "key", "new", "team-2"]);
    let newer = made.success().stdout.trim().to_owned();
    assert!(!takes_blob(&newer), "a record of the old key");
    web.serve(&record.replace("team-1", "team-2"), whole);
    assert!(!takes_blob(&newer), "the old record, named as a new one");
}

#[test]
fn a_web_server_serves_a_directory() {
    let Some(team) = Team::new() else { return };
    let cache = team.web_cache();
    let web = &cache.server;
    let settings = cache.settings(&cache.key);
    assert_eq!(team.run_in(&team.second(&settings)), Vec::<String>::new());
    // A server that fails is left out.
    for path in web.paths("/cache") {
        web.fault(&path, Fault::Status(500));
    }
    assert!(!team.run_in(&team.second(&settings)).is_empty());
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
fn a_list_without_end_is_refused() {
    let server = Server::start();
    let page = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>team</Name><Prefix>devsh/</Prefix>\
         <KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>\
         <NextContinuationToken>again</NextContinuationToken></ListBucketResult>";
    server.serve("/team", page);
    server.serve("/team/", page);
    let sandbox = Sandbox::new()
        .config(&format!(
            "[[caches]]\nurl = \"s3://team/devsh\"\nendpoint = \"{}\"\nregion = \"us-east-1\"\n",
            server.address()
        ))
        .env("AWS_ACCESS_KEY_ID", "ci")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    let outcome = sandbox.devsh(&["cache", "list"]).success();
    let reason = "cannot be listed: its answer is not valid: a list has more than 1000 pages";
    assert!(outcome.stderr.contains(reason), "{outcome}");
    assert_eq!(server.requests().len(), 1000);
}
