"""The types of fields: how they are checked, kept and described."""

import re
from datetime import datetime, timezone
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Callable

from acme_widgets.web import Problem

# A Check returns the value as it is kept and answered, or raises ValueError.
Check = Callable[[Any], Any]


def string(value: Any) -> str:
    if not _is_text(value) or not 1 <= len(value) <= 200:
        raise ValueError("want text of 1 to 200 characters")
    return value


def text(value: Any) -> str:
    if not _is_text(value) or len(value) > 10_000:
        raise ValueError("want text of at most 10000 characters")
    return value


def _is_text(value: Any) -> bool:
    # Half of a surrogate pair, as "\ud800", is JSON, but cannot be stored.
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise ValueError("want a whole number")
    return value


def decimal(value: Any) -> str:
    """Decimals are kept and answered as text: no binary fraction is exact."""
    wrong = ValueError('want a decimal such as "12.50", with at most 18 digits, 4 of them after the point')
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise wrong
    if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,4})?", str(value)):
        raise wrong
    number = Decimal(value)
    if len(number.as_tuple().digits) > 18:
        raise wrong
    return str(number)


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("want true or false")
    return value


def moment(value: Any) -> str:
    wrong = ValueError("want a time such as 2026-01-31T12:00:00Z")
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", value):
        raise wrong
    try:
        at = datetime.fromisoformat(re.sub(r"\.\d+", "", value.upper()).replace("Z", "+00:00"))
        at = at.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise wrong from None
    return at.isoformat().replace("+00:00", "Z")


SCHEMAS: dict[Check, dict[str, Any]] = {
    string: {"type": "string", "minLength": 1, "maxLength": 200},
    text: {"type": "string", "maxLength": 10_000},
    integer: {"type": "integer", "format": "int64"},
    decimal: {"type": "string", "pattern": r"^-?[0-9]{1,18}(\.[0-9]{1,4})?$", "examples": ["12.50"]},
    boolean: {"type": "boolean"},
    moment: {"type": "string", "format": "date-time"},
}


def check(value: Any, fields: dict[str, Check]) -> dict[str, Any]:
    """Return value with every field checked; a Problem has all that is wrong."""
    if not isinstance(value, dict):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "want an object")
    checked, errors = {}, []
    for name, one in fields.items():
        try:
            if name not in value:
                raise ValueError("it is missing")
            checked[name] = one(value[name])
        except ValueError as err:
            errors.append({"field": name, "message": str(err)})
    errors += [{"field": name, "message": "there is no such field"} for name in value if name not in fields]
    if errors:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "the fields are not right", errors)
    return checked
