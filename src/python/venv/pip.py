"""pip in an environment of devsh: the real pip, which cannot change the packages of the lockfile."""

import glob
import importlib.util
import itertools
import os
import sys
import zipimport

CHANGES = ("install", "uninstall")
# Options before the command that have a value.
VALUED = (
    "--cache-dir", "--cert", "--client-cert", "--exists-action", "--keyring-provider", "--log", "--log-file",
    "--proxy", "--python", "--resume-retries", "--retries", "--timeout", "--trusted-host", "--use-deprecated",
    "--use-feature",
)
# With one of these, pip writes to another place or not at all.
ELSEWHERE = ("-t", "--target", "--prefix", "--root", "--dry-run", "-h", "--help")


def bundled():
    """Yields the wheels of pip that come with the interpreter."""
    try:
        import ensurepip
    except ImportError:
        return
    directories = [os.path.join(os.path.dirname(ensurepip.__file__), "_bundled")]
    directories.append(getattr(ensurepip, "_WHEEL_PKG_DIR", None))
    for directory in filter(None, directories):
        yield from sorted(glob.glob(os.path.join(glob.escape(directory), "pip-*.whl")), reverse=True)


def locked():
    """Yields the directories of pip among the packages of the environment."""
    own = os.path.dirname(os.path.abspath(__file__))
    for entry in sys.path:
        if os.path.abspath(entry) != own and os.path.exists(os.path.join(entry, "pip", "__init__.py")):
            yield os.path.join(entry, "pip")


def installed():
    """Yields the directories of pip among the interpreter's own packages."""
    minor = "python%d.%d" % sys.version_info[:2]
    for library in ("lib", "lib64"):
        for python in (minor, minor + "t", "python3"):
            for packages in ("site-packages", "dist-packages"):
                directory = os.path.join(sys.base_prefix, library, python, packages, "pip")
                if os.path.exists(os.path.join(directory, "__init__.py")):
                    yield directory


def real_pip():
    """Loads pip: that of the lockfile, else that of the interpreter without the packages next to it."""
    for directory in itertools.chain(locked(), installed()):
        first = os.path.join(directory, "__init__.py")
        spec = importlib.util.spec_from_file_location("pip", first, submodule_search_locations=[directory])
        return load(spec)
    for wheel in bundled():
        return load(zipimport.zipimporter(wheel).find_spec("pip"))
    raise ModuleNotFoundError("No module named 'pip'", name="pip")


def load(spec):
    module = importlib.util.module_from_spec(spec)
    sys.modules["pip"] = module
    spec.loader.exec_module(module)
    return module


def refuse(command):
    print(
        "error: `pip %s` cannot change this environment, because devsh keeps the packages of the lockfile\n"
        "hint: add the package to the project: `uv add NAME`, `poetry add NAME` or a line in `requirements.txt`\n"
        "hint: to try one, run `uv run --no-project --with NAME python`" % command,
        file=sys.stderr,
    )
    return 1


def command_of(words):
    words = iter(words)
    for word in words:
        if word in VALUED:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


def main(words):
    command = command_of(words)
    elsewhere = any(word.split("=")[0] in ELSEWHERE for word in words)
    if command in CHANGES and not elsewhere:
        return refuse(command)
    os.environ.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    sys.argv[0] = "pip"
    try:
        real_pip()
    except ModuleNotFoundError:
        print("error: this Python comes without pip\nhint: `uv pip %s` works" % (command or "list"), file=sys.stderr)
        return 1
    from pip._internal.cli.main import main as pip_main

    return pip_main(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
else:
    real_pip()
