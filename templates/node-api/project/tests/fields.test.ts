import { expect, test } from "vitest";
import type { ZodType } from "zod";
import * as fields from "../src/fields.ts";

const taken: [string, ZodType, string, unknown][] = [
  ["string", fields.string, JSON.stringify("😀".repeat(200)), "😀".repeat(200)],
  ["text", fields.text, '""', ""],
  ["integer", fields.integer, String(-Number.MAX_SAFE_INTEGER), -Number.MAX_SAFE_INTEGER],
  ["decimal", fields.decimal, '"12.50"', "12.50"],
  ["decimal", fields.decimal, "12.50", "12.50"],
  ["decimal", fields.decimal, "12", "12"],
  ["decimal", fields.decimal, '"-007"', "-7"],
  ["decimal", fields.decimal, "12345678901234.5678", "12345678901234.5678"],
  ["decimal", fields.decimal, "123456789012345678", "123456789012345678"],
  ["boolean", fields.boolean, "false", false],
  ["moment", fields.moment, '"2026-01-31T12:00:00.5+02:00"', "2026-01-31T10:00:00.5Z"],
  ["moment", fields.moment, '"2026-01-31t12:00:00z"', "2026-01-31T12:00:00Z"],
  ["moment", fields.moment, '"2024-02-29T23:59:59.1234567Z"', "2024-02-29T23:59:59.123456Z"],
  ["moment", fields.moment, '"0001-01-01T00:00:00Z"', "0001-01-01T00:00:00Z"],
];

test.each(taken)("%s is taken: %#", (_, kind, given, kept) => {
  expect(kind.parse(fields.parse(given))).toEqual(kept);
});

const refused: [string, ZodType, unknown[]][] = [
  ["string", fields.string, ['""', JSON.stringify("a".repeat(201)), '"\\ud800"', '"\\u0000"', 1, null]],
  ["text", fields.text, [JSON.stringify("a".repeat(10_001)), null]],
  ["integer", fields.integer, [1.5, '"1"', true, "9007199254740993", "1e400", null]],
  ["decimal", fields.decimal, ['""', '"1."', '"1e3"', "1.00001", `"${"1".repeat(19)}"`, '"x"', true, "1e300", null]],
  ["boolean", fields.boolean, [0, '"true"', null]],
  ["moment", fields.moment, ['"2026-01-31"', '"2026-02-30T00:00:00Z"', '"2026-01-31T12:00:00"', 1, null]],
  ["moment", fields.moment, ['"0001-01-01T00:00:00+23:00"', '"9999-12-31T23:59:59-01:00"', '"2026-01-31T24:00:00Z"']],
];

test.each(refused)("%s is refused: %#", (_, kind, values) => {
  for (const value of values) {
    expect(kind.safeParse(fields.parse(String(value))).success, String(value)).toBe(false);
  }
});
