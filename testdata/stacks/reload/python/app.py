"""Answers GET and POST with its version and pid, then what was posted.

/events is a stream of server-sent events, /ws a WebSocket: one each 100 ms.
"""

import base64
import hashlib
import os
import select
import signal
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "v0"
stop = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # what follows the header leaves at once

    def do_GET(self):
        serve = {"/readyz": self.answer, "/events": self.events, "/ws": self.websocket}
        with suppress(ConnectionError):  # the client of a stream has left
            serve.get(self.path, self.answer)()

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, posted=b""):
        body = f"{VERSION} {os.getpid()}\n".encode() + posted
        self.head(200, {"Content-Type": "text/plain", "Content-Length": len(body)}, body)

    def events(self):
        self.head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        event = f"data: {VERSION} {os.getpid()}\n\n"
        while not stop.wait(0.1):
            self.wfile.write(f"{len(event):x}\r\n{event}\r\n".encode())
        self.wfile.write(b"0\r\n\r\n")

    def websocket(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.head(101, {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept})
        self.close_connection = True
        text = f"{VERSION} {os.getpid()}".encode()
        # Whatever the client sends, or its end, is the end.
        while not stop.is_set() and not select.select([self.connection], [], [], 0.1)[0]:
            self.wfile.write(bytes([0x81, len(text)]) + text)
        self.wfile.write(b"\x88\x02\x03\xe9")  # close: 1001, going away

    def head(self, status, fields, body=b""):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        """Log no requests: there are many."""


class Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them
    request_queue_size = 128
    connections = set()

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)


told, tell = os.pipe()
os.set_blocking(tell, False)
signal.set_wakeup_fd(tell)  # a handler of Python's waits until the main thread wakes
signal.signal(signal.SIGTERM, lambda *_: None)
server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)
threading.Thread(target=server.serve_forever, args=(0.02,)).start()
os.read(told, 1)
stop.set()
server.shutdown()
for connection in server.connections.copy():
    with suppress(OSError):  # it has just closed by itself
        connection.shutdown(socket.SHUT_RD)  # ends the wait for a next request
server.server_close()
