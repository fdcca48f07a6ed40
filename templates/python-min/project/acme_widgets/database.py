"""The SQLite database, and its migrations."""

import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

MIGRATIONS = Path(__file__).parent.parent / "migrations"

_path = ""


def open_database(path: str) -> None:
    """Make the database if there is none, and bring it up to date."""
    global _path
    _path = path
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    migrate()


@contextmanager
def connect() -> Iterator[sqlite3.Connection]:
    """A connection, and a transaction on it: committed unless there is an error."""
    db = sqlite3.connect(_path, timeout=10)
    try:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA foreign_keys = ON")
        with db:
            yield db
    finally:
        db.close()


def migrate() -> None:
    """Apply the migrations that were not yet, each once: of several instances that
    start at the same time, one does it, and the others wait."""
    db = sqlite3.connect(_path, timeout=30, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN IMMEDIATE")
        db.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
        done = {name for (name,) in db.execute("SELECT name FROM migrations")}
        for file in sorted(MIGRATIONS.glob("*.sql")):
            if file.name in done:
                continue
            for statement in file.read_text().split(";"):
                if statement.strip():
                    db.execute(statement)
            db.execute("INSERT INTO migrations VALUES (?)", (file.name,))
        db.execute("COMMIT")
    finally:
        db.close()


def ready() -> bool:
    try:
        with connect() as db:
            db.execute("SELECT 1 FROM migrations LIMIT 1")
    except sqlite3.Error:
        return False
    return True
