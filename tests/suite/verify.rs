//! `devsh verify`: damage is reported and repaired.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    store::{built, json, object},
    support::{Pty, Sandbox, Server, for_each_shell},
};

/// Overwrites a read-only file.
fn overwrite(path: &Path, content: &str) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn verify_names_damage_and_repairs_it() {
    let server = Server::start();
    let sandbox = built(&server);
    let outcome = sandbox.devsh(&["verify"]).success();
    assert!(outcome.stdout.starts_with("2 objects, "), "{outcome}");
    assert!(
        outcome
            .stdout
            .ends_with(", and 1 profile: all as published\n"),
        "{outcome}"
    );
    let ruff = object(&sandbox, "-ruff-");
    let program = ruff.join("bin/ruff");
    let original = fs::read(&program).unwrap();
    overwrite(&program, "#!/bin/sh\necho hijacked\n");
    fs::write(ruff.join("bin/more"), "").unwrap();
    let outcome = sandbox.devsh(&["verify"]).code(1);
    let outcome = outcome.error(&["1 thing in the store is damaged", "verify --repair"]);
    let lines = ["  changed    bin/ruff\n", "  added      bin/more\n"];
    assert!(
        lines.iter().all(|line| outcome.stdout.contains(line)),
        "{outcome}"
    );
    let report = json(&sandbox.devsh(&["verify", "--json"]).code(1));
    assert_eq!(report["damaged"][0]["files"][0]["fault"], "changed");
    let repaired = sandbox.devsh(&["verify", "--repair"]).success();
    assert!(repaired.stdout.ends_with(": 1 repaired\n"), "{repaired}");
    assert_eq!(fs::read(&program).unwrap(), original);
    assert!(!ruff.join("bin/more").exists());
    sandbox.devsh(&["verify"]).success();
}

#[test]
fn a_profile_that_lost_a_link_is_made_again() {
    let server = Server::start();
    let sandbox = built(&server);
    let run = ["--offline", "run", "--", "ruff", "--version"];
    let damage: [fn(&Path); 2] = [
        |link| fs::remove_file(link).unwrap(),
        |link| {
            fs::remove_file(link).unwrap();
            symlink("/bin/true", link).unwrap();
        },
    ];
    for (apply, fault) in damage.into_iter().zip(["missing", "changed"]) {
        let envs = fs::read_dir(sandbox.data().join("envs")).unwrap();
        let mut links = envs.map(|entry| entry.unwrap().path().join("bin/ruff"));
        let link = links.find(|path| path.is_symlink()).unwrap();
        apply(&link);
        assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.3\n");
        apply(&link);
        let outcome = sandbox.devsh(&["verify"]).code(1);
        let expected = format!("  {fault:<10} bin/ruff\n");
        assert!(outcome.stdout.starts_with("envs/"), "{outcome}");
        assert!(outcome.stdout.contains(&expected), "{outcome}");
        let outcome = sandbox.devsh(&["verify", "--repair"]).success();
        assert!(outcome.stdout.ends_with(": 1 removed\n"), "{outcome}");
        assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.3\n");
        sandbox.devsh(&["verify"]).success();
        apply(&link);
        sandbox.devsh(&["--offline", "sync"]).success();
        sandbox.devsh(&["verify"]).success();
    }
}

#[test]
fn a_file_in_the_place_of_an_object_is_damage() {
    let server = Server::start();
    let sandbox = built(&server);
    let ruff = object(&sandbox, "-ruff-");
    let kept = sandbox.home().join("kept");
    fs::rename(&ruff, &kept).unwrap();
    fs::write(&ruff, "").unwrap();
    let outcome = sandbox.devsh(&["verify"]).code(1);
    assert!(!outcome.stdout.contains("all as published"), "{outcome}");
    sandbox.devsh(&["verify", "--repair"]).success();
    sandbox.devsh(&["run", "--", "ruff"]).success();
}

#[test]
fn an_object_whose_record_is_lost_comes_back() {
    let server = Server::start();
    let sandbox = built(&server);
    let ruff = object(&sandbox, "-ruff-");
    fs::remove_file(ruff.join(".devsh-object.json")).unwrap();
    let outcome = sandbox.devsh(&["verify", "--repair"]).success();
    assert!(
        outcome.stdout.contains("removed; it is made again"),
        "{outcome}"
    );
    let outcome = sandbox.devsh(&["run", "--", "ruff", "--version"]);
    assert_eq!(outcome.success().stdout, "ruff 0.12.3\n");
    sandbox.devsh(&["verify"]).success();
}

