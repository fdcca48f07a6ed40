"""The types of fields: what is taken, and how it is answered."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, Strict, WithJsonSchema

MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,4})?")


def _decimal(value: Any) -> Decimal:
    wrong = ValueError('want a decimal such as "12.50", with at most 18 digits, 4 of them after the point')
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)) or not DECIMAL.fullmatch(str(value)):
        raise wrong
    number = Decimal(value)
    if len(number.as_tuple().digits) > 18:
        raise wrong
    return number


def _has_form_of_a_moment(value: Any) -> Any:
    if not isinstance(value, datetime) and not (isinstance(value, str) and MOMENT.fullmatch(value)):
        raise ValueError("want a time such as 2026-01-31T12:00:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("want a time from 0001 to 9999, in UTC") from None


def _moment_as_text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


String = Annotated[str, Strict(), Field(min_length=1, max_length=200)]
Text = Annotated[str, Strict(), Field(max_length=10_000)]
Integer = Annotated[int, Strict(), Field(ge=-(2**63), lt=2**63)]
Boolean = Annotated[bool, Strict()]
Exact = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{DECIMAL.pattern}$", "examples": ["12.50"]}),
]
Moment = Annotated[
    datetime,
    BeforeValidator(_has_form_of_a_moment),
    AfterValidator(_in_utc),
    PlainSerializer(_moment_as_text, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
ID = Annotated[int, Field(ge=0, lt=2**63)]
