"""Writes archives with Python's tarfile and zipfile: `write.py tar|zip number directory`."""
import io
import random
import sys
import tarfile
import zipfile

kind, number, directory = sys.argv[1], int(sys.argv[2]), sys.argv[3]
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
WORDS = ["a", "lib", "bin", "ünï", "x" * 40, "b c", "data.txt", "deep" * 12, "main.py", "e\u0301t"]


def paths(chance):
    seen, found = set(), []
    for _ in range(chance.randrange(1, 12)):
        path = "/".join(chance.choice(WORDS) for _ in range(chance.randrange(1, 5))) + str(len(found))
        if path not in seen:
            seen.add(path)
            found.append(path)
    return found


for index in range(number):
    chance = random.Random(index)
    target = f"{directory}/{kind}-python-{index}"
    if kind == "zip":
        with zipfile.ZipFile(target, "w") as archive:
            for path in paths(chance):
                info = zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0))
                info.external_attr = chance.choice([0o644, 0o755, 0o100644, 0o100755]) << 16
                info.compress_type = chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
                data = chance.randbytes(chance.randrange(0, 3000)) + b"0" * chance.randrange(3000)
                with archive.open(info, "w", force_zip64=chance.random() < 0.2) as member:
                    member.write(data)
        continue
    with tarfile.open(target, "w", format=FORMATS[index % 3]) as archive:
        before = None
        for path in paths(chance):
            info = tarfile.TarInfo(path)
            info.mode, info.mtime = chance.choice([0o644, 0o755, 0o600]), chance.randrange(1 << 31)
            data = chance.randbytes(chance.randrange(0, 2000))
            case = chance.randrange(8)
            if case == 0:
                info.type, data = tarfile.DIRTYPE, b""
            elif case == 1:
                info.type, info.linkname, data = tarfile.SYMTYPE, "some/where" + "x" * chance.randrange(150), b""
            elif case == 2 and before:
                info.type, info.linkname, data = tarfile.LNKTYPE, before, b""
            else:
                before = path
            info.size = len(data)
            try:
                archive.addfile(info, io.BytesIO(data))
            except ValueError:
                # This format cannot hold so long a name.
                continue
