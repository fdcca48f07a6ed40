import unittest

from tests.service import Service

ONE = {
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
OTHER = {
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


class SpareGadgetsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.service = Service()
        self.addCleanup(self.service.__exit__)

    def ask(self, *args: object) -> tuple:
        return self.service.ask(*args)

    def test_from_made_to_removed(self) -> None:
        status, headers, made = self.ask("POST", "/spare-gadgets", ONE)
        self.assertEqual((status, headers["Location"]), (201, "/spare-gadgets/1"))
        self.assertEqual({**made, **ONE}, made)
        self.assertEqual(self.ask("GET", "/spare-gadgets/1")[::2], (200, made))
        status, _, replaced = self.ask("PUT", "/spare-gadgets/1", OTHER)
        self.assertEqual((status, {**replaced, **OTHER}), (200, replaced))
        self.assertEqual(self.ask("GET", "/spare-gadgets/1")[2], replaced)
        self.assertEqual(self.ask("DELETE", "/spare-gadgets/1")[0], 204)
        for method, body in (("GET", None), ("PUT", ONE), ("DELETE", None)):
            self.assertEqual(self.ask(method, "/spare-gadgets/1", body)[0], 404)

    def test_pages(self) -> None:
        ids = [self.ask("POST", "/spare-gadgets", ONE)[2]["id"] for _ in range(5)]
        seen, cursor = [], ""
        while cursor is not None:
            page = self.ask("GET", f"/spare-gadgets?limit=2&cursor={cursor}")[2]
            self.assertLessEqual(len(page["items"]), 2)
            seen += [item["id"] for item in page["items"]]
            cursor = page["next"]
        self.assertEqual(seen, ids)
        for query in ("limit=0", "limit=101", "limit=00999", "limit=x", "cursor=!", "cursor=eA"):
            self.assertEqual(self.ask("GET", "/spare-gadgets?" + query)[0], 422)

    def test_what_is_wrong_is_said_at_once(self) -> None:
        status, headers, problem = self.ask("POST", "/spare-gadgets", {name: None for name in [*ONE, "colour"]})
        self.assertEqual((status, headers["Content-Type"]), (422, "application/problem+json"))
        self.assertEqual({e["field"] for e in problem["errors"]}, {*ONE, "colour"})
        self.assertEqual(len(self.ask("POST", "/spare-gadgets", {})[2]["errors"]), len(ONE))
        for body, want in (("{", 400), ("[]", 422), ("NaN", 400), ('"x"', 422)):
            self.assertEqual(self.ask("POST", "/spare-gadgets", body)[0], want)
        self.assertEqual(self.service.ask("POST", "/spare-gadgets", ONE, Content_Type="text/plain")[0], 415)

    def test_it_is_described(self) -> None:
        document = self.ask("GET", "/openapi.json")[2]
        self.assertEqual(set(document["paths"]["/spare-gadgets"]), {"get", "post"})
        self.assertEqual(set(document["components"]["schemas"]["SpareGadgetInput"]["properties"]), set(ONE))
