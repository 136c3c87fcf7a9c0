"""Python asks Rust."""

from app import titles


def test_the_rust_program_answers() -> None:
    found = titles(["The Dispossessed", "A  B!"])
    assert [title.slug for title in found] == ["the-dispossessed", "a-b"]


def test_nothing_gives_nothing() -> None:
    assert titles([]) == []
