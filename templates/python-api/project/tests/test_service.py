import json

from acme_widgets.body import MAX_BODY
from tests.service import Service

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_operation(service: Service) -> None:
    for path, status in (("/healthz", "alive"), ("/readyz", "ready")):
        response = service.client.get(path)
        assert (response.status_code, response.json()) == (200, {"status": status})
    head = service.client.head("/healthz")
    assert (head.status_code, head.content) == (200, b"")
    text = service.client.get("/metrics").text
    assert 'http_requests_total{method="GET",route="/healthz",status="200"}' in text
    assert 'http_requests_total{method="HEAD",route="/healthz",status="200"}' in text
    assert "http_requests_in_flight 1.0" in text
    assert service.client.get("/openapi.json").json()["openapi"].startswith("3.1")
    assert "/healthz" not in {line.get("path") for line in service.lines}


def test_problems(service: Service) -> None:
    response = service.client.get("/nothing", headers={"X-Request-Id": "r-1"})
    assert (response.status_code, response.headers["Content-Type"]) == (404, "application/problem+json")
    assert response.headers["X-Request-Id"] == "r-1"
    assert response.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no path /nothing",
        "request_id": "r-1",
    }
    response = service.client.delete("/healthz")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET")
    made_up = service.client.get("/nothing", headers={"X-Request-Id": "r 1"}).headers["X-Request-Id"]
    assert len(made_up) == 32


def test_methods_that_are_made_up_are_counted_as_one(service: Service) -> None:
    service.client.request("BREW", "/made-up")
    service.logged(path="/made-up")
    text = service.client.get("/metrics").text
    assert 'http_requests_total{method="_OTHER",route="none",status="404"} 1.0' in text


def test_a_request_is_a_line_with_its_trace(service: Service) -> None:
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "X-Request-Id": "t-1"}
    service.client.get("/traced", headers=headers)
    line = service.logged(request_id="t-1", msg="request")
    assert line["trace_id"] == TRACE
    assert (line["level"], line["method"], line["path"], line["status"]) == ("info", "GET", "/traced", 404)
    assert (line["service"], line["instance"]) == ("acme-widgets", "acme-widgets")
    assert len(line["span_id"]) == 16
    assert line["time"].endswith("Z")
    assert line["ms"] >= 0
    service.client.get("/traced", headers={"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01", "X-Request-Id": "t-2"})
    assert service.logged(request_id="t-2")["trace_id"] not in ("0" * 32, TRACE)


def test_a_body_that_is_too_large(service: Service) -> None:
    path = next(iter(service.client.get("/openapi.json").json()["paths"]), None)
    if path is None:
        return
    body = json.dumps("x" * MAX_BODY)
    response = service.client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["status"]) == (413, 413)
