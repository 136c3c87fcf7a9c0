//! Caches that are full, refuse, are slow or wrong: nothing wrong enters the store, and nothing is lost.

use std::{
    fs,
    os::unix::fs::symlink,
    time::{Duration, SystemTime},
};

use super::{Team, serve_files};
use crate::support::{
    Sandbox, Server,
    archive::sha256,
    bucket::{Bucket, Refusal},
    pypi::{serve_tool, serve_tool_files},
    server::Fault,
};

/// A project with one tool in a home with an access key.
fn project(server: &Server) -> Sandbox {
    let sandbox = Sandbox::new()
        .served_by(server)
        .env("AWS_ACCESS_KEY_ID", "ci")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .manifest("[tools]\nruff = \"0.12\"\n");
    sandbox.devsh(&["lock", "--trust"]).success();
    sandbox
}

#[test]
fn a_refused_upload_is_an_error_and_is_made_good_later() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = project(&server);
    for (status, code, fix) in [
        (400, "EntityTooLarge", "cannot be written"),
        (400, "XMinioStorageFull", "make room in the cache"),
        (403, "QuotaExceeded", "make room in the cache"),
        (403, "AccessDenied", "AWS_SECRET_ACCESS_KEY"),
        (403, "RequestTimeTooSkewed", "set the clock"),
        (507, "", "make room in the cache"),
    ] {
        let bucket = Bucket::start();
        let config = format!("{}push = true\n", bucket.settings());
        fs::create_dir_all(sandbox.home().join(".config/devsh")).unwrap();
        fs::write(sandbox.home().join(".config/devsh/config.toml"), config).unwrap();
        bucket.refuse(Refusal {
            method: "PUT",
            part: "artifacts/",
            after: 0,
            status,
            code,
        });
        let refused = sandbox.devsh(&["cache", "push", "--trust"]);
        refused.error(&["the cache `s3://team/devsh` cannot be written", code, fix]);
        assert_eq!(bucket.keys(), [""; 0]);
        bucket.accept();
        sandbox.devsh(&["cache", "push", "--trust"]).success();
        assert_eq!(bucket.keys().len(), 1);
    }
}

#[test]
fn a_symlink_in_a_shared_directory_leads_no_push_astray() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = project(&server);
    let [cache, own] = ["team", "own"].map(|name| sandbox.root().join(name));
    for path in [&cache, &own, &sandbox.home().join(".config/devsh")] {
        fs::create_dir_all(path).unwrap();
    }
    let config = format!(
        "[[caches]]\nurl = \"file://{}\"\npush = true\n",
        cache.display()
    );
    fs::write(sandbox.home().join(".config/devsh/config.toml"), config).unwrap();
    let old = fs::File::create(own.join("thesis")).unwrap();
    old.set_modified(SystemTime::now() - Duration::from_hours(72))
        .unwrap();
    for name in ["artifacts", ".uploads"] {
        symlink(&own, cache.join(name)).unwrap();
        let push = sandbox.devsh(&["cache", "push", "--trust"]);
        push.error(&["cannot be written", name, "it is not a directory"]);
        assert_eq!(fs::read_dir(&own).unwrap().count(), 1);
        assert!(own.join("thesis").exists());
        fs::remove_file(cache.join(name)).unwrap();
    }
    // A killed writer left one of these, and no devsh the other.
    let uploads = cache.join(".uploads");
    fs::create_dir(&uploads).unwrap();
    for name in [".devsh-tmp.1.1.x", "x"] {
        let left = fs::File::create(uploads.join(name)).unwrap();
        left.set_modified(SystemTime::now() - Duration::from_hours(72))
            .unwrap();
    }
    sandbox.devsh(&["cache", "push", "--trust"]).success();
    let left: Vec<_> = fs::read_dir(&uploads).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(uploads.join("x").exists());
}

#[test]
fn a_record_is_written_after_the_tree_that_it_names() {
    let Some(team) = Team::new() else { return };
    let team = team.with_access_key();
    team.key();
    let bucket = Bucket::start();
    let config = format!(
        "{}push = true\nsigning-key = \"~/.config/devsh/keys/team-1.key\"\n",
        bucket.settings()
    );
    team.configure(&config);
    let push = ["cache", "push", "--trust"];
    let count = |part: &str| {
        let keys = bucket.keys();
        keys.iter().filter(|key| key.starts_with(part)).count()
    };
    for (part, trees) in [("blobs/", 0), ("objects/", 1)] {
        bucket.refuse(Refusal {
            method: "PUT",
            part,
            after: 0,
            status: 400,
            code: "EntityTooLarge",
        });
        team.builder.devsh(&push).error(&["EntityTooLarge"]);
        assert_eq!((count("blobs/"), count("objects/")), (trees, 0));
        bucket.accept();
    }
    team.builder.devsh(&push).success();
    assert_eq!((count("blobs/"), count("objects/")), (1, 1));
}

