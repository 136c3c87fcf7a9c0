//! A web server on the loopback interface that records requests and fails on demand.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

/// A fault of a response.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The connection breaks after this number of body bytes.
    Cut(usize),
    /// The server answers with this status.
    Status(u16),
    /// The server names another address.
    Redirect(String),
    /// One byte of the body is another one.
    Flip(usize),
    /// The server refuses until this time, in seconds since 1970, as GitHub does.
    RateLimit(u64),
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    faults: BTreeMap<String, Fault>,
    requests: Vec<String>,
    /// The `Authorization` that every request must have.
    authorization: Option<String>,
    /// The requests with an `Authorization`, with it.
    authorized: Vec<String>,
    /// The paths of documents of which the client has the newest version.
    unchanged: Vec<String>,
    /// Files of which only the first half is sent until `release`.
    held: BTreeSet<String>,
}

impl State {
    /// Returns the fault of the response to a request.
    fn fault_of(&self, request: &Request) -> Option<Fault> {
        if self.authorization.is_some() && self.authorization != request.authorization {
            return Some(Fault::Status(401));
        }
        self.faults.get(&request.path).cloned()
    }
}

/// A running server; it ends with the tests.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    address: String,
    state: Arc<Mutex<State>>,
    released: Arc<Condvar>,
}

impl Server {
    /// Starts a server without files.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let state = Arc::new(Mutex::new(State::default()));
        let released = Arc::new(Condvar::new());
        let shared = (Arc::clone(&state), Arc::clone(&released));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, released) = shared.clone();
                // A client may close the connection early.
                thread::spawn(move || drop(answer(&stream, &state, &released)));
            }
        });
        Self {
            address,
            state,
            released,
        }
    }

    /// Returns the URL without a final `/`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Serves `content` at `path`, which is decoded and begins with `/`.
    pub(crate) fn serve(&self, path: &str, content: impl Into<Vec<u8>>) {
        let mut state = self.state.lock().expect("no panic inside");
        state.files.insert(path.to_owned(), content.into());
    }

    /// Returns the content that is served at `path`.
    pub(crate) fn content(&self, path: &str) -> Vec<u8> {
        let state = self.state.lock().expect("no panic inside");
        state.files.get(path).expect("it is served").clone()
    }

    /// Returns the served paths that contain `part`.
    pub(crate) fn paths(&self, part: &str) -> Vec<String> {
        let state = self.state.lock().expect("no panic inside");
        let found = state.files.keys().filter(|path| path.contains(part));
        found.cloned().collect()
    }

    /// Adds a fault to the response for `path`.
    pub(crate) fn fault(&self, path: &str, fault: Fault) {
        let mut state = self.state.lock().expect("no panic inside");
        state.faults.insert(path.to_owned(), fault);
    }

    /// Sends only the first half of `path` until `release`.
    pub(crate) fn hold(&self, path: &str) {
        let mut state = self.state.lock().expect("no panic inside");
        state.held.insert(path.to_owned());
    }

    /// Waits for a request for a path with `part`.
    pub(crate) fn wait_for(&self, part: &str) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !self.requests().iter().any(|one| one.contains(part)) {
            assert!(Instant::now() < deadline, "nobody asked for {part}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends the second half.
    pub(crate) fn release(&self) {
        self.state.lock().expect("no panic inside").held.clear();
        self.released.notify_all();
    }

    /// Answers only requests with this `Authorization`.
    pub(crate) fn require(&self, authorization: &str) {
        let mut state = self.state.lock().expect("no panic inside");
        state.authorization = Some(authorization.to_owned());
    }

    /// Returns the requests that had an `Authorization`, as `/path Bearer token`.
    pub(crate) fn authorized(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().expect("no panic inside").authorized)
    }

    /// Returns the paths that were answered with 304 since the last call.
    pub(crate) fn unchanged(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().expect("no panic inside").unchanged)
    }

    /// Removes all faults.
    pub(crate) fn mend(&self) {
        self.state.lock().expect("no panic inside").faults.clear();
    }

    /// Returns the requests since the last call, as `GET /path`.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().expect("no panic inside").requests)
    }
}

