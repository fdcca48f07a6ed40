"""A table in memory: it ends with the process."""

import itertools
import threading
from datetime import datetime, timezone
from typing import Any

from acme_widgets.fields import Check


class Table:
    """Keeps rows by their id."""

    def __init__(self, name: str, fields: dict[str, Check]) -> None:
        self._rows: dict[int, dict[str, Any]] = {}
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    def page(self, after: int, limit: int) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(row) for id, row in self._rows.items() if id > after][:limit]

    def get(self, id: int) -> dict[str, Any] | None:
        with self._lock:
            row = self._rows.get(id)
            return None if row is None else dict(row)

    def add(self, values: dict[str, Any]) -> dict[str, Any]:
        now = _now()
        with self._lock:
            row = {"id": next(self._ids), **values, "created_at": now, "updated_at": now}
            self._rows[row["id"]] = row
            return dict(row)

    def replace(self, id: int, values: dict[str, Any]) -> dict[str, Any] | None:
        with self._lock:
            row = self._rows.get(id)
            if row is None:
                return None
            row.update(values, updated_at=_now())
            return dict(row)

    def remove(self, id: int) -> bool:
        with self._lock:
            return self._rows.pop(id, None) is not None


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
