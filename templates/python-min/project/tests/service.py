"""Runs the service as a process of its own, as it runs in earnest."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from http.client import HTTPConnection
from typing import Any


class Service:
    """The service on a free port, with an empty store."""

    def __init__(self, **env: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        store = "sqlite:" + os.path.join(self.folder.name, "test.db")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "acme_widgets"],
            env={**os.environ, "PORT": "0", "DATABASE_URL": store, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, Any]] = []
        self._logged = threading.Condition()
        self.port = json.loads(self.process.stdout.readline())["port"]
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        self.folder.cleanup()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._logged:
                self.lines.append(json.loads(line))
                self._logged.notify_all()

    def logged(self, **values: Any) -> dict[str, Any]:
        """Wait for a line that has these values."""

        def found() -> dict[str, Any] | None:
            return next((line for line in self.lines if values.items() <= line.items()), None)

        with self._logged:
            line = self._logged.wait_for(found, timeout=10)
        assert line, f"no line has {values}: {self.lines}"
        return line

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=10)

    def socket(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        """The status, the headers, and the body: parsed if it is JSON."""
        connection = self.connect()
        if body is not None:
            headers = {"Content-Type": "application/json", **headers}
            body = body if isinstance(body, (bytes, str)) else json.dumps(body)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        is_json = "json" in response.headers.get("Content-Type", "") and text
        return response.status, dict(response.headers), json.loads(text) if is_json else text.decode()
