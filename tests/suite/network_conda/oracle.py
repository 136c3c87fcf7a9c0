"""Makes a channel (unless one is given) and requests, and solves them with py-rattler: `oracle.py CHANNEL COUNT`.

Prints one line of JSON for each request: the requirements, and for each directory of the channel the chosen packages
or null. With a channel of real records, requests are about its packages.
"""

import asyncio
import json
import pathlib
import random
import sys

import rattler

SYSTEMS = {
    "linux-64": [("__linux", "4.18"), ("__glibc", "2.28")],
    "linux-aarch64": [("__linux", "4.18"), ("__glibc", "2.28")],
    "osx-64": [("__osx", "13.0")],
    "osx-arm64": [("__osx", "13.0")],
}
ARCHITECTURES = {"linux-64": "x86_64", "linux-aarch64": "aarch64", "osx-64": "x86_64", "osx-arm64": "m1"}


def make(channel):
    names = [f"p{number}" for number in range(40)]
    for subdir in [*SYSTEMS, "noarch"]:
        packages = {}
        for position, name in enumerate(names if subdir != "noarch" else []):
            for version in range(1, 6):
                below = random.sample(names[:position], min(position, random.choice([0, 1, 2])))
                depends = [f"{one} {random.choice(['>=', '<=', '=='])}{random.randint(1, 5)}.0" for one in below]
                packages[f"{name}-{version}.0-0.conda"] = {
                    "name": name, "version": f"{version}.0", "build": "0", "build_number": 0,
                    "depends": depends, "subdir": subdir, "sha256": f"{len(packages):064x}",
                }
        place = channel / subdir
        place.mkdir(parents=True)
        (place / "repodata.json").write_text(json.dumps({"info": {"subdir": subdir}, "packages.conda": packages}))


def requests(channel, count):
    index = json.loads((channel / "linux-64" / "repodata.json").read_text())
    versions = {}
    for record in [*index.get("packages", {}).values(), *index.get("packages.conda", {}).values()]:
        versions.setdefault(record["name"], set()).add(record["version"])
    for _ in range(count):
        wanted = []
        for name in random.sample(sorted(versions), random.randint(1, 4)):
            version = random.choice(sorted(versions[name]))
            plain = all(part.isdigit() for part in version.split("."))
            forms = [name, f"{name} =={version}", f"{name} >={version}", f"{name} <={version}"]
            wanted.append(random.choice(forms) if plain else name)
        yield sorted(wanted)


async def solve(channel, gateway, wanted, subdir):
    properties = [("__unix", "0", "0"), ("__archspec", "1", ARCHITECTURES[subdir])]
    properties += [(name, version, "0") for name, version in SYSTEMS[subdir]]
    virtual = [
        rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build))
        for name, version, build in properties
    ]
    try:
        records = await rattler.solve(
            sources=[channel.as_uri()], specs=wanted, gateway=gateway, platforms=[subdir, "noarch"],
            virtual_packages=virtual,
        )
    except Exception as error:
        # The class that the package exports is not the one that it raises.
        if type(error).__name__ != "SolverError":
            raise
        return None
    return sorted(f"{one.name.normalized}-{one.version}-{one.build}" for one in records)


async def main(channel, count):
    random.seed(7)
    if not channel.exists():
        make(channel)
    gateway = rattler.Gateway(cache_dir=channel.parent / "gateway")
    for wanted in requests(channel, count):
        chosen = {subdir: await solve(channel, gateway, wanted, subdir) for subdir in SYSTEMS}
        print(json.dumps({"wanted": wanted, "chosen": chosen}), flush=True)


asyncio.run(main(pathlib.Path(sys.argv[1]), int(sys.argv[2])))
