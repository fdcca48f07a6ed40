"""An HTTP server that ends without cutting a request short."""

import socket
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Iterator


class Server(ThreadingHTTPServer):
    """A thread for each connection, and a note of which have a request."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.draining = threading.Event()  # /readyz says 503
        self.closing = False  # every response is its connection's last
        self._busy: dict[Any, bool] = {}
        self._changed = threading.Condition()

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        # HTTPServer would look its own name up here, which can take seconds.
        self.server_name, self.server_port = self.server_address[:2]

    def drain(self, delay: float, grace: float) -> bool:
        """Stop taking connections, and let requests finish: true if all did."""
        self.draining.set()
        time.sleep(delay)
        self.closing = True
        self.shutdown()
        self.socket.close()
        with self._changed:
            for connection, busy in self._busy.items():
                if not busy:
                    _read_no_more(connection)
            return self._changed.wait_for(lambda: not self._busy, timeout=grace)

    @contextmanager
    def answering(self, connection: Any) -> Iterator[None]:
        """While a request is answered, its connection is left alone."""
        self._note(connection, True)
        try:
            yield
        finally:
            self._note(connection, False)

    def _note(self, connection: Any, busy: bool) -> None:
        with self._changed:
            self._busy[connection] = busy
            if self.closing and not busy:  # it was answered as drain began
                _read_no_more(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._note(request, False)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._busy.pop(request, None)
            self._changed.notify_all()


def _read_no_more(connection: Any) -> None:
    with suppress(OSError):  # it has just closed by itself
        connection.shutdown(socket.SHUT_RD)