#[test]
fn a_large_upload_continues_where_it_stopped() {
    let server = Server::start();
    // It does not get smaller in a wheel.
    let mut state = 1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let content: Vec<u8> = (0..34_usize << 17).flat_map(|_| next()).collect();
    let member = "ruff-0.12.4.data/scripts/ruff";
    serve_tool_files(&server, ("ruff", "0.12.4"), &[(member, &content, true)]);
    let bucket = Bucket::start();
    let sandbox = project(&server).config(&format!("{}push = true\n", bucket.settings()));
    let push = ["cache", "push", "--trust"];
    let sent = || {
        let requests = bucket.requests();
        let parts = requests.iter().filter(|one| one.starts_with("PUT"));
        parts
            .filter_map(|one| {
                Some(
                    one.split_once("partNumber=")?
                        .1
                        .split('&')
                        .next()?
                        .to_owned(),
                )
            })
            .collect::<Vec<String>>()
    };
    bucket.refuse(Refusal {
        method: "PUT",
        part: "partNumber=2",
        after: 0,
        status: 403,
        code: "AccessDenied",
    });
    sandbox.devsh(&push).error(&["AccessDenied"]);
    assert_eq!(sent(), ["1", "2"]);
    bucket.accept();
    sandbox.devsh(&push).success();
    assert_eq!(sent(), ["2", "3"]);
    let key = bucket.keys().remove(0);
    let digest = key.rsplit('/').next().unwrap().to_owned();
    assert_eq!(sha256(&bucket.content(&key)), digest);
    // The identifier of the upload is gone with it.
    let kept = sandbox.home().join(".cache/devsh/uploads");
    assert_eq!(fs::read_dir(kept).unwrap().count(), 0);
}

#[test]
fn two_writers_of_one_entry_write_it_once() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let bucket = Bucket::start();
    let sandbox = project(&server).config(&format!("{}push = true\n", bucket.settings()));
    // The other writer comes between the question and the upload.
    bucket.refuse(Refusal {
        method: "HEAD",
        part: "artifacts/",
        after: 0,
        status: 404,
        code: "NoSuchKey",
    });
    let push = ["cache", "push", "--trust", "--json"];
    let first = sandbox.devsh(&push).success().stdout;
    assert!(first.contains("\"written\": 1"), "{first}");
    let second = sandbox.devsh(&push).success().stdout;
    assert!(second.contains("\"written\": 0"), "{second}");
    assert!(second.contains("\"present\": 1"), "{second}");
}

#[test]
fn a_cache_that_refuses_or_fails_costs_one_line() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = project(&server);
    let lockfile = fs::read(sandbox.project().join("devshell.lock")).unwrap();
    for (status, code, lines) in [
        (404, "NoSuchKey", 0),
        (404, "NoSuchBucket", 0),
        (403, "AccessDenied", 1),
        (403, "RequestTimeTooSkewed", 1),
        (500, "InternalError", 1),
        (301, "PermanentRedirect", 1),
    ] {
        let bucket = Bucket::start();
        bucket.refuse(Refusal {
            method: "HEAD",
            part: "artifacts/",
            after: 0,
            status,
            code,
        });
        let second = Sandbox::new()
            .served_by(&server)
            .config(&bucket.settings())
            .manifest("[tools]\nruff = \"0.12\"\n");
        second.write("devshell.lock", &lockfile);
        let ran = second.devsh(&["run", "--locked", "--trust", "--", "ruff", "--version"]);
        let ran = ran.success();
        assert_eq!(ran.stdout, "ruff 0.12.4\n", "{ran}");
        assert_eq!(
            ran.stderr.matches("is not used").count(),
            lines,
            "{code}: {ran}"
        );
        assert_eq!(bucket.requests().len(), 1, "{code}");
    }
}

