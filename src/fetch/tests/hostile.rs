//! Servers that mean harm: each answer is refused, in time, and leaves nothing that counts.

use super::*;

/// Serves the same answer to everyone, and goes on with `more` until the client is gone.
fn answering(head: &'static str, more: &'static [u8]) -> Url {
    let (url, _requests) = serve(move |_, _, stream| {
        let mut sent = stream.write_all(head.replace('\n', "\r\n").as_bytes());
        while sent.is_ok() && !more.is_empty() {
            sent = stream.write_all(more);
        }
    });
    url
}

const OK: &str = "HTTP/1.1 200 OK\nconnection: close\n\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\ntransfer-encoding: chunked\nconnection: close\n\n";
const CHUNK: &[u8] = b"8\r\nxxxxxxxx\r\n";

#[test]
fn an_answer_without_end_is_cut_off() {
    for url in [answering(OK, &[b'x'; 4096]), answering(CHUNKED, CHUNK)] {
        let error = Client::new(false).get(&url, "*/*", 9_999).unwrap_err();
        assert!(
            matches!(error, Error::TooLarge { limit: 9_999, .. }),
            "{error}"
        );
        let directory = tempfile::tempdir().unwrap();
        let wanted = expected(&[b'x'; 5_000]);
        let error = Client::new(false)
            .download(&url, &wanted, directory.path(), &Silent)
            .unwrap_err();
        assert!(matches!(error, Error::SizeMismatch { .. }), "{error}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_small_answer_that_swells_is_cut_off() {
    let zeros = vec![0; 32 << 20];
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&zeros).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 100_000);
    let (url, _requests) = serve(move |_, _, stream| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            packed.len()
        );
        let _closed = stream.write_all(head.as_bytes());
        let _closed = stream.write_all(&packed);
    });
    let error = Client::new(false).get(&url, "*/*", 1 << 20).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[test]
fn nothing_is_followed_to_where_it_should_not_go() {
    for (head, insecure) in [
        (
            "HTTP/1.1 302 Found\nlocation: file:///etc/passwd\ncontent-length: 0\n\n",
            true,
        ),
        (
            "HTTP/1.1 302 Found\nlocation: ftp://127.0.0.1/x\ncontent-length: 0\n\n",
            true,
        ),
        (
            "HTTP/1.1 302 Found\nlocation: http://192.0.2.1/\ncontent-length: 0\n\n",
            true,
        ),
        // Round and round.
        (
            "HTTP/1.1 302 Found\nlocation: /file\ncontent-length: 0\nconnection: close\n\n",
            false,
        ),
        (
            "HTTP/1.1 302 Found\ncontent-length: 0\nconnection: close\n\n",
            false,
        ),
    ] {
        let error = Client::new(false)
            .request_once(&answering(head, b""), "*/*", 10)
            .unwrap_err();
        let right = match error {
            Error::Insecure { .. } => insecure,
            Error::Unreachable { .. } => !insecure,
            _ => false,
        };
        assert!(right, "{head}: {error}");
    }
}

#[test]
fn an_invalid_answer_is_an_error_in_one_line() {
    for head in [
        "",
        "\u{0}\u{1}\u{2}\n\n",
        "HTTP/9.9 ok\n\n",
        "HTTP/1.1 200 OK\ncontent-length: 5\ncontent-length: 7\n\ntext",
        "HTTP/1.1 200 OK\ncontent-length: 18446744073709551616\n\ntext",
        "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\nzz\ntext\n",
        "HTTP/1.1 200 OK\ncontent-encoding: gzip\nconnection: close\n\nno gzip",
    ] {
        let error = Client::new(false)
            .request_once(&answering(head, b""), "*/*", 1 << 20)
            .unwrap_err();
        assert!(
            matches!(error, Error::Unreachable { .. }),
            "{head:?}: {error}"
        );
        assert!(!error.to_string().contains('\n'), "{head:?}: {error}");
    }
    // Headers without end.
    let url = answering("HTTP/1.1 200 OK\nx: ", &[b'x'; 4096]);
    assert!(Client::new(false).request_once(&url, "*/*", 10).is_err());
}

