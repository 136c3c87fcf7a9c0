//! Many writers and readers of one cache at once, and kill -9 at random moments: nothing wrong enters a store, and
//! nothing is lost.

use std::{
    process::{Child, Stdio},
    thread,
    time::Instant,
};

use serde_json::{Value, json};

use super::Team;
use crate::{
    reliability::effort,
    support::{
        Random,
        registry::Registry,
        sandbox::DEVSH,
        storage::{ACCESS, Storage},
    },
};

/// The trial on one kind of cache.
struct Trial<'a> {
    team: &'a Team,
    key: &'a str,
    /// Returns the settings of an empty cache, by its number.
    settings: &'a (dyn Fn(usize) -> String + Sync),
}

#[test]
fn a_directory_survives_writers_readers_and_kills() {
    let Some(team) = Team::new() else { return };
    let key = team.key();
    let directory = tempfile::tempdir().unwrap();
    let settings = |number| {
        let place = directory.path().join(format!("cache{number}"));
        format!("[[caches]]\nurl = \"file://{}\"\n", place.display())
    };
    let trial = Trial {
        team: &team,
        key: &key,
        settings: &settings,
    };
    trial.run("a directory");
}

#[test]
fn a_registry_survives_writers_readers_and_kills() {
    let (Some(team), Some(registry)) = (Team::new(), Registry::start("")) else {
        return;
    };
    let key = team.key();
    let settings = |number| {
        let address = &registry.address;
        format!("[[caches]]\nurl = \"oci://{address}/team/cache{number}\"\n")
    };
    let trial = Trial {
        team: &team,
        key: &key,
        settings: &settings,
    };
    trial.run("docker-registry");
}

#[test]
fn storage_survives_writers_readers_and_kills() {
    let (Some(team), Some(storage)) = (Team::new(), Storage::start()) else {
        return;
    };
    let team = team.with_access_key();
    let key = team.key();
    let settings = |number| storage.settings(&format!("cache{number}"));
    let trial = Trial {
        team: &team,
        key: &key,
        settings: &settings,
    };
    trial.run("SeaweedFS");
}

impl Trial<'_> {
    fn run(&self, name: &str) {
        let (writers, readers) = (effort(3, 20), effort(3, 50));
        let (rounds, kills) = (effort(1, 10), effort(4, 20));
        let mut random = Random::new(21);
        self.team.builder.devsh(&["sync", "--trust"]).success();
        self.configure(0);
        // Each kill is within the time of a whole push.
        let begin = Instant::now();
        self.write().wait_with_output().unwrap();
        let full = begin.elapsed();
        for round in 1..=rounds {
            self.configure(round);
            let crowd: Vec<Child> = if round == 1 {
                (1..writers).map(|_| self.write()).collect()
            } else {
                Vec::new()
            };
            let reads = if round == 1 { readers } else { 1 };
            thread::scope(|scope| {
                for _ in 0..reads {
                    scope.spawn(|| self.read(round));
                }
                for _ in 0..kills {
                    let mut killed = self.write();
                    let part = u32::try_from(random.below(1000)).unwrap();
                    thread::sleep(full * part / 1000);
                    killed.kill().unwrap();
                    killed.wait().unwrap();
                }
            });
            for writer in crowd {
                let output = writer.wait_with_output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "{said}");
            }
            self.check(round);
        }
        eprintln!(
            "figure: {name}: {writers} writers and {readers} readers at once, {} kills, nothing wrong, nothing lost",
            rounds * kills
        );
    }

    fn configure(&self, number: usize) {
        let push = "push = true\nsigning-key = \"~/.config/devsh/keys/team-1.key\"\n";
        let settings = (self.settings)(number);
        let key = self.key;
        self.team
            .configure(&format!("{settings}{push}keys = [\"{key}\"]\n"));
    }

    /// Starts to push everything of the builder's store.
    fn write(&self) -> Child {
        let mut command = self.team.builder.command(DEVSH);
        command.args(["cache", "push", "--all"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Uses the cache in a new home while it is written.
    fn read(&self, number: usize) {
        let config = format!("{}keys = [\"{}\"]\n", (self.settings)(number), self.key);
        let reader = self.team.second(&config);
        let reader = reader.env("AWS_ACCESS_KEY_ID", ACCESS.0);
        let reader = reader.env("AWS_SECRET_ACCESS_KEY", ACCESS.1);
        let run = ["run", "--locked", "--trust", "--", "helper"];
        let ran = reader.devsh(&run).success();
        assert_eq!(ran.stdout, "helper-lib 1.0\n", "{ran}");
        assert!(!ran.stderr.contains("damaged"), "{ran}");
        reader.devsh(&["verify"]).success();
    }

    /// Pushes to the end, and checks that the cache has everything and serves a home alone.
    fn check(&self, number: usize) {
        let builder = &self.team.builder;
        builder.devsh(&["cache", "push", "--all"]).success();
        let verified = builder.devsh(&["cache", "verify", "--json"]).success();
        let verified: Value = serde_json::from_str(&verified.stdout).unwrap();
        assert_eq!(verified[0]["damaged"], json!([]), "{verified}");
        let again = builder
            .devsh(&["cache", "push", "--all", "--json"])
            .success();
        let again: Value = serde_json::from_str(&again.stdout).unwrap();
        assert_eq!(again[0]["written"], 0, "{again}");
        // Each artifact, and one object with its tree.
        let entries = again[0]["present"].as_u64().unwrap() + 1;
        assert_eq!(verified[0]["checked"], entries, "{verified}");
        let config = format!("{}keys = [\"{}\"]\n", (self.settings)(number), self.key);
        let reader = self.team.second(&config);
        let reader = reader.env("AWS_ACCESS_KEY_ID", ACCESS.0);
        let reader = reader.env("AWS_SECRET_ACCESS_KEY", ACCESS.1);
        assert_eq!(self.team.run_in(&reader), [""; 0]);
    }
}
