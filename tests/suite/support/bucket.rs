//! S3-compatible storage in memory with one bucket, which refuses requests on demand.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// An answer instead of the usual one.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) method: &'static str,
    /// A part of the path with its query.
    pub(crate) part: &'static str,
    /// The number of such requests that are answered before.
    pub(crate) after: usize,
    pub(crate) status: u16,
    /// The code in the answer (`EntityTooLarge`).
    pub(crate) code: &'static str,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    /// The parts of each upload by number.
    uploads: BTreeMap<String, BTreeMap<u16, Vec<u8>>>,
    refusals: Vec<Refusal>,
    requests: Vec<String>,
}

/// A running server; it ends with the tests.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Bucket {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || drop(answer(&stream, &state)));
            }
        });
        Self { address, state }
    }

    /// Returns the settings of a cache in the bucket.
    pub(crate) fn settings(&self) -> String {
        format!(
            "[[caches]]\nurl = \"s3://team/devsh\"\nendpoint = \"{}\"\n",
            self.address
        )
    }

    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.state().refusals.push(refusal);
    }

    /// Answers all requests as usual again.
    pub(crate) fn accept(&self) {
        self.state().refusals.clear();
    }

    /// Returns the keys below the prefix of the cache.
    pub(crate) fn keys(&self) -> Vec<String> {
        let state = self.state();
        let keys = state.objects.keys();
        keys.map(|key| key.trim_start_matches("devsh/").to_owned())
            .collect()
    }

    /// Returns the content of a key below the prefix of the cache.
    pub(crate) fn content(&self, key: &str) -> Vec<u8> {
        self.state().objects[&format!("devsh/{key}")].clone()
    }

    /// Returns the requests since the last call, as `GET devsh/KEY?QUERY`.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state().requests)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic inside")
    }
}

struct Request {
    method: String,
    key: String,
    query: BTreeMap<String, String>,
    only_new: bool,
    body: Vec<u8>,
}

fn read(stream: &TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let url = url::Url::parse(&format!("http://host{target}")).map_err(std::io::Error::other)?;
    let path = percent_encoding::percent_decode_str(url.path()).decode_utf8_lossy();
    let key = path.trim_start_matches('/').trim_start_matches("team");
    let mut request = Request {
        method,
        key: key.trim_start_matches('/').to_owned(),
        query: url.query_pairs().into_owned().collect(),
        only_new: false,
        body: Vec::new(),
    };
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        match line.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap_or(0),
            Some(("if-none-match", "*")) => request.only_new = true,
            Some(("expect", _)) => {
                let mut stream = stream;
                stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            _ => {}
        }
    }
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body)?;
    Ok(request)
}

/// An answer: its status and its body.
struct Answer(u16, Vec<u8>);

impl Answer {
    fn xml(text: &str) -> Self {
        Self(200, text.as_bytes().to_vec())
    }

    fn error(status: u16, code: &str) -> Self {
        let text = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
        Self(status, text.into_bytes())
    }
}

fn answer(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let request = read(stream)?;
    let Answer(status, body) = {
        let mut state = state.lock().expect("no panic inside");
        state.answer(&request)
    };
    let mut stream = stream;
    let head = format!(
        "HTTP/1.1 {status} Answer\r\ncontent-length: {}\r\netag: \"{}\"\r\nconnection: close\r\n\r\n",
        body.len(),
        request.body.len()
    );
    stream.write_all(head.as_bytes())?;
    if request.method != "HEAD" {
        stream.write_all(&body)?;
    }
    stream.flush()
}

impl State {
    fn answer(&mut self, request: &Request) -> Answer {
        let Request {
            method, key, query, ..
        } = request;
        let shown: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let line = format!("{key}?{}", shown.join("&"));
        self.requests.push(format!("{method} {line}"));
        let mut refusals = self.refusals.iter_mut();
        if let Some(refusal) = refusals.find(|one| one.method == method && line.contains(one.part))
        {
            if refusal.after == 0 {
                return Answer::error(refusal.status, refusal.code);
            }
            refusal.after -= 1;
        }
        let upload = query.get("uploadId");
        match (method.as_str(), upload) {
            ("PUT", Some(upload)) => {
                let number = query
                    .get("partNumber")
                    .and_then(|number| number.parse().ok());
                let (Some(number), Some(parts)) = (number, self.uploads.get_mut(upload)) else {
                    return Answer::error(404, "NoSuchUpload");
                };
                parts.insert(number, request.body.clone());
                Answer(200, Vec::new())
            }
            ("POST", Some(upload)) => match self.uploads.remove(upload) {
                Some(parts) => {
                    self.objects
                        .insert(key.clone(), parts.into_values().flatten().collect());
                    Answer::xml(
                        "<CompleteMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                         <Location>a</Location><Bucket>team</Bucket><Key>a</Key><ETag>\"a\"</ETag></CompleteMultipartUploadResult>",
                    )
                }
                None => Answer::error(404, "NoSuchUpload"),
            },
            ("POST", None) => {
                let upload = format!("upload{}", self.requests.len());
                self.uploads.insert(upload.clone(), BTreeMap::new());
                Answer::xml(&format!(
                    "<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                     <Bucket>team</Bucket><Key>a</Key><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
                ))
            }
            ("GET", Some(upload)) => match self.uploads.get(upload) {
                Some(parts) => Answer::xml(&listed_parts(parts)),
                None => Answer::error(404, "NoSuchUpload"),
            },
            ("PUT", None) if request.only_new && self.objects.contains_key(key) => {
                Answer::error(412, "PreconditionFailed")
            }
            ("PUT", None) => {
                self.objects.insert(key.clone(), request.body.clone());
                Answer(200, Vec::new())
            }
            ("GET", None) if query.contains_key("list-type") => {
                let prefix = query.get("prefix").map_or("", String::as_str);
                Answer::xml(&self.listed(prefix))
            }
            _ => match self.objects.get(key) {
                Some(bytes) => Answer(200, bytes.clone()),
                None => Answer::error(404, "NoSuchKey"),
            },
        }
    }

    fn listed(&self, prefix: &str) -> String {
        let mut text = String::from(
            "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>team</Name>\
             <IsTruncated>false</IsTruncated>",
        );
        for (key, bytes) in self
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
        {
            let size = bytes.len();
            let _infallible = write!(
                text,
                "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
                 <ETag>\"a\"</ETag><Size>{size}</Size></Contents>"
            );
        }
        text + "</ListBucketResult>"
    }
}

fn listed_parts(parts: &BTreeMap<u16, Vec<u8>>) -> String {
    let mut text = String::from(
        "<ListPartsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>team</Bucket><Key>a</Key>\
         <UploadId>a</UploadId><MaxParts>1000</MaxParts><IsTruncated>false</IsTruncated>",
    );
    for (number, bytes) in parts {
        let size = bytes.len();
        let _infallible = write!(
            text,
            "<Part><PartNumber>{number}</PartNumber><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
             <ETag>\"{size}\"</ETag><Size>{size}</Size></Part>"
        );
    }
    text + "</ListPartsResult>"
}
