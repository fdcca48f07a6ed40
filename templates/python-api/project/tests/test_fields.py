from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from acme_widgets import fields


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        (fields.String, "a" * 200, "a" * 200),
        (fields.Text, "", ""),
        (fields.Integer, -(2**63), -(2**63)),
        (fields.Exact, "12.50", Decimal("12.50")),
        (fields.Exact, 12, Decimal(12)),
        (fields.Exact, Decimal("12345678901234.5678"), Decimal("12345678901234.5678")),
        (fields.Boolean, False, False),
        (fields.Moment, "2026-01-31T12:00:00.5+02:00", datetime(2026, 1, 31, 10, 0, 0, 500_000, UTC)),
        (fields.Moment, "2026-01-31t12:00:00z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        (fields.Moment, "0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_what_is_taken(kind: Any, given: Any, kept: Any) -> None:
    assert TypeAdapter(kind).validate_python(given) == kept


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (fields.String, ["", "a" * 201, "\ud800", 1, None]),
        (fields.Text, ["a" * 10_001, None]),
        (fields.Integer, [1.5, Decimal(1), "1", True, 2**63, None]),
        (fields.Exact, ["", "1.", "1e3", "1.00001", "1" * 19, "x", "NaN", True, Decimal("1e300"), None]),
        (fields.Boolean, [0, "true", None]),
        (fields.Moment, ["2026-01-31", "2026-13-01T00:00:00Z", "2026-01-31T12:00:00", 1, None]),
        (fields.Moment, ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-01:00"]),
    ],
)
def test_what_is_refused(kind: Any, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(value)
