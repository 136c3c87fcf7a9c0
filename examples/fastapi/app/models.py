"""What goes over the wire."""

from pydantic import BaseModel, Field


class NewBook(BaseModel):
    """A book as a client sends it."""

    title: str = Field(min_length=1, max_length=200)
    author: str = Field(min_length=1, max_length=200)
    year: int | None = Field(default=None, ge=0, le=2100)


class Book(NewBook):
    """A book on the shelf."""

    id: int
