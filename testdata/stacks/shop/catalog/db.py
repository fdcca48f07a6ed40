"""Catalog's SQLite database. Each service has a file of its own."""

import sqlite3
from contextlib import closing
from pathlib import Path

PATH = Path(__file__).resolve().parent / "data" / "catalog.db"


def connect(mode="rw"):
    """Open the database; it fails when there is none, unless mode is "rwc".

    Closing is the caller's: sqlite3's own context manager only ends the transaction.
    """
    db = sqlite3.connect(f"{PATH.as_uri()}?mode={mode}", uri=True, timeout=5)
    db.row_factory = sqlite3.Row
    return closing(db)
