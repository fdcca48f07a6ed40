// Lists, a page at a time, in the order of their ids.

import { z } from "zod";

const MAX_LIMIT = 100;

export const pageQuery = z.object({
  limit: z
    .string()
    .regex(/^[0-9]{1,3}$/, `want a number from 1 to ${MAX_LIMIT}`)
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= MAX_LIMIT, `want a number from 1 to ${MAX_LIMIT}`)
    .default(20),
  cursor: z
    .string()
    .transform((cursor) => (cursor ? Number(Buffer.from(cursor, "base64url").toString() || "-1") : 0))
    .refine((after) => Number.isSafeInteger(after) && after >= 0, "want the next of another page")
    .default(0),
});

export type Page<R> = { items: R[]; next: string | null };

/** A page of rows, of which there is one more than limit when there is another page. */
export function page<R extends { id: number }>(rows: R[], limit: number): Page<R> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next: last && rows.length > limit ? Buffer.from(String(last.id)).toString("base64url") : null };
}
