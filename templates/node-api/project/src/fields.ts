// The types of fields: what is taken, and how it is answered.

import { z } from "zod";

/** A number that JavaScript has no exact form of, as it was written. */
export class Digits {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What JSON says, with the numbers that are no safe integers as Digits. */
export function parse(text: string): unknown {
  return JSON.parse(text, (_, value: unknown, at?: { source?: string }) => {
    if (typeof value !== "number" || (Number.isSafeInteger(value) && at?.source === String(value))) {
      return value;
    }
    return new Digits(at?.source ?? String(value));
  });
}

function characters(least: number, most: number): z.ZodType<string> {
  return z
    .string()
    .refine(
      (text) => text.isWellFormed() && !text.includes("\0"),
      "want text that can be kept: no NUL, no half of a pair",
    )
    .refine((text) => [...text].length >= least && [...text].length <= most, `want ${least} to ${most} characters`)
    .meta({ minLength: least, maxLength: most });
}

export const string = characters(1, 200);
export const text = characters(0, 10_000);
export const integer = z.int();
export const boolean = z.boolean();

const DECIMAL = /^-?[0-9]{1,18}(\.[0-9]{1,4})?$/;

/** Kept and answered as text: no binary fraction is exact. */
export const decimal = z.preprocess(
  (value) => {
    const given = value instanceof Digits ? value.text : Number.isSafeInteger(value) ? String(value) : value;
    return typeof given === "string" ? given.replace(/^(-?)0+(?=[0-9])/, "$1") : given;
  },
  z
    .string()
    .refine(
      (given) => DECIMAL.test(given) && given.replace(/[-.]/g, "").length <= 18,
      'want a decimal such as "12.50", with at most 18 digits, 4 of them after the point',
    )
    .meta({ pattern: DECIMAL.source, examples: ["12.50"] }),
);

const MOMENT = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/i;

/** A time of RFC 3339, kept and answered in UTC, with at most microseconds. */
export const moment = z.preprocess(
  (value) => (typeof value === "string" ? (inUTC(value) ?? value) : value),
  z
    .string()
    .refine((given) => inUTC(given) !== undefined, "want a time such as 2026-01-31T12:00:00Z")
    .meta({ format: "date-time" }),
);

function inUTC(given: string): string | undefined {
  const [, year, month, day, hour, minute, second, fraction = "", sign, hours, minutes] = MOMENT.exec(given) ?? [];
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59 || Number(hours) > 23 || Number(minutes) > 59) {
    return undefined;
  }
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) {
    return undefined; // there is no such day, or the whole has not the form
  }
  const ahead = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * (sign === "-" ? -1 : 1);
  date.setUTCHours(Number(hour), Number(minute) - ahead, Number(second));
  if (date.getUTCFullYear() < 1 || date.getUTCFullYear() > 9999) {
    return undefined;
  }
  const rest = fraction.slice(0, 6).replace(/0+$/, "");
  return date.toISOString().replace(/\.000Z$/, rest ? `.${rest}Z` : "Z");
}

/** What all that is kept has. */
export const record = { id: z.int(), created_at: moment, updated_at: moment };