#[test]
fn a_part_that_is_not_the_one_asked_for_is_not_taken() {
    let body: Vec<u8> = (0..40_000u32).flat_map(u32::to_le_bytes).collect();
    let served = body.clone();
    // The bytes that are there already, and an answer with other bytes than the missing ones.
    for range in [
        "bytes 0-159999/160000",
        "bytes 5-159999/160000",
        "lines 1-2",
        "bytes */160000",
    ] {
        let served = served.clone();
        let (url, _requests) = serve(move |_, request, stream| {
            if request.contains("range: bytes=") {
                let head = format!(
                    "HTTP/1.1 206 Partial\r\ncontent-range: {range}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    served.len()
                );
                let _closed = stream.write_all(head.as_bytes());
                let _closed = stream.write_all(&served);
            } else {
                whole(&served, stream);
            }
        });
        let directory = tempfile::tempdir().unwrap();
        let wanted = expected(&body);
        std::fs::write(partial(directory.path(), &wanted.digest), &body[..1_000]).unwrap();
        let download = Client::new(false)
            .download(&url, &wanted, directory.path(), &Silent)
            .unwrap();
        assert_eq!(content(&download), body, "{range}");
    }
}

#[test]
fn a_download_survives_a_cut_at_every_64th() {
    let body: Vec<u8> = (0..16_000u32).flat_map(u32::to_le_bytes).collect();
    let served = body.clone();
    let (url, requests) = serve(move |count, request, stream| {
        let start = request.split_once("range: bytes=").map_or(0, |(_, rest)| {
            rest.split_once('-').unwrap().0.parse().unwrap()
        });
        let status = if start > 0 { "206 Partial" } else { "200 OK" };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-range: bytes {start}-{}/{}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            served.len() - 1,
            served.len(),
            served.len() - start
        );
        let _closed = stream.write_all(head.as_bytes());
        let end = (served.len() * (count % 64 + 1)) / 64;
        let _closed = stream.write_all(&served[start..end.max(start)]);
    });
    let wanted = expected(&body);
    let directory = tempfile::tempdir().unwrap();
    let client = Client::new(false);
    // Without the pauses between tries: each try is one of a process of its own.
    let mut tries = 0;
    let download = loop {
        let mut partial = Partial::open(directory.path(), &wanted, &Silent).unwrap();
        partial.resume(&url, &wanted).unwrap();
        tries += 1;
        if client.attempt(&url, &wanted, &mut partial).is_ok() && partial.is_full(&wanted) {
            drop(partial);
            break client.download(&url, &wanted, directory.path(), &Silent);
        }
    };
    assert_eq!(content(&download.unwrap()), body);
    assert_eq!((tries, requests.lock().unwrap().len()), (64, 64));
}

#[test]
fn a_server_that_sends_next_to_nothing_is_given_up() {
    let (url, _requests) = serve(|_, _, stream| {
        let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
        while sent.is_ok() {
            sent = stream.write_all(b"x");
            thread::sleep(Duration::from_millis(20));
        }
    });
    let mut client = Client::new(false);
    client.min_speed = MinSpeed {
        period: Duration::from_millis(150),
        bytes: 1000,
    };
    let error = client.request_once(&url, "*/*", 1 << 20).unwrap_err();
    assert!(
        error.to_string().ends_with("it sends almost nothing"),
        "{error}"
    );
}

