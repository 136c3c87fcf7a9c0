"""A bookshelf with an HTTP interface."""