struct Request {
    method: String,
    path: String,
    /// The path with its query, not decoded.
    target: String,
    etag: Option<String>,
    range: Option<(usize, Option<usize>)>,
    authorization: Option<String>,
}

fn read_request(stream: &TcpStream) -> std::io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut words = first.split(' ').map(str::to_owned);
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let mut request = Request {
        method,
        path: percent_encoding::percent_decode_str(path)
            .decode_utf8_lossy()
            .into_owned(),
        target: target.clone(),
        etag: None,
        range: None,
        authorization: None,
    };
    for line in lines {
        let line = line?;
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            request.authorization = Some(value.to_owned());
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("if-none-match")
        {
            request.etag = Some(value.to_owned());
        }
        let line = line.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some((from, to)) = line
            .strip_prefix("range: bytes=")
            .and_then(|range| range.split_once('-'))
        {
            request.range = from.parse().ok().map(|from| (from, to.parse().ok()));
        }
    }
    Ok(request)
}

fn answer(stream: &TcpStream, state: &Mutex<State>, released: &Condvar) -> std::io::Result<()> {
    let request = read_request(stream)?;
    let (file, fault) = {
        let mut state = state.lock().expect("no panic inside");
        let line = format!("{} {}", request.method, request.path);
        state.requests.push(line);
        if let Some(authorization) = &request.authorization {
            let line = format!("{} {authorization}", request.path);
            state.authorized.push(line);
        }
        let file = state.files.get(&request.target);
        (
            file.or_else(|| state.files.get(&request.path)).cloned(),
            state.fault_of(&request),
        )
    };
    let mut status = if file.is_some() { 200 } else { 404 };
    let mut body = file.unwrap_or_default();
    let total = body.len();
    let mut extra = String::new();
    match fault {
        Some(Fault::Status(code)) => {
            status = code;
            body.clear();
        }
        Some(Fault::Redirect(ref to)) => {
            status = 302;
            body.clear();
            extra = format!("location: {to}\r\n");
        }
        Some(Fault::Flip(at)) => body[at] ^= 1,
        Some(Fault::RateLimit(end)) => {
            status = 403;
            body = br#"{"message":"API rate limit exceeded"}"#.to_vec();
            extra = format!("x-ratelimit-remaining: 0\r\nx-ratelimit-reset: {end}\r\n");
        }
        Some(Fault::Cut(_)) | None => {}
    }
    if let Some((from, to)) = request.range
        && status == 200
        && from < total
    {
        let to = to.unwrap_or(total - 1).min(total - 1);
        body = body[from..=to].to_vec();
        status = 206;
        extra = format!("content-range: bytes {from}-{to}/{total}\r\n");
    }
    if status == 200 {
        let etag = format!("\"{}\"", super::archive::sha256(&body));
        extra = format!("etag: {etag}\r\n");
        if request.etag.as_ref() == Some(&etag) {
            status = 304;
            body.clear();
            let mut state = state.lock().expect("no panic inside");
            state.unchanged.push(request.path.clone());
        }
    }
    let kind = if request.path.starts_with("/simple/") {
        "application/vnd.pypi.simple.v1+json"
    } else {
        "application/octet-stream"
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Answer\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\
         accept-ranges: bytes\r\nconnection: close\r\n{extra}\r\n"
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    if request.method != "HEAD" {
        if let Some(Fault::Cut(at)) = fault {
            body.truncate(at);
        }
        let (first, second) = body.split_at(body.len() / 2);
        stream.write_all(first)?;
        stream.flush()?;
        let state = state.lock().expect("no panic inside");
        let free = released.wait_while(state, |state| state.held.contains(&request.path));
        drop(free.expect("no panic inside"));
        stream.write_all(second)?;
    }
    stream.flush()
}
