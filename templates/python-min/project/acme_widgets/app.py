"""The service: what answers which path, and what every request gets."""

import re
import secrets
import socket
import time
import traceback
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Callable

from acme_widgets import log
from acme_widgets.config import Config
from acme_widgets.metrics import Metrics
from acme_widgets.openapi import document
from acme_widgets.resources import RESOURCES
from acme_widgets.server import Server
from acme_widgets.web import MAX_BODY, Problem, Request, Response, Router

OPERATION = ("/healthz", "/readyz", "/metrics", "/openapi.json")
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
REQUEST_ID = re.compile(r"[!-~]{1,128}")
IDLE_SECONDS = 75
LINGER_SECONDS = 2
MAX_TRAILERS = 100  # as many as http.server takes headers


def build(config: Config, ready: Callable[[], bool]) -> Server:
    """The server with all its routes. ready says whether the store answers."""
    metrics = Metrics()
    router = Router()
    for resource in RESOURCES:
        resource.register(router)

    def readyz(request: Request) -> Response:
        if server.draining.is_set():
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "it is about to end")
        if not ready():
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the store does not answer")
        return Response(200, {"status": "ready"})

    described = document(config.service, config.version, RESOURCES)
    router.add("/healthz", GET=lambda _: Response(200, {"status": "alive"}))
    router.add("/readyz", GET=readyz)
    router.add("/metrics", GET=lambda _: Response(200, text=metrics.text(), media_type="text/plain; version=0.0.4"))
    router.add("/openapi.json", GET=lambda _: Response(200, described))

    handler = type("ServiceHandler", (Handler,), {"router": router, "metrics": metrics})
    server = Server((config.host, config.port), handler)  # readyz asks it
    return server


class Handler(BaseHTTPRequestHandler):
    router: Router
    metrics: Metrics
    server: Server

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together
    timeout = IDLE_SECONDS
    request_id = ""
    unread = False

    def handle_one_request(self) -> None:
        self.command, self.path, self.requestline, self.request_version = "", "", "", "HTTP/1.1"
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline:
                self.close_connection = True
                return
            with self.server.answering(self.connection):
                self.request_id = secrets.token_hex(16)
                if len(self.raw_requestline) > 65536:
                    self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG, "the request line is too long")
                elif self.parse_request():
                    self._answer()
                self.wfile.flush()
        except (TimeoutError, ConnectionError):
            self.close_connection = True

    def _answer(self) -> None:
        path, _, query = self.path.partition("?")
        began = time.monotonic()
        given = self.headers.get("X-Request-Id", "")
        if REQUEST_ID.fullmatch(given):
            self.request_id = given
        trace = TRACEPARENT.fullmatch(self.headers.get("traceparent", ""))
        token = log.request.set(
            {
                "trace_id": trace[1] if trace else secrets.token_hex(16),
                "span_id": secrets.token_hex(8),
                "request_id": self.request_id,
            }
        )
        self.metrics.begin()
        route, response = "none", Response(500)
        try:
            route, response = self._respond(path, query)
            self._write(response)
        finally:
            seconds = time.monotonic() - began
            self.metrics.end(self.command, route, response.status, seconds)
            if path not in OPERATION:
                ms = round(seconds * 1000, 2)
                log.log("info", "request", method=self.command, path=path, status=response.status, ms=ms)
            log.request.reset(token)

    def _respond(self, path: str, query: str) -> tuple[str, Response]:
        """The route, and its answer or the problem with the request."""
        route = "none"
        try:
            body = self._body()
            media_type = self.headers.get_content_type() if "Content-Type" in self.headers else ""
            route, answer = self.router.find(self.command, path)
            return route, answer(Request(self.command, path, query, body, media_type))
        except Problem as problem:
            return route, problem.response(self.request_id)
        except (TimeoutError, ConnectionError):
            raise
        except Exception:
            log.log("error", "the request failed", error=traceback.format_exc())
            return route, Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the service failed").response(self.request_id)

    def _body(self) -> bytes:
        if "Transfer-Encoding" in self.headers:
            if "Content-Length" in self.headers:
                self.close_connection = True  # two lengths: where the next request begins is open to doubt
            return self._chunks()
        given = ",".join(self.headers.get_all("Content-Length", ["0"]))
        if not re.fullmatch("[0-9]{1,18}", given):
            self.close_connection = True
            raise Problem(HTTPStatus.BAD_REQUEST, "Content-Length is no number")
        length = int(given)
        if length > MAX_BODY:
            raise self._too_large()
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the client has left")
        return body

    def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            size = self.rfile.readline(1024).split(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size):
                self.close_connection = True
                raise Problem(HTTPStatus.BAD_REQUEST, "the body's chunks are malformed")
            if len(body) + int(size, 16) > MAX_BODY:
                raise self._too_large()
            if int(size, 16) == 0:
                self._skip_trailers()
                return bytes(body)
            body += self.rfile.read(int(size, 16))
            self.rfile.readline(3)

    def _skip_trailers(self) -> None:
        for _ in range(MAX_TRAILERS):
            if not self.rfile.readline(1024).strip():
                return
        self.close_connection = True
        raise Problem(HTTPStatus.BAD_REQUEST, "the body has too many trailers")

    def _too_large(self) -> Problem:
        self.close_connection = self.unread = True  # what is left of the body is not the next request
        return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"want a body of at most {MAX_BODY} bytes")

    def _write(self, response: Response) -> None:
        body = response.body()
        self.send_response_only(response.status)
        self.send_header("Date", self.date_time_string())
        self.send_header("X-Request-Id", self.request_id)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status != 204:
            self.send_header("Content-Type", response.media_type)
            self.send_header("Content-Length", str(len(body)))
        if self.server.closing or self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def finish(self) -> None:
        super().finish()
        if self.unread:
            self._discard()

    def _discard(self) -> None:
        """Take what the client still sends: to close at once would reset the
        connection before it has read the answer."""
        until = time.monotonic() + LINGER_SECONDS
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(LINGER_SECONDS)
            while time.monotonic() < until and self.connection.recv(65536):
                pass

    def handle_expect_100(self) -> bool:
        self.send_response_only(HTTPStatus.CONTINUE)
        self.end_headers()
        self.wfile.flush()  # the client waits for it
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server finds wrong before there is a request."""
        self.close_connection = True
        self._write(Problem(HTTPStatus(code), message or HTTPStatus(code).phrase).response(self.request_id))

    def log_message(self, format: str, *args: Any) -> None:
        """Each request has a line of its own."""
