"""A service of which a test says what it answers."""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Seen:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]  # names in small letters
    body: Any


class Stub:
    """Gives the answers one after the other, each a status, a value and headers; then it answers 500."""

    def __init__(self, *answers: Any) -> None:
        self.requests: list[Seen] = []
        self._answers = list(answers)
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if self.raw_requestline and self.parse_request():
                    stub._answer(self)
                self.close_connection = True

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Stub":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        query = parse_qs(url.query, keep_blank_values=True)
        self.requests.append(
            Seen(handler.command, unquote(url.path), query, headers, json.loads(body) if body else None)
        )
        status, value, *more = self._answers.pop(0) if self._answers else (500, None)
        text = b"" if value is None else value if isinstance(value, bytes) else json.dumps(value).encode()
        handler.send_response_only(status)
        for name, header in {"Content-Length": str(len(text)), **(more[0] if more else {})}.items():
            handler.send_header(name, header)
        handler.end_headers()
        handler.wfile.write(text)
