"""Create and fill catalog's database. Running it again changes nothing."""

from db import PATH, connect
from jsonlog import log

ITEMS = [
    (1, "Walnut desk tray", 3900, 24),
    (2, "Brass pencil", 1250, 80),
    (3, "Dot-grid notebook", 1400, 120),
    (4, "Linen pen roll", 2800, 35),
    (5, "Bottle of blue-black ink", 1850, 18),
]

SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
    stock       INTEGER NOT NULL CHECK (stock >= 0)
)
"""


def main():
    PATH.parent.mkdir(parents=True, exist_ok=True)
    with connect("rwc") as db:
        db.execute("PRAGMA journal_mode = WAL")  # readers go on while a migration writes
        with db:
            db.execute(SCHEMA)
            added = db.executemany("INSERT OR IGNORE INTO items VALUES (?, ?, ?, ?)", ITEMS).rowcount
    log("INFO", "migrated", added=added)


if __name__ == "__main__":
    main()
