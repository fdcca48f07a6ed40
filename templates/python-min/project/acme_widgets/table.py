"""A table of SQLite."""

from datetime import datetime, timezone
from typing import Any

from acme_widgets import database
from acme_widgets.fields import Check, boolean


class Table:
    """Keeps rows by their id. name and the fields' names are ours, never a client's."""

    def __init__(self, name: str, fields: dict[str, Check]) -> None:
        self._name, self._fields = name, fields

    def page(self, after: int, limit: int) -> list[dict[str, Any]]:
        with database.connect() as db:
            rows = db.execute(f"SELECT * FROM {self._name} WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
            return [self._row(row) for row in rows]

    def get(self, id: int) -> dict[str, Any] | None:
        with database.connect() as db:
            row = db.execute(f"SELECT * FROM {self._name} WHERE id = ?", (id,)).fetchone()
        return None if row is None else self._row(row)

    def add(self, values: dict[str, Any]) -> dict[str, Any]:
        now = _now()
        row = {**values, "created_at": now, "updated_at": now}
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        with database.connect() as db:
            id = db.execute(f"INSERT INTO {self._name} ({names}) VALUES ({marks})", list(row.values())).lastrowid
        return {"id": id, **row}

    def replace(self, id: int, values: dict[str, Any]) -> dict[str, Any] | None:
        row = {**values, "updated_at": _now()}
        marks = ", ".join(f"{name} = ?" for name in row)
        with database.connect() as db:
            db.execute(f"UPDATE {self._name} SET {marks} WHERE id = ?", [*row.values(), id])
        return self.get(id)

    def remove(self, id: int) -> bool:
        with database.connect() as db:
            return db.execute(f"DELETE FROM {self._name} WHERE id = ?", (id,)).rowcount > 0

    def _row(self, row: Any) -> dict[str, Any]:
        values = dict(row)
        for name, check in self._fields.items():
            if check is boolean:  # SQLite has none
                values[name] = bool(values[name])
        return values


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
