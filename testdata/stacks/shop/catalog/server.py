"""An HTTP server that ends without cutting a request short."""

import socket
import threading
from contextlib import contextmanager, suppress
from http.server import ThreadingHTTPServer

DRAIN_TIMEOUT = 8  # seconds; msctl's stop_grace_period is 10


class Server(ThreadingHTTPServer):
    """A thread for each connection, and a count of the requests in flight."""

    daemon_threads = False  # so that server_close waits for them
    request_queue_size = 128

    def __init__(self, address, handler):
        super().__init__(address, handler)
        self.draining = False
        self.connections = set()
        self.active = 0
        self.ended = threading.Condition()

    @contextmanager
    def in_flight(self):
        """Hold up drain while a request is answered."""
        with self.ended:
            self.active += 1
        try:
            yield
        finally:
            with self.ended:
                self.active -= 1
                self.ended.notify_all()

    def drain(self):
        """End serve_forever once no request is in flight, and close all connections.

        Until then new connections are taken, so that probes see /readyz turn.
        """
        self.draining = True
        with self.ended:
            self.ended.wait_for(lambda: self.active == 0, timeout=DRAIN_TIMEOUT)
        self.shutdown()
        for connection in self.connections.copy():
            with suppress(OSError):  # it has just closed by itself
                connection.shutdown(socket.SHUT_RD)  # ends the wait for a next request
        self.server_close()

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)
