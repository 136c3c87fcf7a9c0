//! Wheels that are built from source distributions: each is built once for a team, also for other environments.

use std::fs;

use super::Team;
use crate::support::{Sandbox, archive::Member, pypi::serve_sdist, toolchains::serve_go};

/// Builds a wheel with one module, and notes that it did.
const BACKEND: &str = r#"
import os
import zipfile


def build_wheel(directory, settings=None, metadata=None):
    with open(os.path.expanduser("~/builds"), "a") as log:
        log.write("native\n")
    name = "native-1.0-py3-none-any.whl"
    information = "native-1.0.dist-info/"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.writestr("native.py", "VALUE = 7\n")
        about = "Metadata-Version: 2.2\nName: native\nVersion: 1.0\n"
        wheel.writestr(information + "METADATA", about)
        tags = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(information + "WHEEL", tags)
        names = ["native.py", information + "METADATA", information + "WHEEL", information + "RECORD"]
        wheel.writestr(information + "RECORD", "".join(one + ",,\n" for one in names))
    return name
"#;

const PROJECT: &str = "[project]\nname = \"native\"\nversion = \"1.0\"\n\
    [build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";

/// Returns how often the package was built in a home.
fn builds(sandbox: &Sandbox) -> usize {
    let log = fs::read_to_string(sandbox.home().join("builds"));
    log.unwrap_or_default().lines().count()
}

/// Serves a package without a wheel. Returns a manifest of the team with these packages too, of which it may be built.
fn serve_native(team: &Team) -> impl Fn(&str) -> String {
    let about = "Metadata-Version: 2.2\nName: native\nVersion: 1.0\n";
    let members: [Member<'_>; 3] = [
        ("native-1.0/pyproject.toml", PROJECT.as_bytes(), false),
        ("native-1.0/backend.py", BACKEND.as_bytes(), false),
        ("native-1.0/PKG-INFO", about.as_bytes(), false),
    ];
    serve_sdist(&team.server, ("native", "1.0"), &members);
    let manifest = fs::read_to_string(team.builder.project().join("devshell.toml")).unwrap();
    move |packages| {
        let packages = format!("packages = [{packages}]\nbuild = [\"native\"]");
        manifest.replace("packages = [\"helper-lib\"]", &packages)
    }
}

#[test]
fn a_wheel_is_built_once_for_all_environments_of_a_team() {
    let Some(team) = Team::new() else { return };
    let with = serve_native(&team);
    let key = team.key();
    team.builder
        .write("devshell.toml", with("\"helper-lib\", \"native\""));
    team.builder.devsh(&["lock", "--trust"]).success();
    assert_eq!(builds(&team.builder), 0, "its metadata needs no build");
    let directory = tempfile::tempdir().unwrap();
    let cache = format!(
        "[[caches]]\nurl = \"file://{}\"\n",
        directory.path().display()
    );
    let report = team.push(&cache);
    assert_eq!(report[0]["not_shared"], serde_json::json!([]), "{report}");
    assert_eq!(builds(&team.builder), 1);
    // The packages, and the wheel.
    let objects = fs::read_dir(directory.path().join("objects")).unwrap();
    assert_eq!(objects.count(), 2);

    let other = with("\"native\", \"tester\"");
    let code = "import native, tester; print(native.VALUE)";
    let run = ["run", "--trust", "--", "python", "-c", code];
    for (config, expected) in [(format!("{cache}keys = [\"{key}\"]\n"), 0), (cache, 1)] {
        let second = team.second(&config);
        second.write("devshell.toml", &other);
        second.devsh(&["lock", "--trust"]).success();
        team.server.requests();
        assert_eq!(second.devsh(&run).success().stdout, "7\n");
        assert_eq!(builds(&second), expected, "{config}");
        let asked = team.server.requests();
        let fetched = asked.iter().any(|one| one.contains("native-1.0.tar.gz"));
        assert_eq!(fetched, expected == 1, "{asked:?}");
        second.devsh(&["verify"]).success();
    }
}

