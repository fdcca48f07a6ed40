"""Calls to other services: how long they take, what is tried again, and what they carry."""

import json
import os
import random
import re
import threading
import time
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from types import TracebackType
from typing import Any, Mapping
from urllib.parse import quote, urlencode, urlsplit

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
    """Makes the calls to one service. It may be used by many threads.

    The address is that of the variable NAME_URL, unless one is given. A call may take timeout seconds, an attempt of it
    attempt seconds. What nothing was sent of is tried again, and what is idempotent.
    """

    def __init__(self, service: str, url: str = "", *, timeout: float = 10, attempt: float = 5) -> None:
        variable = service.upper().replace("-", "_") + "_URL"
        url = url or os.environ.get(variable, "")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{variable}: want http://HOST:PORT, got {url!r}")
        self._service, self._timeout, self._attempt = service, timeout, attempt
        self._host, self._port, self._prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self._connection = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._tokens, self._lock = TOKENS, threading.Lock()

    def __enter__(self) -> "Calls":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, at: TracebackType | None) -> None:
        """Nothing is left open: each attempt has a connection of its own."""

    def call(
        self,
        method: str,
        path: str,
        *,
        keys: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> Any:
        """Return what is answered, or raise CallError. The path has a {name} for each of the keys."""
        call, deadline = f"{self._service}: {method} {path}", time.monotonic() + self._timeout
        target = self._prefix + _target(path, keys or {}, query or {})
        data = None if body is None else json.dumps(body).encode()
        attempt = 1
        while True:
            try:
                answer = self._try(call, method, target, data, deadline)
            except _FailedError as failed:
                self._note(0 < failed.error.status < 500)
                pause = max(failed.pause, random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)))
                no_time = time.monotonic() + pause >= deadline
                if not failed.again or attempt == MAX_ATTEMPTS or no_time or self._tokens <= TOKENS / 2:
                    raise failed.error from failed.__cause__
                log.log(
                    "warning", "call failed, and is tried again", call=call, attempt=attempt, error=str(failed.error)
                )
                time.sleep(pause)
                attempt += 1
            else:
                self._note(True)
                return answer

    def _try(self, call: str, method: str, target: str, data: bytes | None, deadline: float) -> Any:
        until = min(time.monotonic() + self._attempt, deadline)
        connection = self._connection(self._host, self._port, timeout=max(until - time.monotonic(), 0.001))
        try:
            connection.connect()
        except OSError as err:
            raise _FailedError(CallError(call, 0, f"it cannot be reached: {err}"), again=True) from err
        try:
            connection.request(method, target, data, _headers(data))
            with connection.getresponse() as response:
                text = _read(connection, response, until)
        except (OSError, HTTPException) as err:
            again = method in IDEMPOTENT
            raise _FailedError(CallError(call, 0, f"it did not answer: {err or type(err).__name__}"), again) from err
        finally:
            connection.close()
        return _answer(call, method, response.status, response.headers.get("Retry-After", ""), text)

    def _note(self, well: bool) -> None:
        with self._lock:
            self._tokens = min(TOKENS, self._tokens + EARNED) if well else max(0, self._tokens - 1)


def _target(path: str, keys: Mapping[str, Any], query: Mapping[str, Any]) -> str:
    def key(match: re.Match[str]) -> str:
        text = _text(keys[match[1]])
        if text in ("", ".", ".."):
            raise ValueError(f"{match[1]}: with {text!r}, {path} would be another path")
        return quote(text, safe="")

    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        values = value if isinstance(value, list) else [value]
        pairs += [(name, _text(one)) for one in values if one is not None]
    target = re.sub(r"{([^{}]*)}", key, path)
    return target + "?" + urlencode(pairs) if pairs else target


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _headers(data: bytes | None) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if data is not None:
        headers["Content-Type"] = "application/json"
    ids = log.request.get()
    if "trace_id" in ids:
        headers["traceparent"] = f"00-{ids['trace_id']}-{ids['span_id']}-01"
    if "request_id" in ids:
        headers["X-Request-Id"] = ids["request_id"]
    return headers


def _read(connection: HTTPConnection, response: HTTPResponse, until: float) -> bytes:
    text = b""
    while chunk := response.read1():
        text += chunk
        if len(text) > MAX_ANSWER:
            raise HTTPException(f"the answer has more than {MAX_ANSWER} bytes")
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        if connection.sock:
            connection.sock.settimeout(left)
    if response.length:
        raise IncompleteRead(text, response.length)
    return text


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
