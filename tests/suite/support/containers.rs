//! Images in real containers: runc with an unpacked image, and podman with storage of its own.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::registry::run;

/// Makes names different.
static COUNT: AtomicUsize = AtomicUsize::new(0);

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

/// Podman with storage of its own, which needs no settings of the machine.
#[derive(Debug)]
pub(crate) struct Podman {
    directory: PathBuf,
}

impl Podman {
    pub(crate) fn new() -> Self {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Names of images are lower case, and a layout's place is part of its name.
        let name = format!("devsh-podman-{}-{count}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).expect("a new directory");
        let settings = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{0}/storage\"\nrunroot = \"{0}/run\"\n",
            directory.display()
        );
        fs::write(directory.join("storage.conf"), settings).expect("own file");
        Self { directory }
    }

    /// Returns the file for `CONTAINERS_STORAGE_CONF`.
    pub(crate) fn settings(&self) -> PathBuf {
        self.directory.join("storage.conf")
    }

    /// Runs an image with its own command or another one, and returns the output.
    pub(crate) fn run(&self, image: &str, command: &[&str]) -> String {
        run(Command::new("podman")
            .env("CONTAINERS_STORAGE_CONF", self.settings())
            .args(["--cgroup-manager", "cgroupfs", "--events-backend", "none"])
            .args(["--runtime", "runc", "run", "--rm"])
            // The machine may allow less than the usual limits.
            .args(["--ulimit", "nofile=1024:1024"])
            .args(["--ulimit", "nproc=1024:1024"])
            .args(["--network", "none", image])
            .args(command)
            .stdin(Stdio::null()))
    }

    /// Runs the image `latest` of a layout.
    pub(crate) fn run_layout(&self, layout: &Path, command: &[&str]) -> String {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let link = self.directory.join(format!("layout-{count}"));
        symlink(layout, &link).expect("a new link");
        self.run(&format!("oci:{}:latest", link.display()), command)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _removed = fs::remove_dir_all(&self.directory);
    }
}

/// A docker daemon of its own, without a network. It needs root.
#[derive(Debug)]
pub(crate) struct Docker {
    directory: PathBuf,
    daemon: Child,
}

impl Docker {
    pub(crate) fn start() -> Self {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // The path of a socket is short.
        let name = format!("devsh-docker-{}-{count}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).expect("a new directory");
        let log = fs::File::create(directory.join("log")).expect("a new file");
        let mut command = Command::new("dockerd");
        command
            .args(["--iptables=false", "--bridge=none", "--storage-driver=vfs"])
            .arg("--data-root")
            .arg(directory.join("data"))
            .arg("--exec-root")
            .arg(directory.join("exec"))
            .arg("--pidfile")
            .arg(directory.join("pid"))
            .args(["--host", &format!("unix://{}/socket", directory.display())])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a copy"))
            .stderr(log);
        let docker = Self {
            daemon: command.spawn().expect("it starts"),
            directory,
        };
        let end = Instant::now() + Duration::from_mins(1);
        while !docker
            .command()
            .arg("version")
            .output()
            .is_ok_and(|one| one.status.success())
        {
            let log = fs::read_to_string(docker.directory.join("log"));
            assert!(Instant::now() < end, "the daemon does not answer: {log:?}");
            thread::sleep(Duration::from_millis(100));
        }
        docker
    }

    /// Returns the value of `DOCKER_HOST`.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}/socket", self.directory.display())
    }

    fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", self.host()).stdin(Stdio::null());
        command
    }

    /// Runs an image with its own command or another one, and returns the output.
    pub(crate) fn run(&self, image: &str, command: &[&str]) -> String {
        run(self
            .command()
            .args(["run", "--rm", "--network", "none", image])
            .args(command))
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // It ends its containerd too.
        let id = i32::try_from(self.daemon.id()).ok().and_then(Pid::from_raw);
        let _sent = id.map(|id| kill_process(id, Signal::TERM));
        let _waited = self.daemon.wait();
        let _removed = fs::remove_dir_all(&self.directory);
    }
}
