"""What pip is in an environment of devsh: the packages follow the lockfile, so nothing is installed by hand."""

import sys

if __name__ != "__main__":
    raise ModuleNotFoundError("No module named 'pip'", name="pip")

from importlib.metadata import distributions

command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
if command in ("list", "freeze"):
    found = {(one.metadata["Name"], one.version) for one in distributions()}
    for name, version in sorted(found, key=lambda one: str(one[0]).lower()):
        print(f"{name}=={version}")
    sys.exit()
print(
    "error: this environment is as the project's lockfile says, and devsh keeps it so\n"
    "hint: add the package to the project (`uv add NAME`, `poetry add NAME`, or `packages` in\n"
    "      devshell.toml), then run `devsh sync`; for a try, `uv run --no-project --with NAME python`",
    file=sys.stderr,
)
sys.exit(2)