#[test]
fn a_slow_cache_costs_its_timeout_once() {
    let Some(team) = Team::new() else { return };
    let cache = team.web_cache();
    let web = &cache.server;
    for path in web.paths("/artifacts/") {
        web.hold(&path);
    }
    let second = team.second(&cache.settings(&cache.key));
    let ran = second
        .devsh(&["run", "--locked", "--trust", "--", "helper"])
        .success();
    assert_eq!(ran.stdout, "helper-lib 1.0\n", "{ran}");
    assert_eq!(ran.stderr.matches("is not used").count(), 1, "{ran}");
    let asked = web.requests();
    // The packages come after the tools: by then the cache is left out.
    assert!(
        !asked.iter().any(|one| one.contains("/objects/")),
        "{asked:?}"
    );
    web.release();
    second.devsh(&["verify"]).success();
}

#[test]
fn a_file_of_another_size_is_not_used() {
    let server = Server::start();
    serve_tool(&server, "ruff", &["0.12.4"]);
    let sandbox = project(&server);
    let shared = sandbox.root().join("shared");
    let url = format!("file://{}", shared.display());
    sandbox
        .devsh(&["cache", "push", "--trust", "--to", &url])
        .success();
    let lockfile = fs::read(sandbox.project().join("devshell.lock")).unwrap();
    let web = Server::start();
    serve_files(&web, &shared, "/cache");
    let path = web.paths("/artifacts/").remove(0);
    let whole = web.content(&path);
    let longer = [&whole[..], &[0; 4096]].concat();
    let cases: [(&[u8], Option<Fault>); 5] = [
        (&longer, None),
        (&whole[..whole.len() - 1], None),
        (b"", None),
        (&whole, Some(Fault::Cut(100))),
        (&whole, Some(Fault::Flip(7))),
    ];
    for (content, fault) in cases {
        web.serve(&path, content);
        web.mend();
        if let Some(fault) = fault {
            web.fault(&path, fault);
        }
        let second = Sandbox::new()
            .served_by(&server)
            .config(&format!("[[caches]]\nurl = \"{}/cache\"\n", web.address()))
            .manifest("[tools]\nruff = \"0.12\"\n");
        second.write("devshell.lock", &lockfile);
        let ran = second.devsh(&["run", "--locked", "--trust", "--", "ruff", "--version"]);
        let ran = ran.success();
        assert_eq!(ran.stdout, "ruff 0.12.4\n", "{ran}");
        assert_eq!(ran.stderr.matches("is not used").count(), 1, "{ran}");
        second.devsh(&["verify"]).success();
    }
}

#[test]
fn a_record_that_is_cut_swapped_or_huge_is_not_used() {
    let Some(team) = Team::new() else { return };
    let cache = team.web_cache();
    let web = &cache.server;
    let config = cache.settings(&cache.key);
    let takes_blob = |second: &Sandbox| {
        web.requests();
        team.run_in(second);
        second.devsh(&["verify"]).success();
        web.requests().iter().any(|one| one.contains("/blobs/"))
    };
    let path = web.paths("/cache/objects/").remove(0);
    let whole = web.content(&path);
    let huge = vec![b' '; 5 << 20];
    for content in [
        b"".as_slice(),
        &whole[..whole.len() / 2],
        &huge,
        b"\xff\n{}\n",
    ] {
        web.serve(&path, content);
        assert!(!takes_blob(&team.second(&config)));
    }
    web.serve(&path, whole.as_slice());
    // The record of these packages, as the one of others.
    let manifest = fs::read_to_string(team.builder.project().join("devshell.toml")).unwrap();
    let other = manifest.replace("\"helper-lib\"", "\"helper-lib\", \"tester\"");
    let second = team.second(&config);
    second.write("devshell.toml", &other);
    second.devsh(&["lock", "--trust"]).success();
    assert!(!takes_blob(&second));
    let third = team.second(&config);
    web.requests();
    third.write("devshell.toml", &other);
    let lockfile = fs::read(second.project().join("devshell.lock")).unwrap();
    third.write("devshell.lock", &lockfile);
    team.run_in(&third);
    let asked = web.requests();
    let missing = asked.iter().find_map(|one| {
        one.strip_prefix("GET ")
            .filter(|one| one.contains("/objects/"))
    });
    web.serve(missing.unwrap(), whole.as_slice());
    let fourth = team.second(&config);
    fourth.write("devshell.toml", &other);
    fourth.write("devshell.lock", &lockfile);
    assert!(!takes_blob(&fourth), "a record of another object");
}
