"""Calls to other services: how long they take, what is tried again, and what they carry."""

import json
import os
import random
import re
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx2
from opentelemetry import propagate, trace
from structlog.contextvars import get_contextvars

from acme_widgets import log

MAX_ANSWER = 16 << 20
MAX_ATTEMPTS = 3
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")  # RFC 9110, section 9.2.2
TRANSIENT = (502, 503, 504)
# As gRPC throttles (its proposal A6): nothing is tried again while half of the tokens are gone.
TOKENS, EARNED = 10.0, 0.1


class CallError(Exception):
    """A call that was refused, or that got no answer: its status is 0 then."""

    def __init__(self, call: str, status: int, detail: str, problem: Any = None) -> None:
        super().__init__(f"{call}: {detail}")
        self.status, self.problem = status, problem


class _FailedError(Exception):
    """An attempt that came to nothing."""

    def __init__(self, error: CallError, again: bool, pause: float = 0) -> None:
        super().__init__()
        self.error, self.again, self.pause = error, again, pause


class Calls:
    """Makes the calls to one service, and keeps connections to it. It may be used by many threads.

    The address is that of the variable NAME_URL, unless one is given. A call may take timeout seconds, an attempt of it
    attempt seconds. What nothing was sent of is tried again, and what is idempotent.
    """

    def __init__(self, service: str, url: str = "", *, timeout: float = 10, attempt: float = 5) -> None:
        variable = service.upper().replace("-", "_") + "_URL"
        url = url or os.environ.get(variable, "")
        if not re.match(r"https?://[^/?#]", url):
            raise ValueError(f"{variable}: want http://HOST:PORT, got {url!r}")
        self._service, self._timeout, self._attempt = service, timeout, attempt
        self._client = httpx2.Client(base_url=url, headers={"Accept": "application/json"}, trust_env=False)
        self._tokens, self._lock = TOKENS, threading.Lock()

    def __enter__(self) -> "Calls":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        keys: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> Any:
        """Return what is answered, or raise CallError. The path has a {name} for each of the keys.

        It waits: a coroutine calls it by starlette.concurrency.run_in_threadpool.
        """
        call, deadline = f"{self._service}: {method} {path}", time.monotonic() + self._timeout
        target, params = _target(path, keys or {}), _params(query or {})
        tracer = trace.get_tracer("acme_widgets")
        with tracer.start_as_current_span(f"{method} {path}", kind=trace.SpanKind.CLIENT) as span:
            span.set_attribute("http.request.method", method)
            span.set_attribute("peer.service", self._service)
            attempt = 1
            while True:
                try:
                    answer = self._try(call, method, target, params, body, deadline)
                except _FailedError as failed:
                    self._note(0 < failed.error.status < 500)
                    pause = max(failed.pause, random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)))  # noqa: S311
                    no_time = time.monotonic() + pause >= deadline
                    if not failed.again or attempt == MAX_ATTEMPTS or no_time or self._tokens <= TOKENS / 2:
                        raise failed.error from failed.__cause__
                    log.get().warning(
                        "call failed, and is tried again", call=call, attempt=attempt, error=str(failed.error)
                    )
                    time.sleep(pause)
                    attempt += 1
                else:
                    self._note(True)
                    return answer

    def _try(self, call: str, method: str, target: str, params: httpx2.QueryParams, body: Any, deadline: float) -> Any:
        until = min(time.monotonic() + self._attempt, deadline)
        seconds = max(until - time.monotonic(), 0.001)
        try:
            with self._client.stream(
                method, target, params=params, json=body, headers=_headers(), timeout=seconds
            ) as response:
                text = _read(response, until)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as err:
            raise _FailedError(CallError(call, 0, f"it cannot be reached: {_why(err)}"), again=True) from err
        except httpx2.TransportError as err:
            again = method in IDEMPOTENT
            raise _FailedError(CallError(call, 0, f"it did not answer: {_why(err)}"), again) from err
        return _answer(call, method, response.status_code, response.headers.get("Retry-After", ""), text)

    def _note(self, well: bool) -> None:
        with self._lock:
            self._tokens = min(TOKENS, self._tokens + EARNED) if well else max(0, self._tokens - 1)


def _target(path: str, keys: Mapping[str, Any]) -> str:
    def key(match: re.Match[str]) -> str:
        text = _text(keys[match[1]])
        if text in ("", ".", ".."):
            raise ValueError(f"{match[1]}: with {text!r}, {path} would be another path")
        return quote(text, safe="")

    return re.sub(r"{([^{}]*)}", key, path)


def _params(query: Mapping[str, Any]) -> httpx2.QueryParams:
    pairs: list[tuple[str, str | int | float | bool | None]] = []
    for name, value in query.items():
        values = value if isinstance(value, list) else [value]
        pairs += [(name, _text(one)) for one in values if one is not None]
    return httpx2.QueryParams(pairs)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _headers() -> dict[str, str]:
    headers: dict[str, str] = {}
    propagate.inject(headers)
    if request_id := get_contextvars().get("request_id"):
        headers["X-Request-Id"] = request_id
    return headers


def _read(response: httpx2.Response, until: float) -> bytes:
    text = b""
    for chunk in response.iter_bytes():
        text += chunk
        if len(text) > MAX_ANSWER:
            raise httpx2.ReadError(f"the answer has more than {MAX_ANSWER} bytes")
        if time.monotonic() >= until:
            raise httpx2.ReadTimeout("timed out")
    return text


def _why(err: Exception) -> str:
    return str(err) or type(err).__name__


def _answer(call: str, method: str, status: int, retry_after: str, text: bytes) -> Any:
    try:
        value = json.loads(text) if text else None
    except ValueError:
        value = None
        if status < 300:
            raise _FailedError(CallError(call, status, "the answer is no JSON"), again=False) from None
    if status < 300:
        return value
    detail = f"{status} {HTTPStatus(status).phrase}" if status in HTTPStatus._value2member_map_ else str(status)
    if isinstance(value, dict) and value.get("detail"):
        detail += f": {value['detail']}"
    pause = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0
    raise _FailedError(CallError(call, status, detail, value), method in IDEMPOTENT and status in TRANSIENT, pause)
