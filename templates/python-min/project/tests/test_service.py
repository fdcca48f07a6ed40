import signal
import subprocess
import sys
import unittest

from acme_widgets.web import MAX_BODY
from tests.service import Service


class ServiceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.service = Service()
        cls.addClassCleanup(cls.service.__exit__)

    def test_operation(self) -> None:
        self.assertEqual(self.service.ask("GET", "/healthz")[::2], (200, {"status": "alive"}))
        self.assertEqual(self.service.ask("GET", "/readyz")[::2], (200, {"status": "ready"}))
        status, _, text = self.service.ask("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertIn('http_requests_total{method="GET",route="/healthz",status="200"}', text)
        self.assertEqual(self.service.ask("GET", "/openapi.json")[2]["openapi"], "3.1.0")

    def test_problems(self) -> None:
        status, headers, problem = self.service.ask("GET", "/nothing", X_Request_Id="r-1")
        self.assertEqual(status, 404)
        self.assertEqual(headers["Content-Type"], "application/problem+json")
        self.assertEqual(headers["X-Request-Id"], "r-1")
        self.assertEqual(problem["title"], "Not Found")
        self.assertEqual(problem["request_id"], "r-1")
        status, headers, _ = self.service.ask("DELETE", "/healthz")
        self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"))

    def test_head_has_no_body(self) -> None:
        status, headers, body = self.service.ask("HEAD", "/healthz")
        self.assertEqual((status, body), (200, ""))
        self.assertGreater(int(headers["Content-Length"]), 0)

    def test_a_body_that_is_too_large(self) -> None:
        with self.service.socket() as client:
            client.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1))
            self.assertIn(b"413", client.recv(100))

    def test_the_answer_is_read_by_who_sends_a_body_that_is_too_large(self) -> None:
        self.assertEqual(self.service.ask("POST", "/x", b"x" * (8 * MAX_BODY))[0], 413)

    def test_lengths_that_are_none(self) -> None:
        for lengths in (b"Content-Length: x", b"Content-Length: " + b"9" * 5000, b"Content-Length: 2\r\nContent-Length: 3"):
            with self.service.socket() as client:
                client.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\n" + lengths + b"\r\n\r\n")
                self.assertIn(b"400", client.recv(100))

    def test_trailers_have_an_end(self) -> None:
        for trailers, answer in ((b"A: b\r\n" * 100, b"400"), (b"A: b\r\n", b"404")):
            with self.service.socket() as client:
                client.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + trailers + b"\r\n")
                self.assertIn(answer, client.recv(100))

    def test_methods_that_are_made_up_are_counted_as_one(self) -> None:
        with self.service.socket() as client:
            client.sendall(b'X"} /made-up HTTP/1.1\r\nHost: a\r\n\r\n')
            self.assertIn(b"404", client.recv(100))
        self.service.logged(path="/made-up")
        text = self.service.ask("GET", "/metrics")[2]
        self.assertIn('http_requests_total{method="_OTHER",route="none",status="404"} 1', text)

    def test_what_is_no_http(self) -> None:
        with self.service.socket() as client:
            client.sendall(b"NONSENSE\r\n\r\n")
            self.assertIn(b"400", client.recv(100))

    def test_traces_go_on(self) -> None:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        self.service.ask("GET", "/traced", traceparent=f"00-{trace}-00f067aa0ba902b7-01", X_Request_Id="t-1")
        line = self.service.logged(msg="request", request_id="t-1")
        self.assertEqual((line["trace_id"], line["path"], line["status"]), (trace, "/traced", 404))
        self.assertRegex(line["span_id"], "^[0-9a-f]{16}$")
        self.service.ask("GET", "/traced", traceparent=f"00-{'0' * 32}-00f067aa0ba902b7-01", X_Request_Id="t-2")
        self.assertNotEqual(self.service.logged(request_id="t-2")["trace_id"], "0" * 32)


class EndTest(unittest.TestCase):
    def test_a_request_in_flight_is_answered(self) -> None:
        with Service() as service, service.socket() as client, service.socket() as idle:
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertIn(b"200", idle.recv(1000))
            client.sendall(b"POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            self.assertIn(b"100 Continue", client.recv(1000))  # it is being answered
            service.process.send_signal(signal.SIGTERM)
            self.assertEqual(idle.recv(1000), b"")  # so the server is closing
            with self.assertRaises(OSError):
                service.socket().close()
            client.sendall(b"{}")
            answer = client.recv(1000)
            self.assertIn(b"404", answer)
            self.assertIn(b"Connection: close", answer)
            self.assertEqual(service.process.wait(10), 0)

    def test_not_ready_while_it_drains(self) -> None:
        with Service(SHUTDOWN_DELAY="30") as service:
            connection = service.connect()
            connection.request("GET", "/readyz")
            self.assertEqual(connection.getresponse().read(), b'{"status": "ready"}')
            service.process.send_signal(signal.SIGTERM)
            status = 200
            while status == 200:
                status = service.ask("GET", "/readyz")[0]
            self.assertEqual(status, 503)
            self.assertEqual(service.ask("GET", "/healthz")[0], 200)
            connection.close()

    def test_what_does_not_end_is_cut(self) -> None:
        with Service(SHUTDOWN_GRACE="0.1") as service, service.socket() as client:
            client.sendall(b"POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            self.assertIn(b"100 Continue", client.recv(1000))
            service.process.send_signal(signal.SIGTERM)
            self.assertEqual(service.process.wait(10), 1)

    def test_wrong_variables(self) -> None:
        for name, value in (("PORT", "x"), ("LOG_LEVEL", "loud"), ("SHUTDOWN_GRACE", "-1")):
            run = subprocess.run(
                [sys.executable, "-m", "acme_widgets"], env={name: value}, capture_output=True, text=True, check=False
            )
            self.assertEqual(run.returncode, 2)
            self.assertIn(f"{name}: want ", run.stderr)
