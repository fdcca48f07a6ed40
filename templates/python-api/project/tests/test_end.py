import pytest

from tests.service import Service

HELD = (
    b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
)


def path(service: Service) -> bytes:
    paths = list(service.client.get("/openapi.json").json()["paths"])
    if not paths:
        pytest.skip("there is no resource")
    return str(paths[0]).encode()


def test_a_request_in_flight_is_answered(database: dict[str, str]) -> None:
    with Service(**database) as service, service.socket() as client, service.socket() as idle:
        idle.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200" in idle.recv(1000)
        client.sendall(HELD % path(service))
        assert b"100 Continue" in client.recv(1000)  # it is being answered
        service.terminate()
        assert idle.recv(1000) == b""  # so the server is closing
        with pytest.raises(OSError):
            service.socket().close()
        client.sendall(b"{}")
        answer = client.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 4")
        assert b"connection: close" in answer
        assert service.code() == 0


def test_not_ready_while_it_drains(database: dict[str, str]) -> None:
    with Service(**database, SHUTDOWN_DELAY="30") as service:
        assert service.client.get("/readyz").status_code == 200
        service.terminate()
        response = service.client.get("/readyz")
        assert (response.status_code, response.json()["detail"]) == (503, "it is about to end")
        assert service.client.get("/healthz").status_code == 200


def test_what_does_not_end_is_cut(database: dict[str, str]) -> None:
    with Service(**database, SHUTDOWN_GRACE="0.1") as service, service.socket() as client:
        client.sendall(HELD % path(service))
        assert b"100 Continue" in client.recv(1000)
        service.terminate()
        assert service.code() == 1
        service.logged(msg="requests were cut")
