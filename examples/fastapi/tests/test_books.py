"""The application, asked over HTTP."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.main import app, shelf
from app.shelf import Shelf

DUNE = {"title": "Dune", "author": "Frank Herbert", "year": 1965}
EMMA = {"title": "Emma", "author": "Jane Austen", "year": 1815}


@pytest.fixture
def client() -> Iterator[TestClient]:
    """Return a client of an application with an empty shelf."""
    empty = Shelf()
    app.dependency_overrides[shelf] = lambda: empty
    with TestClient(app) as client:
        yield client
    app.dependency_overrides.clear()


def test_health(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}


def test_a_book_can_be_added_and_read(client: TestClient) -> None:
    added = client.post("/books", json=DUNE)
    assert added.status_code == 201
    assert added.json() == DUNE | {"id": 1}
    assert client.get("/books/1").json() == added.json()


def test_books_are_found_by_author(client: TestClient) -> None:
    for book in (DUNE, EMMA):
        client.post("/books", json=book)
    assert len(client.get("/books").json()) == 2
    found = client.get("/books", params={"author": "Jane Austen"}).json()
    assert [book["title"] for book in found] == ["Emma"]


def test_a_book_can_be_removed_once(client: TestClient) -> None:
    client.post("/books", json=DUNE)
    assert client.delete("/books/1").status_code == 204
    assert client.delete("/books/1").status_code == 404
    assert client.get("/books/1").status_code == 404


@pytest.mark.parametrize(
    "change",
    [{"title": ""}, {"year": -1}, {"year": "soon"}, {"author": None}],
)
def test_bad_books_are_refused(client: TestClient, change: dict[str, object]) -> None:
    assert client.post("/books", json=DUNE | change).status_code == 422
