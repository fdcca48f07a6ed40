"""Lists, a page at a time, in the order of their ids."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from acme_widgets.fields import ID, Moment

MAX_LIMIT = 100


def _after(cursor: Any) -> int:
    text = str(cursor)
    if not text:
        return 0
    try:
        last = int(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        last = -1
    if not 0 <= last < 2**63:
        raise ValueError("want the next of another page")
    return last


class PageQuery(BaseModel):
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 20
    cursor: Annotated[int, BeforeValidator(_after), WithJsonSchema({"type": "string"})] = 0


class Record(BaseModel):
    """What all that is kept has."""

    model_config = ConfigDict(from_attributes=True)

    id: ID
    created_at: Moment
    updated_at: Moment


R = TypeVar("R", bound=Record)


class Page(BaseModel, Generic[R]):
    items: list[R]
    next: str | None


class HasID(Protocol):
    id: Any


def page(record: type[R], rows: Sequence[HasID], limit: int) -> Page[R]:
    """A page of rows, of which there is one more than limit when there is another page."""
    items = [record.model_validate(row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(items=items, next=base64.urlsafe_b64encode(b"%d" % items[-1].id).decode().rstrip("=") if more else None)
