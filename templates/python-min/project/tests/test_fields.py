import unittest
from decimal import Decimal

from acme_widgets import fields


class FieldsTest(unittest.TestCase):
    def test_what_is_taken(self) -> None:
        for check, given, kept in (
            (fields.string, "a" * 200, "a" * 200),
            (fields.text, "", ""),
            (fields.integer, -(2**63), -(2**63)),
            (fields.decimal, "12.50", "12.50"),
            (fields.decimal, 12, "12"),
            (fields.decimal, Decimal("12345678901234.5678"), "12345678901234.5678"),
            (fields.boolean, False, False),
            (fields.moment, "2026-01-31T12:00:00.123+02:00", "2026-01-31T10:00:00Z"),
            (fields.moment, "2026-01-31t12:00:00z", "2026-01-31T12:00:00Z"),
            (fields.moment, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ):
            self.assertEqual(check(given), kept)

    def test_what_is_refused(self) -> None:
        for check, values in (
            (fields.string, ["", "a" * 201, "\ud800", 1, None]),
            (fields.text, ["a" * 10_001, None]),
            (fields.integer, [1.5, "1", True, 2**63, None]),
            (fields.decimal, ["", "1.", "1e3", "1.00001", "1" * 19, "x", "NaN", True, Decimal("1e300"), None]),
            (fields.boolean, [0, "true", None]),
            (fields.moment, ["2026-01-31", "2026-13-01T00:00:00Z", "2026-01-31T12:00:00", "0001-01-01T00:00:00+23:00", 1, None]),
        ):
            for value in values:
                with self.assertRaises(ValueError, msg=f"{check.__name__} takes {value!r}"):
                    check(value)
