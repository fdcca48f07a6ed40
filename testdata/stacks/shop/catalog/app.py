"""The catalog: what the shop sells, as JSON over HTTP.

GET /items, GET /items/{id}, GET /healthz (alive), GET /readyz (may take traffic).
"""

import json
import os
import re
import signal
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler

from db import connect
from jsonlog import log
from server import Server


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body leave in one packet
    error_content_type = "application/json"
    error_message_format = '{"error": "%(message)s"}'

    def setup(self):
        super().setup()
        self.started = time.monotonic()  # for a request too broken to be parsed

    def do_GET(self):
        path = self.path.partition("?")[0].rstrip("/")
        if path == "/healthz":
            self.reply(200, {"status": "alive"})
        elif path == "/readyz":
            self.reply(*self.ready())
        else:
            with self.server.in_flight():
                self.reply(*self.answer(path))

    do_HEAD = do_GET

    def ready(self):
        if self.server.draining:
            return 503, {"error": "draining"}
        try:
            with connect() as db:
                db.execute("SELECT 1 FROM items LIMIT 1")
        except sqlite3.Error as err:
            return 503, {"error": f"database: {err}"}
        return 200, {"status": "ready"}

    def answer(self, path):
        """Return the status and the value that answer a GET of path."""
        item = re.fullmatch(r"/items/([0-9]{1,18})", path)
        if path != "/items" and not item:
            return 404, {"error": f"no such path: {path or '/'}"}
        try:
            with connect() as db:
                if not item:
                    return 200, [dict(row) for row in db.execute("SELECT * FROM items ORDER BY id")]
                row = db.execute("SELECT * FROM items WHERE id = ?", (int(item[1]),)).fetchone()
        except sqlite3.Error as err:
            log("ERROR", "database", err=str(err))
            return 500, {"error": "the items could not be read"}
        return (200, dict(row)) if row else (404, {"error": f"no item {item[1]}"})

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            # A body that nobody reads must not be taken for the next request.
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def end_headers(self):
        self.send_header("X-Instance", os.environ.get("INSTANCE_ID", ""))
        super().end_headers()

    def parse_request(self):
        self.started = time.monotonic()
        return super().parse_request()

    def log_request(self, code="-", size="-"):
        path = getattr(self, "path", "")
        if path not in ("/healthz", "/readyz"):  # probes would bury the rest
            ms = round((time.monotonic() - self.started) * 1000, 2)
            log("INFO", "request", method=self.command, path=path, status=int(code), ms=ms)

    def log_message(self, format, *args):
        """Drop http.server's own lines: log_request has logged the request."""


def main():
    # The system gives a signal to any thread, and Python runs handlers in this
    # one alone, which sleeps: the wakeup descriptor is written to at once.
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, lambda *_: None)

    server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,)).start()
    log("INFO", "listening", port=server.server_port)
    os.read(told, 1)
    server.drain()
    log("INFO", "stopped")


if __name__ == "__main__":
    main()
