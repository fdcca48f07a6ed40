import os
import socket
import time
import unittest
from unittest import mock

from acme_widgets import calls, log
from acme_widgets.calls import CallError, Calls
from tests.stub import Stub

UNAVAILABLE = (503, {"title": "Service Unavailable", "detail": "too busy"})


class TestCalls(unittest.TestCase):
    def setUp(self) -> None:
        silent = mock.patch.object(log, "log")
        self.logged = silent.start()
        self.addCleanup(silent.stop)

    def test_what_is_sent(self) -> None:
        with Stub((201, {"id": 1})) as stub:
            ids = {"trace_id": "a" * 32, "span_id": "b" * 16, "request_id": "r-1"}
            token = log.request.set(ids)
            try:
                answer = Calls("catalog", stub.url + "/v1/").call(
                    "POST",
                    "/items/{id}/{name}",
                    keys={"id": 7, "name": "a/b ü"},
                    query={"tag": ["x", "y&z"], "all": True, "after": None},
                    body={"n": 1},
                )
            finally:
                log.request.reset(token)
        self.assertEqual(answer, {"id": 1})
        seen = stub.requests[0]
        self.assertEqual((seen.method, seen.path, seen.body), ("POST", "/v1/items/7/a/b ü", {"n": 1}))
        self.assertEqual(seen.query, {"tag": ["x", "y&z"], "all": ["true"]})
        self.assertEqual(seen.headers["traceparent"], f"00-{'a' * 32}-{'b' * 16}-01")
        self.assertEqual(seen.headers["x-request-id"], "r-1")

    def test_an_address_comes_from_the_environment(self) -> None:
        with Stub((204, None)) as stub, mock.patch.dict(os.environ, {"ORDER_LINES_URL": stub.url}):
            self.assertIsNone(Calls("order-lines").call("GET", "/"))
        with self.assertRaisesRegex(ValueError, "CATALOG_URL: want http://HOST:PORT, got ''"):
            Calls("catalog")

    def test_keys_stay_in_their_place(self) -> None:
        for key in ("", ".", ".."):
            with self.assertRaisesRegex(ValueError, "would be another path"):
                Calls("catalog", "http://127.0.0.1:1").call("GET", "/items/{id}", keys={"id": key})

    def test_what_is_idempotent_is_tried_again(self) -> None:
        with Stub(UNAVAILABLE, (502, None), (200, "now")) as stub:
            self.assertEqual(Calls("catalog", stub.url).call("GET", "/"), "now")
            self.assertEqual(len(stub.requests), 3)
        with Stub(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE) as stub, self.assertRaises(CallError):
            Calls("catalog", stub.url).call("PUT", "/")
        self.assertEqual(len(stub.requests), calls.MAX_ATTEMPTS)

    def test_what_may_have_been_done_is_not(self) -> None:
        with Stub(UNAVAILABLE) as stub, self.assertRaises(CallError) as raised:
            Calls("catalog", stub.url).call("POST", "/orders")
        self.assertEqual(len(stub.requests), 1)
        self.assertEqual(raised.exception.status, 503)
        self.assertEqual(raised.exception.problem["detail"], "too busy")
        self.assertEqual(str(raised.exception), "catalog: POST /orders: 503 Service Unavailable: too busy")

    def test_a_refusal_is_one(self) -> None:
        with Stub(*[(404, {"detail": "there is no item 1"})] * 9, UNAVAILABLE, (200, 1)) as stub:
            client = Calls("catalog", stub.url)
            for asked in range(1, 10):
                with self.assertRaises(CallError) as raised:
                    client.call("GET", "/items/1")
                self.assertEqual((raised.exception.status, len(stub.requests)), (404, asked))
            self.assertEqual(client.call("GET", "/items/2"), 1)  # the service is well

    def test_nobody_there(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with self.assertRaisesRegex(CallError, "it cannot be reached") as raised:
            Calls("catalog", f"http://127.0.0.1:{port}").call("POST", "/")
        self.assertEqual(raised.exception.status, 0)
        self.assertEqual(self.logged.call_count, calls.MAX_ATTEMPTS - 1)

    def test_the_time_is_limited(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            began = time.monotonic()
            with self.assertRaisesRegex(CallError, "timed out"):
                Calls("catalog", f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout=0.3, attempt=0.1).call("GET", "/")
        self.assertLess(time.monotonic() - began, 5)

    def test_retry_after_is_kept_or_given_up(self) -> None:
        with Stub((503, None, {"Retry-After": "60"})) as stub, self.assertRaises(CallError):
            Calls("catalog", stub.url).call("GET", "/")
        self.assertEqual(len(stub.requests), 1)
        with Stub((503, None, {"Retry-After": "1"}), (200, 1)) as stub:
            began = time.monotonic()
            self.assertEqual(Calls("catalog", stub.url).call("GET", "/"), 1)
        self.assertGreaterEqual(time.monotonic() - began, 1)

    def test_a_service_that_is_down_is_not_asked_twice(self) -> None:
        with Stub(*[(500, None)] * 5, UNAVAILABLE, (200, 1)) as stub:
            client = Calls("catalog", stub.url)
            for _ in range(6):
                with self.assertRaises(CallError):
                    client.call("GET", "/")
            self.assertEqual(len(stub.requests), 6)

    def test_answers_that_are_none(self) -> None:
        with Stub((200, b"<html>")) as stub, self.assertRaisesRegex(CallError, "the answer is no JSON"):
            Calls("catalog", stub.url).call("GET", "/")
        short = (200, b"1", {"Content-Length": "9"})
        with Stub(short) as stub, self.assertRaisesRegex(CallError, "it did not answer"):
            Calls("catalog", stub.url).call("POST", "/")
        with (
            mock.patch.object(calls, "MAX_ANSWER", 5),
            Stub((200, "too long")) as stub,
            self.assertRaisesRegex(CallError, "more than 5 bytes"),
        ):
            Calls("catalog", stub.url).call("POST", "/")
