//! A real registry for images on loopback, and a base image of this machine's libraries.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::require;

/// A running registry.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) address: String,
    process: Child,
    _directory: TempDir,
}

impl Registry {
    /// Starts a registry; `htpasswd` has the users that may use it, all if it is empty.
    pub(crate) fn start(htpasswd: &str) -> Option<Self> {
        let program = require("docker-registry")?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        // The port is free until the registry takes it.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr());
        let address = format!("127.0.0.1:{}", port.expect("a free port").port());
        let mut settings = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            directory.path().join("data").display()
        );
        if !htpasswd.is_empty() {
            let users = directory.path().join("htpasswd");
            fs::write(&users, htpasswd).expect("own file");
            settings.push_str("auth:\n  htpasswd:\n    realm: test\n    path: ");
            settings.push_str(&users.display().to_string());
            settings.push('\n');
        }
        let file = directory.path().join("config.yml");
        fs::write(&file, settings).expect("own file");
        let process = Command::new(program)
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the registry starts");
        let registry = Self {
            address,
            process,
            _directory: directory,
        };
        let end = Instant::now() + Duration::from_mins(1);
        while std::net::TcpStream::connect(&registry.address).is_err() {
            assert!(Instant::now() < end, "the registry does not answer");
            thread::sleep(Duration::from_millis(20));
        }
        Some(registry)
    }

    /// Pushes the image `layout:tag` under a name.
    pub(crate) fn push(&self, layout: &Path, tag: &str, name: &str) {
        let source = format!("oci:{}:{tag}", layout.display());
        let target = format!("docker://{}/{name}", self.address);
        skopeo(&[
            "copy",
            "--quiet",
            "--dest-tls-verify=false",
            &source,
            &target,
        ]);
    }

    /// Returns what skopeo says about an image.
    pub(crate) fn inspect(&self, name: &str) -> serde_json::Value {
        let image = format!("docker://{}/{name}", self.address);
        let text = skopeo(&["inspect", "--tls-verify=false", &image]);
        serde_json::from_str(&text).expect("it is JSON")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _waited = self.process.wait();
    }
}

/// Runs skopeo and returns its output.
pub(crate) fn skopeo(arguments: &[&str]) -> String {
    run(Command::new("skopeo").args(arguments))
}

/// Runs a command that must succeed, and returns its output.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("it is text")
}

/// Makes an image layout in `directory` with the tag `base`: a shell and the libraries that `programs` and `more`
/// need, taken from this machine.
pub(crate) fn base_layout(directory: &Path, programs: &[PathBuf]) {
    let root = directory.join("root");
    let mut files: Vec<PathBuf> = vec!["/bin/sh".into()];
    for program in [PathBuf::from("/bin/sh")].iter().chain(programs) {
        let text = Command::new("ldd")
            .arg(program)
            .output()
            .expect("ldd starts");
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
        files.extend(paths.map(PathBuf::from));
    }
    files.sort();
    files.dedup();
    for link in ["bin", "lib", "lib64", "sbin"] {
        fs::create_dir_all(root.join("usr").join(link)).expect("own directory");
        symlink(format!("usr/{link}"), root.join(link)).expect("own link");
    }
    for file in files {
        let place = root.join(file.strip_prefix("/").expect("it is absolute"));
        fs::create_dir_all(place.parent().expect("it is below the root")).expect("own directory");
        fs::copy(&file, &place).expect("a copy");
    }
    fs::create_dir_all(root.join("tmp")).expect("own directory");
    let layout = directory.join("layout");
    run(Command::new("umoci")
        .args(["init", "--layout"])
        .arg(&layout));
    let image = format!("{}:base", layout.display());
    run(Command::new("umoci").args(["new", "--image", &image]));
    run(Command::new("umoci")
        .args(["insert", "--image", &image])
        .arg(&root)
        .arg("/"));
}
