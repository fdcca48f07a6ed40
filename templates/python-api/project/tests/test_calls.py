import re
import socket
import time
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from structlog.contextvars import bound_contextvars
from structlog.testing import capture_logs

from acme_widgets import calls, config, traces
from acme_widgets.calls import CallError, Calls
from tests.stub import Stub

UNAVAILABLE = (503, {"title": "Service Unavailable", "detail": "too busy"})


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[dict[str, object]]]:
    with capture_logs() as lines:
        yield lines  # type: ignore[misc]


def test_what_is_sent(settings: config.Config) -> None:
    provider = traces.configure(settings)
    tracer = provider.get_tracer("test")
    with (
        Stub((201, {"id": 1})) as stub,
        Calls("catalog", stub.url + "/v1/") as catalog,
        tracer.start_as_current_span("request") as span,
        bound_contextvars(request_id="r-1"),
    ):
        answer = catalog.call(
            "POST",
            "/items/{id}/{name}",
            keys={"id": 7, "name": "a/b ü"},
            query={"tag": ["x", "y&z"], "all": True, "after": None},
            body={"n": 1},
        )
    assert answer == {"id": 1}
    seen = stub.requests[0]
    assert (seen.method, seen.path, seen.body) == ("POST", "/v1/items/7/a/b ü", {"n": 1})
    assert seen.query == {"tag": ["x", "y&z"], "all": ["true"]}
    ids = span.get_span_context()
    assert re.fullmatch(f"00-{trace.format_trace_id(ids.trace_id)}-[0-9a-f]{{16}}-0[13]", seen.headers["traceparent"])
    assert trace.format_span_id(ids.span_id) not in seen.headers["traceparent"]
    assert seen.headers["x-request-id"] == "r-1"


def test_an_address_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Stub((204, None)) as stub:
        monkeypatch.setenv("ORDER_LINES_URL", stub.url)
        with Calls("order-lines") as order_lines:
            assert order_lines.call("GET", "/") is None
    with pytest.raises(ValueError, match="CATALOG_URL: want http://HOST:PORT, got ''"):
        Calls("catalog")


@pytest.mark.parametrize("key", ["", ".", ".."])
def test_keys_stay_in_their_place(key: str) -> None:
    with Calls("catalog", "http://127.0.0.1:1") as catalog, pytest.raises(ValueError, match="would be another path"):
        catalog.call("GET", "/items/{id}", keys={"id": key})


def test_what_is_idempotent_is_tried_again() -> None:
    with Stub(UNAVAILABLE, (502, None), (200, "now")) as stub, Calls("catalog", stub.url) as catalog:
        assert catalog.call("GET", "/") == "now"
        assert len(stub.requests) == 3
    with Stub(*[UNAVAILABLE] * 4) as stub, Calls("catalog", stub.url) as catalog:
        with pytest.raises(CallError):
            catalog.call("PUT", "/")
        assert len(stub.requests) == calls.MAX_ATTEMPTS


def test_what_may_have_been_done_is_not() -> None:
    with Stub(UNAVAILABLE) as stub, Calls("catalog", stub.url) as catalog, pytest.raises(CallError) as raised:
        catalog.call("POST", "/orders")
    assert len(stub.requests) == 1
    assert raised.value.status == 503
    assert raised.value.problem["detail"] == "too busy"
    assert str(raised.value) == "catalog: POST /orders: 503 Service Unavailable: too busy"


def test_a_refusal_is_one() -> None:
    refusals = [(404, {"detail": "there is no item 1"})] * 9
    with Stub(*refusals, UNAVAILABLE, (200, 1)) as stub, Calls("catalog", stub.url) as catalog:
        for asked in range(1, 10):
            with pytest.raises(CallError) as raised:
                catalog.call("GET", "/items/1")
            assert (raised.value.status, len(stub.requests)) == (404, asked)
        assert catalog.call("GET", "/items/2") == 1  # the service is well


def test_nobody_there(logged: list[dict[str, object]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Calls("catalog", f"http://127.0.0.1:{port}") as catalog, pytest.raises(CallError, match="cannot be reached"):
        catalog.call("POST", "/")
    assert [line["attempt"] for line in logged] == list(range(1, calls.MAX_ATTEMPTS))


def test_the_time_is_limited() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,
        Calls("catalog", f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout=0.3, attempt=0.1) as catalog,
    ):
        began = time.monotonic()
        with pytest.raises(CallError, match="timed out"):
            catalog.call("GET", "/")
        assert time.monotonic() - began < 5


def test_retry_after_is_kept_or_given_up() -> None:
    with Stub((503, None, {"Retry-After": "60"})) as stub, Calls("catalog", stub.url) as catalog:
        with pytest.raises(CallError):
            catalog.call("GET", "/")
        assert len(stub.requests) == 1
    with Stub((503, None, {"Retry-After": "1"}), (200, 1)) as stub, Calls("catalog", stub.url) as catalog:
        began = time.monotonic()
        assert catalog.call("GET", "/") == 1
        assert time.monotonic() - began >= 1


def test_a_service_that_is_down_is_not_asked_twice() -> None:
    with Stub(*[(500, None)] * 5, UNAVAILABLE, (200, 1)) as stub, Calls("catalog", stub.url) as catalog:
        for _ in range(6):
            with pytest.raises(CallError):
                catalog.call("GET", "/")
        assert len(stub.requests) == 6


def test_answers_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with Stub((200, b"<html>"), (200, b"1", {"Content-Length": "9"}), (200, "too long")) as stub:
        monkeypatch.setattr(calls, "MAX_ANSWER", 6)
        with Calls("catalog", stub.url) as catalog:
            for what in ("the answer is no JSON", "it did not answer", "more than 6 bytes"):
                with pytest.raises(CallError, match=what):
                    catalog.call("POST", "/")
