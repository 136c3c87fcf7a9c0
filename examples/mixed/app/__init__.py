"""Titles and their slugs."""

import subprocess
from pathlib import Path

from pydantic import BaseModel

ROOT = Path(__file__).resolve().parent.parent


class Title(BaseModel):
    """A title and what stands for it in an address."""

    text: str
    slug: str


def titles(lines: list[str]) -> list[Title]:
    """Return each line with the slug that the Rust program gives it."""
    output = subprocess.run(
        ["cargo", "run", "--quiet", "--package", "slug"],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    ).stdout
    return [
        Title(text=line, slug=slug) for line, slug in zip(lines, output.splitlines(), strict=True)
    ]
