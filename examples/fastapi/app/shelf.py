"""The shelf itself: books in memory, by number."""

from app.models import Book, NewBook


class Shelf:
    """Books in the order in which they came."""

    def __init__(self) -> None:
        self._books: dict[int, Book] = {}
        self._next = 1

    def add(self, book: NewBook) -> Book:
        """Put a book on the shelf and give it a number."""
        placed = Book(id=self._next, **book.model_dump())
        self._books[placed.id] = placed
        self._next += 1
        return placed

    def find(self, number: int) -> Book | None:
        """Return the book of that number."""
        return self._books.get(number)

    def search(self, author: str | None = None) -> list[Book]:
        """Return all books, or those of one author."""
        books = self._books.values()
        return [book for book in books if author is None or book.author == author]

    def remove(self, number: int) -> bool:
        """Take a book off the shelf; return whether it was there."""
        return self._books.pop(number, None) is not None
