from typing import Any

from tests.service import Service

ONE: dict[str, Any] = {
    # msctl:fields
    # msctl:field string
    "title": "a",
    # msctl:field text
    "notes": "",
    # msctl:field int
    "stock": 1,
    # msctl:field decimal
    "price": "1.50",
    # msctl:field bool
    "active": True,
    # msctl:field datetime
    "released_at": "2026-01-31T12:00:00Z",
    # msctl:end
}
OTHER: dict[str, Any] = {
    # msctl:fields
    # msctl:field string
    "title": "b",
    # msctl:field text
    "notes": "more",
    # msctl:field int
    "stock": -2,
    # msctl:field decimal
    "price": "0.01",
    # msctl:field bool
    "active": False,
    # msctl:field datetime
    "released_at": "2026-02-28T23:59:59Z",
    # msctl:end
}


def test_from_made_to_removed(service: Service) -> None:
    client = service.client
    response = client.post("/spare-gadgets", json=ONE)
    made = response.json()
    path = response.headers["Location"]
    assert (response.status_code, path) == (201, f"/spare-gadgets/{made['id']}")
    assert {**made, **ONE} == made
    assert client.get(path).json() == made
    response = client.put(path, json=OTHER)
    assert response.status_code == 200
    replaced = response.json()
    assert {**replaced, **OTHER} == replaced
    assert replaced["created_at"] == made["created_at"] < replaced["updated_at"]
    assert client.get(path).json() == replaced
    assert client.delete(path).status_code == 204
    for method, body in (("GET", None), ("PUT", ONE), ("DELETE", None)):
        response = client.request(method, path, json=body)
        assert response.status_code == 404
        assert response.json()["detail"] == f"there is no spare gadget {made['id']}"


def test_pages(service: Service) -> None:
    ids = [service.client.post("/spare-gadgets", json=ONE).json()["id"] for _ in range(5)]
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = service.client.get("/spare-gadgets", params={"limit": 2, "cursor": cursor}).json()
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert seen[-len(ids) :] == ids
    for query in ("limit=0", "limit=101", "limit=x", "cursor=!", "cursor=eA"):
        response = service.client.get("/spare-gadgets?" + query)
        assert response.status_code == 422
        assert [fault["field"] for fault in response.json()["errors"]] == [query.partition("=")[0]]


def test_what_is_wrong_is_said_at_once(service: Service) -> None:
    response = service.client.post("/spare-gadgets", json=dict.fromkeys([*ONE, "colour"]))
    assert (response.status_code, response.headers["Content-Type"]) == (422, "application/problem+json")
    assert {fault["field"] for fault in response.json()["errors"]} == {*ONE, "colour"}
    assert len(service.client.post("/spare-gadgets", json={}).json()["errors"]) == len(ONE)
    media_type = {"Content-Type": "application/json"}
    for body, status in (("", 400), ("{", 400), ("NaN", 400), ("[" * 100_000, 400), ("[]", 422), ('"x"', 422)):
        response = service.client.post("/spare-gadgets", content=body, headers=media_type)
        assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json"), body
    response = service.client.post("/spare-gadgets", content="{}", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415
    assert service.client.get("/spare-gadgets/x").status_code == 404


def test_it_is_described(service: Service) -> None:
    document = service.client.get("/openapi.json").json()
    assert set(document["paths"]["/spare-gadgets"]) == {"get", "post"}
    schemas = document["components"]["schemas"]
    assert set(schemas["SpareGadgetInput"]["properties"]) == set(ONE)
    assert set(schemas["SpareGadget"]["required"]) == {*ONE, "id", "created_at", "updated_at"}
    assert set(document["paths"]["/spare-gadgets"]["post"]["responses"]) == {"201", "400", "413", "415", "422"}
