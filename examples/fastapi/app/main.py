"""The HTTP interface. Run it with `uvicorn app.main:app`."""

from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, status

from app.models import Book, NewBook
from app.shelf import Shelf

app = FastAPI(title="Bookshelf")
_shelf = Shelf()


def shelf() -> Shelf:
    """Return the shelf of this process; tests put their own in its place."""
    return _shelf


AShelf = Annotated[Shelf, Depends(shelf)]


@app.get("/health")
def health() -> dict[str, str]:
    """Tell that the application runs."""
    return {"status": "ok"}


@app.get("/books")
def list_books(shelf: AShelf, author: str | None = None) -> list[Book]:
    """Return all books, or those of one author."""
    return shelf.search(author)


@app.post("/books", status_code=status.HTTP_201_CREATED)
def add_book(shelf: AShelf, book: NewBook) -> Book:
    """Put a book on the shelf."""
    return shelf.add(book)


@app.get("/books/{number}")
def read_book(shelf: AShelf, number: int) -> Book:
    """Return one book."""
    book = shelf.find(number)
    if book is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"no book {number}")
    return book


@app.delete("/books/{number}", status_code=status.HTTP_204_NO_CONTENT)
def remove_book(shelf: AShelf, number: int) -> None:
    """Take a book off the shelf."""
    if not shelf.remove(number):
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"no book {number}")
