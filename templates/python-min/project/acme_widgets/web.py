"""Requests, responses, problems (RFC 9457), and which function answers what."""

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Callable
from urllib.parse import parse_qs

MAX_BODY = 1 << 20


@dataclass
class Request:
    method: str
    path: str
    query: str
    body: bytes
    media_type: str

    def json(self) -> Any:
        if self.media_type != "application/json":
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "want application/json")
        try:
            return json.loads(self.body, parse_float=Decimal, parse_constant=_refuse)
        except (ValueError, ArithmeticError, RecursionError):
            raise Problem(HTTPStatus.BAD_REQUEST, "the body is no JSON") from None

    def parameter(self, name: str, default: str) -> str:
        return parse_qs(self.query).get(name, [default])[-1]


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


@dataclass
class Response:
    status: int
    value: Any = None  # JSON; None for no body
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None  # in place of value
    media_type: str = "application/json"

    def body(self) -> bytes:
        if self.text is not None:
            return self.text.encode()
        return b"" if self.value is None else json.dumps(self.value).encode()


class Problem(Exception):
    """An answer that says what is wrong."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        errors: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, headers or {}

    def response(self, request_id: str) -> Response:
        value: dict[str, Any] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.errors:
            value["errors"] = self.errors
        return Response(self.status.value, value, self.headers, media_type="application/problem+json")


Answer = Callable[..., Response]


class Router:
    """Finds who answers a path such as /items/{id}; {id} is a whole number."""

    def __init__(self) -> None:
        self._routes: list[tuple[re.Pattern[str], str, dict[str, Answer]]] = []

    def add(self, route: str, **methods: Answer) -> None:
        pattern = re.escape(route).replace(r"\{id\}", "(?P<id>[0-9]{1,18})")
        self._routes.append((re.compile(pattern), route, methods))

    def find(self, method: str, path: str) -> tuple[str, Callable[[Request], Response]]:
        """Return the route, as it was added, and what answers the request."""
        for pattern, route, methods in self._routes:
            match = pattern.fullmatch(path)
            if not match:
                continue
            answer = methods.get("GET" if method == "HEAD" else method)
            if answer is None:
                allowed = sorted([*methods, *(["HEAD"] if "GET" in methods else [])])
                raise Problem(
                    HTTPStatus.METHOD_NOT_ALLOWED,
                    f"{route} does not take {method}",
                    headers={"Allow": ", ".join(allowed)},
                )
            keys = {name: int(value) for name, value in match.groupdict().items()}
            return route, lambda request: answer(request, **keys)
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no path {path}")
