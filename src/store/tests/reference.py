"""Tells what Python's own readers see in an archive, one line of JSON for each line `kind path` on stdin."""
import hashlib
import json
import sys
import tarfile
import zipfile


def digest(data):
    return hashlib.sha256(data).hexdigest()


def add(tree, name, node):
    parts = [part for part in name.split("/") if part not in ("", ".")]
    for end in range(1, len(parts)):
        tree.setdefault("/".join(parts[:end]), ["d"])
    if parts:
        tree["/".join(parts)] = node


def of_tar(path):
    tree = {}
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            if member.isdir():
                add(tree, member.name, ["d"])
            elif member.issym():
                add(tree, member.name, ["l", member.linkname])
            elif member.islnk():
                target = "/".join(p for p in member.linkname.split("/") if p not in ("", "."))
                add(tree, member.name, tree[target])
            elif member.isfile():
                data = archive.extractfile(member).read()
                add(tree, member.name, ["f", bool(member.mode & 0o100), digest(data)])
            else:
                raise ValueError("odd kind")
    return tree


def of_zip(path):
    tree = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                add(tree, member.filename, ["d"])
            else:
                # Only Unix writers put a mode there.
                mode = member.external_attr >> 16 if member.create_system == 3 else 0
                add(tree, member.filename, ["f", bool(mode & 0o100), digest(archive.read(member))])
    return tree


for line in sys.stdin:
    kind, path = line.rstrip("\n").split(" ", 1)
    try:
        answer = {"tree": of_tar(path) if kind == "tar" else of_zip(path)}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
