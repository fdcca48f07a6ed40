import socket
import unittest
from http.server import BaseHTTPRequestHandler

from acme_widgets.server import Server


class ServerTest(unittest.TestCase):
    def test_a_connection_that_was_answered_as_drain_began_is_ended(self) -> None:
        with Server(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
            connection, client = socket.socketpair()
            with connection, client:
                connection.settimeout(10)
                with server.answering(connection):
                    server.closing = True
                self.assertEqual(connection.recv(1), b"")
