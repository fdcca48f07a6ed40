"""Bodies of requests: how large they are, and that they are JSON."""

import json
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

MAX_BODY = 1 << 20


class JSONRequest(Request):
    """A request whose numbers with a point are Decimals: no binary fraction is exact."""

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            body = bytearray()
            async for part in self.stream():
                body += part
                if len(body) > MAX_BODY:
                    raise HTTPException(413, f"want a body of at most {MAX_BODY} bytes")
            self._body = bytes(body)
        return self._body

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            try:
                self._json = json.loads(await self.body(), parse_float=Decimal, parse_constant=_refuse)
            except (ValueError, ArithmeticError, RecursionError):
                raise HTTPException(400, "the body is no JSON") from None
        return self._json


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


class JSONRoute(APIRoute):
    """A route that takes JSON, where it takes a body, and nothing else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            request = JSONRequest(request.scope, request.receive)
            if self.body_field:
                if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                    raise HTTPException(415, "want application/json")
                await request.json()
            return await answer(request)

        return handle
