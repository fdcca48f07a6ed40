"""Runs the service as a process of its own, as it runs in earnest."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from types import TracebackType
from typing import Any

import httpx2


class Service:
    """The service on a free port."""

    def __init__(self, **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "acme_widgets"],
            env={**os.environ, "PORT": "0", **env},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, Any]] = []
        self._logged = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.port = self.logged(msg="listening")["port"]
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10, trust_env=False)

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, at: TracebackType | None) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                with self._logged:
                    self.lines.append(json.loads(line))
                    self._logged.notify_all()

    def logged(self, **values: Any) -> dict[str, Any]:
        """Wait for a line that has these values."""

        def found() -> dict[str, Any] | None:
            return next((line for line in self.lines if values.items() <= line.items()), None)

        with self._logged:
            line = self._logged.wait_for(found, timeout=30)
        assert line, f"no line has {values}: {self.lines}"
        return line

    def socket(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.logged(msg="draining")

    def code(self) -> int:
        return self.process.wait(timeout=30)
