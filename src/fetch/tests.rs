//! Downloads against a server on loopback that misbehaves on purpose.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::Mutex,
};

mod hostile;

use super::{
    download::{Partial, partial},
    *,
};
use crate::package::Sha256;

/// Serves `body`; `answer` decides for each connection what to write. Returns the address and the requests.
fn serve(
    answer: impl Fn(usize, &str, &mut TcpStream) + Send + 'static,
) -> (Url, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/file", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    thread::spawn(move || {
        for (count, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while reader.read_line(&mut request).unwrap_or(0) > 2 {}
            seen.lock().unwrap().push(request.to_lowercase());
            answer(count, &request.to_lowercase(), &mut stream);
        }
    });
    (address.parse().unwrap(), requests)
}

fn whole(body: &[u8], stream: &mut TcpStream) {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let _closed = stream.write_all(body);
}

fn expected(body: &[u8]) -> ExpectedFile {
    ExpectedFile {
        digest: Sha256::of(body).into(),
        size: Some(body.len() as u64),
    }
}

fn content(download: &Download) -> Vec<u8> {
    let mut bytes = Vec::new();
    download.open().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_cut_download_resumes() {
    let body: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    let served = body.clone();
    let (url, requests) = serve(move |count, request, stream| {
        let start = request
            .split_once("range: bytes=")
            .and_then(|(_, rest)| rest.split('-').next()?.parse().ok())
            .unwrap_or(0usize);
        let rest = &served[start..];
        let status = if start > 0 { "206 Partial" } else { "200 OK" };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\ncontent-range: bytes {start}-{}/{}\r\nconnection: close\r\n\r\n",
            rest.len(),
            served.len() - 1,
            served.len(),
        );
        stream.write_all(head.as_bytes()).unwrap();
        let cut = if count < 6 {
            rest.len().min(120_000)
        } else {
            rest.len()
        };
        let _closed = stream.write_all(&rest[..cut]);
    });
    let directory = tempfile::tempdir().unwrap();
    let download = Client::new(false).download(&url, &expected(&body), directory.path(), &Silent);
    assert!(content(&download.unwrap()) == body);
    assert!(requests.lock().unwrap()[1].contains("range: bytes="));
}

#[test]
fn a_server_that_sends_a_byte_per_answer_is_given_up() {
    let (url, requests) = serve(move |count, _, stream| {
        let head = if count == 0 {
            "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\nconnection: close\r\n\r\nx".to_owned()
        } else {
            format!(
                "HTTP/1.1 206 Partial\r\ncontent-length: {}\r\ncontent-range: bytes {count}-999/1000\r\nconnection: close\r\n\r\nx",
                1000 - count
            )
        };
        let _closed = stream.write_all(head.as_bytes());
    });
    let directory = tempfile::tempdir().unwrap();
    let error = Client::new(false)
        .download(&url, &expected(&[b'x'; 1000]), directory.path(), &Silent)
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(requests.lock().unwrap().len(), 1 + RETRIES as usize);
}

