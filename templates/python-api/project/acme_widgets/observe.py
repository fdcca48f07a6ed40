"""What every request gets: ids, a span, a log line, metrics, and an answer when the service fails."""

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import propagate, trace
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from acme_widgets import log, metrics, problems

OPERATION = ("/healthz", "/readyz", "/metrics", "/openapi.json")
METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
REQUEST_ID = re.compile(r"[!-~]{1,128}")


class Draining:
    """Whether the service is about to end."""

    begun = False


class Observe:
    """ASGI middleware, outside of all that answers."""

    def __init__(self, app: ASGIApp, draining: Draining) -> None:
        self._app, self._draining = app, draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        method, status = scope["method"], 0
        # A server leaves out the body of what it answers to HEAD.
        scope = {**scope, "method": "GET"} if method == "HEAD" else scope

        async def begin(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer = MutableHeaders(scope=message)
                answer["X-Request-Id"] = request_id
                if self._draining.begun:
                    answer["Connection"] = "close"
            await send(message)

        with (
            _span(method, headers) as span,
            bound_contextvars(request_id=request_id),
            metrics.IN_FLIGHT.track_inprogress(),
        ):
            began = time.perf_counter()
            try:
                await self._app(scope, receive, begin)
            except Exception:
                log.get().exception("the request failed")
                if status:
                    raise  # the connection is cut: the client has half of an answer
                await problems.answer(500, "the service failed")(scope, receive, begin)
            finally:
                seconds = time.perf_counter() - began
                route = getattr(scope.get("route"), "path", "none")
                _count(method, route, status, seconds)
                span.update_name(f"{method} {route}")
                span.set_attribute("http.request.method", method)
                span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", status)
                if scope["path"] not in OPERATION:
                    ms = round(seconds * 1000, 2)
                    log.get().info("request", method=method, path=scope["path"], status=status, ms=ms)


@contextmanager
def _span(method: str, headers: Headers) -> Iterator[trace.Span]:
    """A span that goes on with the caller's trace, its ids in all that is logged meanwhile."""
    tracer = trace.get_tracer("acme_widgets")
    with tracer.start_as_current_span(method, propagate.extract(headers), trace.SpanKind.SERVER) as span:
        ids = span.get_span_context()
        with bound_contextvars(trace_id=trace.format_trace_id(ids.trace_id), span_id=trace.format_span_id(ids.span_id)):
            yield span


def _count(method: str, route: str, status: int, seconds: float) -> None:
    method = method if method in METHODS else "_OTHER"
    metrics.REQUESTS.labels(method, route, status).inc()
    metrics.SECONDS.labels(method, route).observe(seconds)
