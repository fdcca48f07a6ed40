"""What all resources do: lists, and one of them by its id."""

import base64
import binascii
from http import HTTPStatus

from acme_widgets.fields import Check, check
from acme_widgets.table import Table
from acme_widgets.web import Problem, Request, Response, Router

DEFAULT_LIMIT, MAX_LIMIT = 20, 100


class Resource:
    def __init__(self, name: str, plural: str, fields: dict[str, Check]) -> None:
        self.name = name
        self.plural = plural
        self.fields = fields
        self.path = "/" + plural.replace(" ", "-")
        self._table = Table(plural.replace(" ", "_"), fields)

    def register(self, router: Router) -> None:
        router.add(self.path, GET=self.list, POST=self.create)
        router.add(self.path + "/{id}", GET=self.get, PUT=self.replace, DELETE=self.remove)

    def list(self, request: Request) -> Response:
        limit, after = _limit(request), _after(request)
        rows = self._table.page(after, limit + 1)
        more = len(rows) > limit
        return Response(200, {"items": rows[:limit], "next": _cursor(rows[limit - 1]["id"]) if more else None})

    def create(self, request: Request) -> Response:
        row = self._table.add(check(request.json(), self.fields))
        return Response(201, row, {"Location": f"{self.path}/{row['id']}"})

    def get(self, request: Request, id: int) -> Response:
        return Response(200, self._table.get(id) or self._missing(id))

    def replace(self, request: Request, id: int) -> Response:
        values = check(request.json(), self.fields)
        return Response(200, self._table.replace(id, values) or self._missing(id))

    def remove(self, request: Request, id: int) -> Response:
        if not self._table.remove(id):
            self._missing(id)
        return Response(204)

    def _missing(self, id: int) -> None:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no {self.name} {id}")


def _limit(request: Request) -> int:
    text = request.parameter("limit", str(DEFAULT_LIMIT))
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= MAX_LIMIT:
        message = f"want a number from 1 to {MAX_LIMIT}"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "the limit is not right", [{"field": "limit", "message": message}])
    return int(text)


def _cursor(id: int) -> str:
    return base64.urlsafe_b64encode(str(id).encode()).decode().rstrip("=")


def _after(request: Request) -> int:
    text = request.parameter("cursor", "")
    if not text:
        return 0
    try:
        id = int(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        id = -1
    if not 0 <= id < 2**63:
        message = "want the next of another page"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "the cursor is not right", [{"field": "cursor", "message": message}])
    return id
