//! Real S3-compatible storage on loopback: `SeaweedFS`, with one bucket and one access key.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::require;

/// The name and the secret of the access key.
pub(crate) const ACCESS: (&str, &str) = ("ci", "secret");

/// A running server, killed at the end.
#[derive(Debug)]
pub(crate) struct Storage {
    child: Child,
    endpoint: String,
    _directory: tempfile::TempDir,
}

impl Drop for Storage {
    fn drop(&mut self) {
        // SeaweedFS does not end when it is asked to.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

impl Storage {
    /// Starts storage with a bucket `team`.
    pub(crate) fn start() -> Option<Self> {
        let program = require("weed")?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path();
        let access = root.join("s3.json");
        let (key, secret) = ACCESS;
        let text = format!(
            r#"{{"identities": [{{"name": "ci", "credentials": [{{"accessKey": "{key}", "secretKey": "{secret}"}}],
            "actions": ["Admin", "Read", "Write", "List"]}}]}}"#
        );
        fs::write(&access, text).expect("own file");
        fs::create_dir(root.join("data")).expect("own directory");
        let port = free_port();
        let mut command = Command::new(program);
        command.args(["server", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]);
        command.args(["-volume.max=64", "-master.volumeSizeLimitMB=64"]);
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
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the storage starts");
        let storage = Self {
            child,
            endpoint: format!("http://127.0.0.1:{port}"),
            _directory: directory,
        };
        storage.make_bucket();
        Some(storage)
    }

    /// Returns the settings of a cache below `prefix` in the bucket.
    pub(crate) fn settings(&self, prefix: &str) -> String {
        format!(
            "[[caches]]\nurl = \"s3://team/{prefix}\"\nendpoint = \"{}\"\nregion = \"us-east-1\"\n",
            self.endpoint
        )
    }

    /// Creates the bucket, once the storage is ready for it.
    fn make_bucket(&self) {
        let credentials = rusty_s3::Credentials::new(ACCESS.0, ACCESS.1);
        let bucket = rusty_s3::Bucket::new(
            self.endpoint.parse().expect("an address"),
            rusty_s3::UrlStyle::Path,
            "team",
            "us-east-1",
        );
        let bucket = bucket.expect("a bucket");
        let start = Instant::now();
        loop {
            let action = rusty_s3::actions::CreateBucket::new(&bucket, &credentials);
            let url = rusty_s3::S3Action::sign(&action, Duration::from_mins(5));
            let answer = ureq::put(url.as_str()).send_empty();
            if answer.is_ok() {
                return;
            }
            assert!(start.elapsed() < Duration::from_mins(2), "{answer:?}");
            thread::sleep(Duration::from_millis(200));
        }
    }
}
