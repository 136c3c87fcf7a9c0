//! A real registry for images on loopback, and a base image of this machine's libraries.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tempfile::TempDir;

use super::require;

/// A running registry.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) address: String,
    process: Child,
    directory: TempDir,
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
            directory,
        };
        let end = Instant::now() + Duration::from_mins(1);
        while TcpStream::connect(&registry.address).is_err() {
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

    /// Replaces the bytes of a blob or manifest (`sha256:…`) in the registry's storage.
    pub(crate) fn replace_blob(&self, digest: &str, bytes: &[u8]) {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = "data/docker/registry/v2/blobs/sha256";
        let place = self.directory.path().join(blobs).join(&hex[..2]);
        fs::write(place.join(hex).join("data"), bytes).expect("the registry's file");
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

/// A fault of a request that a proxy gets.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ProxyFault {
    /// The registry gets this many bytes of the body, then both connections break.
    Cut(u64),
    /// The registry gets nothing, and the proxy answers with this status.
    Answer(u16),
    /// The registry gets everything, and its answer is lost.
    Deaf,
    /// The proxy never answers.
    Hang,
}

#[derive(Debug, Default)]
struct ProxyState {
    /// The next faults: the method of the request, and what happens to it.
    faults: Vec<(&'static str, ProxyFault)>,
    /// The first lines of all requests, and the bodies of those for a token.
    requests: Vec<String>,
    tokens: Option<Tokens>,
}

/// The tokens of a registry that gives them to its users, as the large registries do.
#[derive(Debug)]
struct Tokens {
    /// The address that gives tokens.
    realm: String,
    /// The number of tokens so far; only the last one is valid.
    given: usize,
    /// The number of requests for which the last one is still valid.
    left: usize,
}

/// The login that gets a token for pushes, and the identity token that does.
pub(crate) const TOKEN_LOGIN: (&str, &str) = ("user", "hunter2");
pub(crate) const IDENTITY_TOKEN: &str = "identity-hunter2";
/// The beginning of each token.
pub(crate) const TOKEN: &str = "opaque-";
/// A token without a login; it is for pulls.
const ANONYMOUS: &str = "anonymous";
/// The requests for which a token is valid.
const TOKEN_USES: usize = 6;

impl Tokens {
    /// Answers a request for a token.
    fn give(&mut self, authorization: Option<&str>, body: &str) -> Option<String> {
        let (name, password) = TOKEN_LOGIN;
        let basic = format!(
            "Basic {}",
            BASE64_STANDARD.encode(format!("{name}:{password}"))
        );
        let refresh = format!("refresh_token={IDENTITY_TOKEN}");
        match authorization {
            None if body.is_empty() => return Some(ANONYMOUS.to_owned()),
            None if body.split('&').any(|field| field == refresh) => {}
            Some(sent) if sent == basic => {}
            _ => return None,
        }
        self.given += 1;
        self.left = TOKEN_USES;
        Some(format!("{TOKEN}{}", self.given))
    }

    /// Returns whether a request may pass.
    fn accept(&mut self, method: &str, authorization: Option<&str>) -> bool {
        let token = authorization.and_then(|sent| sent.strip_prefix("Bearer "));
        if token == Some(ANONYMOUS) {
            return matches!(method, "GET" | "HEAD");
        }
        let valid = self.left > 0 && token == Some(&format!("{TOKEN}{}", self.given));
        if valid {
            self.left -= 1;
        }
        valid
    }
}

/// A proxy in front of a registry, with connections that break on demand.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: String,
    state: Arc<Mutex<ProxyState>>,
}

impl Proxy {
    /// Starts a proxy for the registry at `target`.
    pub(crate) fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let state = Arc::new(Mutex::new(ProxyState::default()));
        let (shared, target) = (Arc::clone(&state), target.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (state, target) = (Arc::clone(&shared), target.clone());
                // Broken connections are the purpose.
                thread::spawn(move || drop(forward(&client, &target, &state)));
            }
        });
        Self { address, state }
    }

    /// Starts a proxy that passes only requests with a token, which it gives to its users.
    pub(crate) fn with_tokens(target: &str) -> Self {
        let proxy = Self::start(target);
        proxy.state.lock().unwrap().tokens = Some(Tokens {
            realm: format!("http://{}/token", proxy.address),
            given: 0,
            left: 0,
        });
        proxy
    }

    /// Makes the next request of a method fail, after the faults that are there already.
    pub(crate) fn fault(&self, method: &'static str, fault: ProxyFault) {
        self.state.lock().unwrap().faults.push((method, fault));
    }

    /// Returns the first lines of the requests since the last call; all faults must have happened.
    pub(crate) fn requests(&self) -> Vec<String> {
        let mut state = self.state.lock().unwrap();
        assert!(state.faults.is_empty(), "{:?}", state.faults);
        std::mem::take(&mut state.requests)
    }

    /// Waits for a request of a method.
    pub(crate) fn wait_for(&self, method: &str) {
        let end = Instant::now() + Duration::from_mins(2);
        loop {
            let state = self.state.lock().unwrap();
            if state.requests.iter().any(|one| one.starts_with(method)) {
                return;
            }
            drop(state);
            assert!(Instant::now() < end, "no {method}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Passes one request on, and its answer back.
fn forward(mut client: &TcpStream, target: &str, state: &Mutex<ProxyState>) -> io::Result<()> {
    let mut reader = BufReader::new(client);
    let mut head = Vec::new();
    let mut length = 0;
    let mut authorization = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        assert!(
            !lower.starts_with("transfer-encoding:"),
            "bodies have a length"
        );
        if line == "\r\n" {
            break;
        }
        if lower.starts_with("authorization:") {
            authorization = line
                .split_once(": ")
                .map(|(_, value)| value.trim().to_owned());
            continue;
        }
        if !lower.starts_with("connection:") {
            head.push(line);
        }
    }
    let mut words = head[0].split(' ');
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let answer = {
        let mut state = state.lock().unwrap();
        match &mut state.tokens {
            Some(tokens) if path.starts_with("/token") => {
                let mut body = String::new();
                reader.by_ref().take(length).read_to_string(&mut body)?;
                let token = tokens.give(authorization.as_deref(), &body);
                state.requests.push(format!("{} {body}", head[0].trim()));
                Some(match token {
                    Some(token) => {
                        let text = format!("{{\"token\":\"{token}\"}}");
                        format!("200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
                    }
                    None => "401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_owned(),
                })
            }
            Some(tokens) => (!tokens.accept(method, authorization.as_deref())).then(|| format!(
                "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"{}\",service=\"tests\"\r\n\
                 Content-Length: 0\r\n\r\n",
                tokens.realm
            )),
            None => None,
        }
    };
    if let Some(answer) = answer {
        if !path.starts_with("/token") {
            io::copy(&mut reader.take(length), &mut io::sink())?;
        }
        write!(
            client,
            "HTTP/1.1 {}",
            answer.replacen("\r\n", "\r\nConnection: close\r\n", 1)
        )?;
        return client.shutdown(Shutdown::Both);
    }
    let fault = {
        let mut state = state.lock().unwrap();
        state.requests.push(head[0].trim().to_owned());
        let at = state
            .faults
            .iter()
            .position(|(method, _)| head[0].starts_with(method));
        at.map(|at| state.faults.remove(at).1)
    };
    match fault {
        Some(ProxyFault::Hang) => thread::sleep(Duration::from_mins(5)),
        Some(ProxyFault::Answer(status)) => {
            io::copy(&mut reader.take(length), &mut io::sink())?;
            write!(
                client,
                "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )?;
        }
        Some(ProxyFault::Cut(_) | ProxyFault::Deaf) | None => {
            // One request for each connection: the next one can have a fault.
            let mut server = TcpStream::connect(target)?;
            write!(server, "{}Connection: close\r\n\r\n", head.concat())?;
            let passed = match fault {
                Some(ProxyFault::Cut(bytes)) => bytes.min(length),
                _ => length,
            };
            io::copy(&mut reader.take(passed), &mut server)?;
            match fault {
                Some(ProxyFault::Cut(_)) => server.shutdown(Shutdown::Both)?,
                Some(_) => drop(io::copy(&mut server, &mut io::sink())?),
                None => drop(io::copy(&mut server, &mut client)?),
            }
        }
    }
    client.shutdown(Shutdown::Both)
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