#[test]
fn one_file_is_had_twice_at_once() {
    let body = b"the same".to_vec();
    let served = body.clone();
    let (url, requests) = serve(move |_, _, stream| whole(&served, stream));
    let directory = tempfile::tempdir().unwrap();
    let get = || {
        Client::new(false)
            .download(&url, &expected(&body), directory.path(), &Silent)
            .unwrap()
    };
    let (first, second) = (get(), get());
    assert_eq!(content(&first), body);
    first.discard();
    assert_eq!(content(&second), body);
    let copy = directory.path().join("copy");
    second.copy_to(&copy).unwrap();
    assert_eq!(std::fs::read(&copy).unwrap(), body);
    second.discard();
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[test]
fn a_whole_file_is_not_written_to_whatever_size_is_asked_for() {
    let body = b"the same".to_vec();
    let served = [&body[..], b"+"].concat();
    let (url, requests) = serve(move |_, _, stream| whole(&served, stream));
    let directory = tempfile::tempdir().unwrap();
    let get = |size| {
        let size = Some(size);
        let expected = ExpectedFile {
            size,
            ..expected(&body)
        };
        std::fs::write(
            partial(directory.path(), &expected.digest),
            b"the same".as_slice(),
        )
        .unwrap();
        Client::new(false).download(&url, &expected, directory.path(), &Silent)
    };
    let first = get(8).unwrap();
    for size in [7, 9] {
        let error = get(size).unwrap_err();
        assert!(matches!(error, Error::SizeMismatch { received: 8, .. }));
        assert_eq!(content(&first), body);
    }
    assert_eq!(requests.lock().unwrap().len(), 0);
}

#[test]
fn a_name_that_is_anothers_by_now_is_left_to_it() {
    let body = b"the same".to_vec();
    let served = body.clone();
    let (url, _) = serve(move |_, _, stream| whole(&served, stream));
    let directory = tempfile::tempdir().unwrap();
    let name = partial(directory.path(), &expected(&body).digest);
    let get = || Client::new(false).download(&url, &expected(&body), directory.path(), &Silent);
    let (first, second) = (get().unwrap(), get().unwrap());
    first.discard();
    std::fs::write(&name, "the").unwrap();
    second.discard();
    assert_eq!(std::fs::read(&name).unwrap(), b"the");
}

#[test]
fn a_range_that_is_ignored_starts_over() {
    let body = vec![7; 50_000];
    let served = body.clone();
    let (url, _requests) = serve(move |_, _, stream| whole(&served, stream));
    let directory = tempfile::tempdir().unwrap();
    let expected = expected(&body);
    let partial = directory
        .path()
        .join(format!("{}.partial", expected.digest.hex()));
    std::fs::write(&partial, [9; 100]).unwrap();
    let download = Client::new(false).download(&url, &expected, directory.path(), &Silent);
    download.unwrap().discard();
    assert!(!partial.exists());
}

#[test]
fn a_wrong_digest_is_an_error_and_leaves_nothing() {
    let (url, requests) = serve(|_, _, stream| whole(b"evil", stream));
    let directory = tempfile::tempdir().unwrap();
    let error = Client::new(false)
        .download(&url, &expected(b"good"), directory.path(), &Silent)
        .unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[test]
fn a_wrong_size_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let client = Client::new(false);
    let (url, _requests) = serve(|_, _, stream| whole(b"too long", stream));
    let error = client.download(&url, &expected(b"too"), directory.path(), &Silent);
    assert!(matches!(
        error,
        Err(Error::SizeMismatch { expected: 3, .. })
    ));
    let (url, requests) = serve(|_, _, stream| whole(b"sho", stream));
    let error = client.download(&url, &expected(b"short"), directory.path(), &Silent);
    assert!(matches!(
        error,
        Err(Error::SizeMismatch {
            expected: 5,
            received: 3,
            ..
        })
    ));
    assert!(requests.lock().unwrap().len() > 1);
}

#[test]
fn server_errors_are_retried_and_reported() {
    let (url, requests) = serve(|_, _, stream| {
        let _closed =
            stream.write_all(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    });
    let directory = tempfile::tempdir().unwrap();
    let error = Client::new(false)
        .download(&url, &expected(b"x"), directory.path(), &Silent)
        .unwrap_err();
    assert!(
        matches!(error, Error::Status { status: 503, .. }),
        "{error}"
    );
    assert!(error.is_unreachable());
    assert_eq!(requests.lock().unwrap().len(), 4);
}

#[test]
fn plain_http_needs_loopback_or_a_setting() {
    let client = Client::new(false);
    let url: Url = "http://192.0.2.1/simple/".parse().unwrap();
    assert!(matches!(
        client.get(&url, "*/*", 10),
        Err(Error::Insecure { .. })
    ));
    let mirror: Url = "http://192.0.2.1/".parse().unwrap();
    assert!(client.allow_plain([&mirror]).check_address(&url).is_ok());
    let odd: Url = "ftp://example.com/".parse().unwrap();
    assert!(matches!(
        Client::new(false).get(&odd, "*/*", 10),
        Err(Error::Insecure { .. })
    ));
}

#[test]
fn redirects_are_checked() {
    let (url, _requests) = serve(|_, _, stream| {
        let _closed = stream.write_all(
            b"HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        );
    });
    let error = Client::new(false).get(&url, "*/*", 10).unwrap_err();
    assert!(matches!(error, Error::Insecure { .. }), "{error}");
    let may = |from: &str, to: &str| check_redirect(&from.parse().unwrap(), &to.parse().unwrap());
    for to in [
        "http://example.com/x",
        "http://127.0.0.1/x",
        "file:///x",
        "ftp://example.com/x",
    ] {
        let refused = may("https://example.com/", to).unwrap_err();
        assert!(matches!(refused, Error::Insecure { .. }), "{to}: {refused}");
    }
    assert!(may("https://example.com/", "https://other.example/").is_ok());
    assert!(may("http://127.0.0.1/", "http://127.0.0.1/x").is_ok());
}

#[test]
fn file_mirrors_work_and_offline_sends_no_request() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a b");
    std::fs::write(&path, "text").unwrap();
    let url = Url::from_file_path(&path).unwrap();
    let client = Client::new(true);
    assert_eq!(client.get(&url, "*/*", 10).unwrap(), b"text");
    assert_eq!(client.size(&url).unwrap(), Some(4));
    let download = client.download(&url, &expected(b"text"), directory.path(), &Silent);
    assert_eq!(content(&download.unwrap()), b"text");
    // To open a FIFO as a plain file would wait for a writer.
    let pipe = directory.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let error = client.get(&Url::from_file_path(&pipe).unwrap(), "*/*", 10);
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Mirror(_)), "{error}");
    let absent = Url::from_file_path(directory.path().join("absent")).unwrap();
    let error = client.get(&absent, "*/*", 10).unwrap_err();
    assert!(matches!(error, Error::Mirror(cause) if files::is_absent(&cause.source)));
    let secret: Url = "https://user:secret@example.com/x".parse().unwrap();
    let error = client.get(&secret, "*/*", 10).unwrap_err();
    assert!(matches!(error, Error::Offline { .. }));
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[test]
fn credentials_stay_with_their_server() {
    let (other, elsewhere) = serve(|_, _, stream| whole(b"text", stream));
    let target = other.clone();
    let (url, asked) = serve(move |count, _, stream| match count {
        0 => {
            let head = format!(
                "HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let _closed = stream.write_all(head.as_bytes());
        }
        _ => whole(b"text", stream),
    });
    let mut named = url.clone();
    named.set_username("me").unwrap();
    named.set_password(Some("secret")).unwrap();
    let client = Client::new(false).with_credentials(Credentials::new([&named], ""));
    assert_eq!(client.get(&url, "*/*", 10).unwrap(), b"text");
    let authorization = "authorization: basic";
    assert!(asked.lock().unwrap()[0].contains(authorization));
    let elsewhere = elsewhere.lock().unwrap();
    assert_eq!(elsewhere.len(), 1);
    assert!(!elsewhere[0].contains(authorization), "{elsewhere:?}");
    // An address with credentials of its own never shows them on the request line.
    assert_eq!(client.get(&named, "*/*", 10).unwrap(), b"text");
    let asked = asked.lock().unwrap();
    assert!(asked[1].contains(authorization) && !asked[1].contains("secret"));
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let (url, requests) = serve(|count, _, stream| match count {
        0 => {
            let _closed = stream
                .write_all(b"HTTP/1.1 429 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
        1 => {
            let _closed = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nte");
        }
        _ => whole(b"text", stream),
    });
    assert_eq!(Client::new(false).get(&url, "*/*", 10).unwrap(), b"text");
    assert_eq!(requests.lock().unwrap().len(), 3);
}

#[test]
fn errors_are_distinguished_by_type() {
    let url: Url = "https://host.example/".parse().unwrap();
    let io = |kind| failed(&url, &ureq::Error::Io(io::Error::from(kind)));
    for (error, transient) in [
        (io(io::ErrorKind::ConnectionReset), true),
        (io(io::ErrorKind::ConnectionRefused), false),
        (failed(&url, &ureq::Error::HostNotFound), false),
        (
            failed(&url, &ureq::Error::Timeout(ureq::Timeout::Connect)),
            false,
        ),
        (
            failed(&url, &ureq::Error::Timeout(ureq::Timeout::RecvResponse)),
            true,
        ),
        (
            failed(
                &url,
                &ureq::Error::Io(io::Error::other("a certificate in words")),
            ),
            false,
        ),
    ] {
        let Error::Unreachable {
            transient: found, ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!(found, transient);
    }
    let refused = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    let wrapped = io::Error::new(io::ErrorKind::InvalidData, refused());
    for error in [ureq::Error::Io(wrapped), ureq::Error::Rustls(refused())] {
        let error = failed(&url, &error);
        assert!(
            matches!(error, Error::UntrustedCertificate { .. }),
            "{error}"
        );
    }
}