#[test]
fn a_missing_object_is_made_again_when_it_is_used() {
    let server = Server::start();
    let sandbox = built(&server);
    let run = ["run", "--", "ruff", "--version"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.3\n");
    fs::remove_dir_all(object(&sandbox, "-ruff-")).unwrap();
    assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.3\n");
    sandbox.devsh(&["verify"]).success();
}

fn profile(sandbox: &Sandbox) -> PathBuf {
    let envs = fs::read_dir(sandbox.data().join("envs")).unwrap();
    let mut paths = envs.map(|entry| entry.unwrap().path());
    paths.find(|path| path.join("bin").is_dir()).unwrap()
}

#[test]
fn unreadable_files_count_as_damage() {
    let server = Server::start();
    let sandbox = built(&server);
    // Directories in the place of files: not even root reads those.
    let places = [
        object(&sandbox, "-ruff-").join(".devsh-object.json"),
        object(&sandbox, "-taplo-").join(".devsh-files"),
        profile(&sandbox).join(".devsh-profile"),
    ];
    for place in places {
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
    }
    let outcome = sandbox.devsh(&["verify"]).code(1);
    for name in [".devsh-object.json", ".devsh-files", ".devsh-profile"] {
        let line = format!("  unreadable {name}\n");
        assert!(outcome.stdout.contains(&line), "{outcome}");
    }
    outcome.error(&["3 things in the store are damaged"]);
    for command in ["du", "gc"] {
        sandbox.devsh(&[command]).success();
    }
    let outcome = sandbox.devsh(&["verify", "--repair"]).success();
    let counts = "1 profile: 1 repaired, 2 removed\n";
    assert!(outcome.stdout.ends_with(counts), "{outcome}");
    let run = ["run", "--", "ruff", "--version"];
    assert_eq!(sandbox.devsh(&run).success().stdout, "ruff 0.12.3\n");
    sandbox.devsh(&["verify"]).success();
}

#[test]
fn a_damaged_profile_stays_while_it_is_in_use() {
    for_each_shell(|shell| {
        let server = Server::start();
        let sandbox = built(&server);
        let mut terminal: Pty = sandbox.shell(shell);
        terminal.enter();
        fs::remove_file(profile(&sandbox).join("bin/taplo")).unwrap();
        let outcome = sandbox.devsh(&["verify", "--repair"]).code(1);
        let expected = "damaged and in use; `devsh sync` in its project repairs it\n";
        assert!(outcome.stdout.contains(expected), "{outcome}");
        outcome.error(&["1 thing in the store is damaged", "`devsh sync`"]);
        assert!(profile(&sandbox).join("bin/ruff").exists());
        sandbox.devsh(&["sync"]).success();
        let outcome = sandbox.devsh(&["verify", "--repair"]).success();
        assert!(
            outcome.stdout.ends_with(": all as published\n"),
            "{outcome}"
        );
        assert_eq!(terminal.run("taplo --version").trim(), "taplo 0.9.0");
    });
}

/// Appends a number or a text as the records of objects are digested.
fn number(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

fn text(out: &mut Vec<u8>, value: &Value) {
    let value = value.as_str().unwrap();
    number(out, value.len() as u64);
    out.extend(value.as_bytes());
}

/// Changes a program of an object and makes the list, the record and the seal fit, as devsh would write them.
fn forge(object: &Path, program: &str, content: &str) {
    let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    overwrite(&object.join(program), content);
    let list = object.join(".devsh-files");
    let lines: String = fs::read_to_string(&list)
        .unwrap()
        .lines()
        .map(|line| {
            if line.ends_with(&format!(" {program}")) {
                let digest = hash(content.as_bytes());
                format!("x {digest} {} {program}\n", content.len())
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    overwrite(&list, &lines);
    let path = object.join(".devsh-object.json");
    let old = fs::read_to_string(&path).unwrap();
    let mut record: Value = serde_json::from_str(&old).unwrap();
    let mut fields = Vec::new();
    let tree = hash(lines.as_bytes());
    let new = old.replace(record["tree"].as_str().unwrap(), &tree);
    record["tree"] = tree.into();
    for name in ["name", "version", "recipe", "tree"] {
        text(&mut fields, &record[name]);
    }
    let artifacts = record["artifacts"].as_array().unwrap();
    number(&mut fields, artifacts.len() as u64);
    for artifact in artifacts {
        for name in ["part", "url", "digest"] {
            text(&mut fields, &artifact[name]);
        }
        let size = artifact["size"].as_u64();
        number(&mut fields, size.is_some().into());
        if let Some(size) = size {
            number(&mut fields, size);
        }
    }
    number(&mut fields, 0);
    let new = new.replace(record["check"].as_str().unwrap(), &hash(&fields));
    overwrite(&path, &new);
    let seal = object.with_file_name(".seals");
    let seal = seal.join(object.file_name().unwrap());
    overwrite(&seal, &hash(new.as_bytes()));
}

#[test]
fn an_object_forged_with_its_record_and_seal_is_found_by_a_fresh_download() {
    let server = Server::start();
    let sandbox = built(&server);
    let ruff = object(&sandbox, "-ruff-");
    let original = fs::read(ruff.join("bin/ruff")).unwrap();
    forge(&ruff, "bin/ruff", "#!/bin/sh\necho hijacked\n");
    sandbox.devsh(&["verify"]).success();
    let found = sandbox.devsh(&["verify", "--refetch"]).code(1);
    let found = found.error(&[
        "1 thing in the store is damaged",
        "verify --refetch --repair",
    ]);
    assert!(found.stdout.contains("  changed    bin/ruff\n"), "{found}");
    assert!(
        found
            .stdout
            .ends_with("2 objects compared with a fresh download\n"),
        "{found}"
    );
    let repaired = sandbox
        .devsh(&["verify", "--refetch", "--repair"])
        .success();
    assert!(repaired.stdout.contains(": 1 repaired\n"), "{repaired}");
    assert_eq!(fs::read(ruff.join("bin/ruff")).unwrap(), original);
    let report = json(&sandbox.devsh(&["verify", "--refetch", "--json"]).success());
    assert_eq!(report["comparison"]["compared"], 2);
    assert_eq!(report["damaged"], serde_json::json!([]));
    // Without a server nothing is compared, and that is said.
    let offline = sandbox
        .devsh(&["verify", "--refetch", "--offline"])
        .code(1)
        .error(&["2 objects could not be compared"]);
    assert!(offline.stdout.contains("0 objects compared"), "{offline}");
    assert_eq!(
        offline.stdout.matches("not compared: ").count(),
        2,
        "{offline}"
    );
}