#[test]
fn a_server_says_when_to_come_back() {
    let busy = |wait: String| {
        move |count, _: &str, stream: &mut TcpStream| match count {
            0 => {
                let head = format!(
                    "HTTP/1.1 429 Busy\r\nretry-after: {wait}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                let _closed = stream.write_all(head.as_bytes());
            }
            _ => whole(b"text", stream),
        }
    };
    let (url, _requests) = serve(busy("1".to_owned()));
    let begin = std::time::Instant::now();
    assert_eq!(Client::new(false).get(&url, "*/*", 10).unwrap(), b"text");
    assert!(begin.elapsed() >= Duration::from_secs(1));
    // The client does not wait for an hour, and does not ask before it is over.
    let (url, requests) = serve(busy("3600".to_owned()));
    let error = Client::new(false).get(&url, "*/*", 10).unwrap_err();
    let hour = Duration::from_hours(1);
    assert!(
        matches!(error, Error::Status { status: 429, wait: Some(wait), .. } if wait == hour),
        "{error}"
    );
    assert_eq!(requests.lock().unwrap().len(), 1);
    // A date says the same, and one that has passed says nothing.
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + hour);
    let (url, requests) = serve(busy(date));
    let error = Client::new(false).get(&url, "*/*", 10).unwrap_err();
    let near = Duration::from_mins(59);
    assert!(
        matches!(error, Error::Status { wait: Some(wait), .. } if (near..=hour).contains(&wait)),
        "{error}"
    );
    assert_eq!(requests.lock().unwrap().len(), 1);
    let (url, _requests) = serve(busy("Sun, 06 Nov 1994 08:49:37 GMT".to_owned()));
    assert_eq!(Client::new(false).get(&url, "*/*", 10).unwrap(), b"text");
}

#[test]
fn a_list_without_end_is_refused() {
    let (url, requests) = serve(|count, _, stream| {
        let body = format!("{{\"tags\": [\"v{count}\"]}}");
        let next = format!("link: </v2/team/tool/tags/list?last=v{count}>; rel=\"next\"");
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{next}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
    });
    let name = format!("{}/team/tool", url.authority());
    let client = Client::new(false);
    let registry = registry::Registry::new(client, &name.parse().unwrap(), None).unwrap();
    let error = registry.tags().unwrap_err();
    let text = format!(
        "the list at `http://{}/v2/team/tool/tags/list` is too long",
        url.authority()
    );
    assert_eq!(error.to_string(), text);
    assert_eq!(requests.lock().unwrap().len(), 1000);
}

#[test]
fn tags_without_end_on_one_page_are_refused() {
    let (url, requests) = serve(|count, _, stream| {
        let tags = vec![format!("\"v{count}\""); 60_000].join(",");
        let body = format!("{{\"tags\": [{tags}]}}");
        let next = format!("link: </v2/team/tool/tags/list?last=v{count}>; rel=\"next\"");
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{next}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let _closed = stream.write_all(head.as_bytes());
    });
    let name = format!("{}/team/tool", url.authority());
    let client = Client::new(false);
    let registry = registry::Registry::new(client, &name.parse().unwrap(), None).unwrap();
    let error = registry.tags().unwrap_err();
    assert!(matches!(error, Error::EndlessList { .. }), "{error}");
    assert_eq!(requests.lock().unwrap().len(), 4);
}

#[test]
fn a_challenge_of_a_registry_gets_nothing_of_other_credentials() {
    let (realm, tokens) = serve(|_, _, stream| whole(b"{\"token\": \"x\"}", stream));
    let target = realm.clone();
    let (url, _requests) = serve(move |_, _, stream| {
        let challenge = format!("www-authenticate: Bearer realm=\"{target}token\"");
        let head = format!(
            "HTTP/1.1 401 Unauthorized\r\n{challenge}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let _closed = stream.write_all(head.as_bytes());
    });
    let mut named = realm.clone();
    named.set_username("me").unwrap();
    named.set_password(Some("secret")).unwrap();
    let client = Client::new(false).with_credentials(Credentials::new([&named], ""));
    let name = format!("{}/team/tool", url.authority());
    let registry = registry::Registry::new(client, &name.parse().unwrap(), None).unwrap();
    registry.tags().unwrap_err();
    let tokens = tokens.lock().unwrap();
    assert!(!tokens.is_empty());
    assert!(
        !tokens.iter().any(|one| one.contains("authorization")),
        "{tokens:?}"
    );
}
