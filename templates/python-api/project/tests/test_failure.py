"""What a client and the log see when the service fails."""

import json
from collections.abc import Iterator
from contextlib import closing
from io import StringIO

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from starlette.testclient import TestClient

from acme_widgets import log
from acme_widgets.app import build
from acme_widgets.config import Config
from acme_widgets.database import Store
from acme_widgets.observe import Draining


def fails() -> None:
    raise RuntimeError("a secret")


def stops() -> StreamingResponse:
    def parts() -> Iterator[str]:
        yield "begun"
        fails()

    return StreamingResponse(parts())


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    lines = StringIO()
    monkeypatch.setattr("sys.stdout", lines)
    return lines


@pytest.fixture
def app(settings: Config, output: StringIO) -> Iterator[FastAPI]:
    log.configure(settings)
    with closing(Store(settings)) as store:
        app = build(settings, store, Draining())
        app.get("/fails")(fails)
        app.get("/stops")(stops)
        yield app


def test_the_answer_tells_nothing_and_the_log_all(app: FastAPI, output: StringIO) -> None:
    response = TestClient(app).get("/fails", headers={"X-Request-Id": "f-1"})
    assert (response.status_code, response.headers["Content-Type"]) == (500, "application/problem+json")
    assert (response.json()["detail"], response.json()["request_id"]) == ("the service failed", "f-1")
    lines = {line["msg"]: line for line in map(json.loads, output.getvalue().splitlines())}
    failed, request = lines["the request failed"], lines["request"]
    assert failed["request_id"] == request["request_id"] == "f-1"
    assert failed["level"] == "error"
    assert "a secret" in failed["exception"]
    assert request["status"] == 500


def test_an_answer_that_has_begun_is_cut(app: FastAPI) -> None:
    with pytest.raises(RuntimeError, match="a secret"):
        TestClient(app).get("/stops")
