"""Rows in memory: they are gone when the service ends."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, islice
from typing import Any, TypeVar

from acme_widgets.config import Config


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Row:
    id: int = 0
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)


R = TypeVar("R", bound=Row)


class Store:
    """Keeps rows by their id. Its methods may be called from any thread."""

    def __init__(self, _: Config) -> None:
        self._lock = threading.Lock()
        self._ids = count(1)
        self._rows: dict[int, Row] = {}

    def ready(self) -> bool:
        return True

    def close(self) -> None:
        self._rows.clear()

    def page(self, row: type[R], after: int, limit: int) -> Sequence[R]:
        with self._lock:
            later = (one for one in self._rows.values() if one.id > after and isinstance(one, row))
            return list(islice(later, limit))

    def get(self, row: type[R], id: int) -> R | None:
        with self._lock:
            return self._get(row, id)

    def _get(self, row: type[R], id: int) -> R | None:
        found = self._rows.get(id)
        return found if isinstance(found, row) else None

    def add(self, row: R) -> R:
        with self._lock:
            row.id = next(self._ids)
            self._rows[row.id] = row
        return row

    def replace(self, row: type[R], id: int, values: dict[str, Any]) -> R | None:
        with self._lock:
            was = self._get(row, id)
            if was is None:
                return None
            self._rows[id] = made = row(id=id, created_at=was.created_at, **values)
            return made

    def remove(self, row: type[R], id: int) -> bool:
        with self._lock:
            return self._get(row, id) is not None and bool(self._rows.pop(id))