#[test]
fn a_part_from_another_cache_is_not_signed() {
    let Some(team) = Team::new() else { return };
    let with = serve_native(&team);
    let key = team.key();
    team.builder.write("devshell.toml", with("\"native\""));
    team.builder.devsh(&["lock", "--trust"]).success();
    let [theirs, own] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let cache = |directory: &tempfile::TempDir| {
        format!(
            "[[caches]]\nurl = \"file://{}\"\n",
            directory.path().display()
        )
    };
    team.push(&cache(&theirs));
    // It uses the wheel of the others in another environment, and signs with a key of its own.
    let second = team.second(&format!("{}keys = [\"{key}\"]\n", cache(&theirs)));
    second.devsh(&["cache", "key", "new", "own-1"]).success();
    let config = format!(
        "{}keys = [\"{key}\"]\n{}push = true\nsigning-key = \"~/.config/devsh/keys/own-1.key\"\n",
        cache(&theirs),
        cache(&own)
    );
    let second = second.config(&config);
    second.write("devshell.toml", with("\"native\", \"tester\""));
    second.devsh(&["lock", "--trust"]).success();
    let pushed = second.devsh(&["cache", "push", "--trust"]).success();
    assert_eq!(builds(&second), 0);
    assert!(!own.path().join("objects").exists(), "{pushed}");
}

#[test]
fn a_wheel_is_built_again_with_another_compiler() {
    let Some(team) = Team::new() else { return };
    let with = serve_native(&team);
    serve_go(&team.server, &["1.23.2", "1.22.8"]);
    let sandbox = &team.builder;
    let code = "import native; print(native.VALUE)";
    let run = ["run", "--trust", "--", "python", "-c", code];
    for (tools, expected) in [
        ("", 1),
        ("go = \"1.22.8\"\n", 2),
        ("go = \"1.23.2\"\n", 3),
        ("go = \"1.22.8\"\n", 3),
    ] {
        let manifest = with("\"native\"").replace("[tools]\n", &format!("[tools]\n{tools}"));
        sandbox.write("devshell.toml", manifest);
        assert_eq!(sandbox.devsh(&run).success().stdout, "7\n");
        assert_eq!(builds(sandbox), expected, "{tools}");
    }
}

#[test]
fn a_cache_with_a_record_that_is_not_valid_is_asked_no_more() {
    let Some(team) = Team::new() else { return };
    let with = serve_native(&team);
    team.builder.write("devshell.toml", with("\"native\""));
    team.builder.devsh(&["lock", "--trust"]).success();
    let cache = team.web_cache();
    let web = &cache.server;
    let records = web.paths("/cache/objects/");
    assert_eq!(records.len(), 2, "the packages, and the wheel: {records:?}");
    let other = Sandbox::new();
    let other = other.devsh(&["cache", "key", "new", "team-1"]).success();
    let broken = |key: &str, content: &dyn Fn(&str) -> Vec<u8>| {
        let whole: Vec<_> = records.iter().map(|path| web.content(path)).collect();
        let changed: Vec<_> = records.iter().map(|path| content(path)).collect();
        for (path, changed) in records.iter().zip(changed) {
            web.serve(path, changed);
        }
        let second = team.second(&cache.settings(key));
        web.requests();
        let code = "import native; print(native.VALUE)";
        let run = ["run", "--locked", "--trust", "--", "python", "-c", code];
        let ran = second.devsh(&run).success();
        assert_eq!(ran.stdout, "7\n", "{ran}");
        assert_eq!(ran.stderr.matches("is not used").count(), 1, "{ran}");
        let mut asked = web.requests();
        asked.retain(|one| one.contains("/objects/"));
        assert_eq!(asked.len(), 1, "{asked:?}");
        for (path, whole) in records.iter().zip(whole) {
            web.serve(path, whole);
        }
    };
    let key = &cache.key;
    broken(key, &|_| vec![b'x'; 4 << 20]);
    broken(key, &|_| b"{}".to_vec());
    let swapped = |path: &str| {
        let other = records.iter().find(|other| *other != path);
        web.content(other.expect("there are two"))
    };
    broken(key, &swapped);
    broken(other.stdout.trim(), &|path| web.content(path));
}
