//! Commands to disturb, each with its preparation.

use std::{collections::BTreeMap, fs};

use super::{left, prepared, prepared_conda};
use crate::support::{Sandbox, Server};

/// A command and its preparation.
pub(super) struct Scenario {
    /// Its name in figures.
    pub(super) name: &'static str,
    pub(super) prepare: fn() -> (Sandbox, Server),
    begin: fn(&Sandbox),
    pub(super) arguments: &'static [&'static str],
    /// A command that removes leftovers, where the command itself builds nothing when all is there.
    pub(super) sweeps: Option<&'static [&'static str]>,
    /// True if the store is whole at any moment; false where the scenario begins with damage.
    pub(super) always_whole: bool,
}

pub(super) const ALLOW: Scenario = Scenario {
    name: "allow",
    prepare: prepared,
    begin: |_| (),
    arguments: &["allow"],
    sweeps: None,
    always_whole: true,
};

pub(super) const SYNC: Scenario = Scenario {
    name: "sync",
    prepare: prepared,
    begin: without_objects,
    arguments: &["sync"],
    sweeps: None,
    always_whole: true,
};

pub(super) const SYNC_CONDA: Scenario = Scenario {
    name: "sync of conda packages",
    prepare: prepared_conda,
    ..SYNC
};

pub(super) const RUN: Scenario = Scenario {
    name: "run",
    prepare: prepared,
    begin: without_objects,
    arguments: &["run", "--", "ruff", "--version"],
    sweeps: Some(&["sync"]),
    always_whole: true,
};

pub(super) const LOCK: Scenario = Scenario {
    name: "lock",
    prepare: prepared,
    begin: |sandbox| {
        sandbox.devsh(&["allow"]).success();
        fs::remove_file(sandbox.project().join("devshell.lock")).unwrap();
    },
    arguments: &["lock"],
    sweeps: None,
    always_whole: true,
};

pub(super) const DENY: Scenario = Scenario {
    name: "deny",
    prepare: prepared,
    begin: |sandbox| {
        sandbox.devsh(&["allow"]).success();
    },
    arguments: &["deny"],
    sweeps: None,
    always_whole: true,
};

pub(super) const GC: Scenario = Scenario {
    name: "gc",
    prepare: prepared,
    begin: |sandbox| {
        sandbox.write("devshell.toml", "[tools]\nruff = \"0.12\"\n");
        sandbox.devsh(&["allow"]).success();
        sandbox.write("devshell.toml", "[env]\nB = \"2\"\n");
        sandbox.devsh(&["allow"]).success();
    },
    arguments: &["gc"],
    sweeps: None,
    always_whole: true,
};

pub(super) const REPAIR: Scenario = Scenario {
    name: "repair",
    prepare: prepared,
    begin: |sandbox| {
        sandbox.devsh(&["allow"]).success();
        let store = fs::read_dir(sandbox.data().join("store")).unwrap();
        let object = store.map(|entry| entry.unwrap().path());
        let object = object.filter(|path| path.to_str().unwrap().contains("-ruff-"));
        for object in object {
            fs::remove_file(object.join("bin/ruff")).unwrap();
        }
    },
    arguments: &["verify", "--repair"],
    sweeps: None,
    always_whole: false,
};

/// A project that is allowed, and of whose tools nothing is there any more.
fn without_objects(sandbox: &Sandbox) {
    sandbox.devsh(&["allow"]).success();
    let data = sandbox.data();
    for place in ["store", "envs"] {
        fs::remove_dir_all(data.join(place)).unwrap();
    }
}

impl Scenario {
    /// Restores the home directory to the beginning of the scenario.
    pub(super) fn start_over(&self, sandbox: &Sandbox, manifest: &[u8]) {
        fs::remove_dir_all(sandbox.home()).unwrap();
        fs::create_dir_all(sandbox.home().join(".config/devsh")).unwrap();
        fs::create_dir_all(sandbox.project()).unwrap();
        let settings = "tools-from = \"managed\"\n";
        fs::write(sandbox.home().join(".config/devsh/config.toml"), settings).unwrap();
        sandbox.write("devshell.toml", manifest);
        (self.begin)(sandbox);
    }

    /// Removes the leftovers of a killed command.
    pub(super) fn sweep(&self, sandbox: &Sandbox) {
        if let Some(arguments) = self.sweeps {
            sandbox.devsh(arguments).success();
        }
    }

    /// Returns the files after two undisturbed runs.
    pub(super) fn end(&self, sandbox: &Sandbox, manifest: &[u8]) -> BTreeMap<String, Vec<u8>> {
        self.start_over(sandbox, manifest);
        sandbox.devsh(self.arguments).success();
        sandbox.devsh(self.arguments).success();
        self.sweep(sandbox);
        left(&sandbox.home())
    }
}
