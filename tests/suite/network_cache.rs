//! A cache that was filled from the real sources serves a home that reaches none of them.

use std::{fs, time::Instant};

use crate::{
    network::{copy_example, open},
    support::{Server, cpython, network},
};

const PYTHON: &str = "3.11.7";

#[test]
fn the_fastapi_example_comes_from_a_cache_alone() {
    if !network() {
        return;
    }
    let Some((version, archive)) = cpython::repackaged() else {
        return;
    };
    if version != PYTHON {
        eprintln!("skipped: the example has Python {PYTHON}, not {version}");
        return;
    }
    // Builds of the python source are on a server that tests may not reach, so this Python takes its place.
    let server = Server::start();
    cpython::serve(&server, &version, &archive);
    let mirror = format!("{}/python", server.address());
    let builder = open()
        .env("UV_PYTHON_INSTALL_MIRROR", mirror)
        .config("tools-from = \"managed\"\n");
    copy_example(&builder, "fastapi");
    cpython::adopt(&builder, &version, &archive);
    let begin = Instant::now();
    builder.devsh(&["allow", "--yes"]).success();
    let cold = begin.elapsed();
    let made = builder.devsh(&["cache", "key", "new", "team-1"]).success();
    let cache = builder.root().join("shared");
    let url = format!("[[caches]]\nurl = \"file://{}\"\n", cache.display());
    let config = builder.home().join(".config/devsh/config.toml");
    let signed = "push = true\nsigning-key = \"~/.config/devsh/keys/team-1.key\"\n";
    fs::write(config, format!("{url}{signed}")).unwrap();
    builder.devsh(&["cache", "push"]).success();

    // The proxy is none, so no source can be reached.
    let reader = open().env("ALL_PROXY", "http://127.0.0.1:9");
    let reader = reader.config(&format!(
        "tools-from = \"managed\"\n{url}keys = [\"{}\"]\n",
        made.stdout.trim()
    ));
    copy_example(&reader, "fastapi");
    cpython::adopt(&reader, &version, &archive);
    server.requests();
    let begin = Instant::now();
    reader.devsh(&["allow", "--yes"]).success();
    let shared = begin.elapsed();
    assert_eq!(server.requests(), [""; 0]);
    let tests = ["run", "--", "pytest", "-q", "-p", "no:cacheprovider"];
    let ran = reader.devsh(&tests).success();
    assert!(ran.stdout.contains("8 passed"), "{ran}");
    let imports = "import fastapi, uvicorn, httpx, pydantic";
    reader
        .devsh(&["run", "--", "python", "-c", imports])
        .success();
    reader.devsh(&["verify"]).success();
    eprintln!(
        "figure: examples/fastapi: cold {:.1} s, from the cache alone {:.1} s",
        cold.as_secs_f64(),
        shared.as_secs_f64()
    );
}
