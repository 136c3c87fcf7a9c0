//! Images in real containers: runc with an unpacked image, and podman with storage of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::Value;

use super::registry::run;

/// An image that was unpacked for runc.
#[derive(Debug)]
pub(crate) struct Bundle {
    directory: PathBuf,
    /// The words that the image starts with.
    command: Value,
}

impl Bundle {
    /// Unpacks the image `latest` of a layout.
    pub(crate) fn unpack(layout: &Path, directory: &Path) -> Self {
        run(Command::new("umoci")
            .args(["unpack", "--image"])
            .arg(format!("{}:latest", layout.display()))
            .arg(directory));
        let bundle = Self {
            directory: directory.to_owned(),
            command: Value::Null,
        };
        Self {
            command: bundle.settings()["process"]["args"].clone(),
            ..bundle
        }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.join("rootfs")
    }

    /// Returns whether the profile or the store has a program of this name.
    pub(crate) fn has_program(&self, name: &str) -> bool {
        let store = self.root().join("devsh/store");
        let objects = fs::read_dir(store).into_iter().flatten().flatten();
        objects
            .map(|object| object.path())
            .chain([self.root().join("devsh/profile")])
            .any(|place| place.join("bin").join(name).symlink_metadata().is_ok())
    }

    fn settings(&self) -> Value {
        let text = fs::read(self.directory.join("config.json")).expect("a bundle");
        serde_json::from_slice(&text).expect("it is JSON")
    }

    /// Runs the command of the image, or another one, and returns its output.
    pub(crate) fn run(&self, command: &[&str]) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut settings = self.settings();
        settings["process"]["terminal"] = false.into();
        settings["process"]["args"] = if command.is_empty() {
            self.command.clone()
        } else {
            command.into()
        };
        // A crate is built in its directory.
        settings["root"]["readonly"] = false.into();
        fs::write(self.directory.join("config.json"), settings.to_string()).expect("own file");
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        run(Command::new("runc")
            .arg("--root")
            .arg(self.directory.join("state"))
            .args(["run", &format!("devsh-{}-{count}", std::process::id())])
            .current_dir(&self.directory)
            .stdin(Stdio::null()))
    }
}

/// Returns podman with storage below `directory`, which needs no settings of the machine.
pub(crate) fn podman_command(directory: &Path) -> Command {
    let mut command = Command::new("podman");
    command
        .arg("--root")
        .arg(directory.join("storage"))
        .arg("--runroot")
        .arg(directory.join("run"))
        .args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"])
        .args(["--events-backend", "none", "--runtime", "runc"])
        .stdin(Stdio::null());
    command
}

/// Runs the image `latest` of a layout with podman, with its own command or another one, and returns the output.
pub(crate) fn podman(layout: &Path, command: &[&str]) -> String {
    let storage = tempfile::tempdir().expect("a temporary directory");
    let image = format!("oci:{}:latest", layout.display());
    run(podman_command(storage.path())
        .args(["run", "--quiet", "--rm", "--network", "none"])
        .args([
            "--ulimit",
            "nofile=1024:1024",
            "--ulimit",
            "nproc=1024:1024",
        ])
        .arg(image)
        .args(command))
}
