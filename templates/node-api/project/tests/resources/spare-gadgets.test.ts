import { describe, expect, test } from "vitest";
import { available } from "../database.ts";
import { type Answer, shared } from "../service.ts";

const ONE = {
  // msctl:fields
  // msctl:field string
  title: "a",
  // msctl:field text
  notes: "",
  // msctl:field int
  stock: 1,
  // msctl:field decimal
  price: "1.50",
  // msctl:field bool
  active: true,
  // msctl:field datetime
  released_at: "2026-01-31T12:00:00Z",
  // msctl:end
};
const OTHER = {
  // msctl:fields
  // msctl:field string
  title: "b",
  // msctl:field text
  notes: "more",
  // msctl:field int
  stock: -2,
  // msctl:field decimal
  price: "0.01",
  // msctl:field bool
  active: false,
  // msctl:field datetime
  released_at: "2026-02-28T23:59:59Z",
  // msctl:end
};

const PATH = "/spare-gadgets";

type Record = typeof ONE & { id: number; created_at: string; updated_at: string };
type Page = { items: Record[]; next: string | null };

describe.skipIf(!available)("/spare-gadgets", () => {
  const service = shared();

  test("from made to removed", async () => {
    const response = await service().ask<Record>("POST", PATH, ONE);
    const made = response.json;
    const path = `${PATH}/${made.id}`;
    expect([response.status, response.headers.get("Location")]).toEqual([201, path]);
    expect(made).toMatchObject(ONE);
    expect((await service().ask("GET", path)).json).toEqual(made);
    const answer = await service().ask<Record>("PUT", path, OTHER);
    expect(answer.status).toBe(200);
    const replaced = answer.json;
    expect(replaced).toMatchObject({ ...OTHER, id: made.id, created_at: made.created_at });
    expect(Date.parse(replaced.updated_at)).toBeGreaterThanOrEqual(Date.parse(made.created_at));
    expect((await service().ask("GET", path)).json).toEqual(replaced);
    const media = { "Content-Type": "application/json" };
    expect((await service().ask("DELETE", path, undefined, media)).status).toBe(204);
    for (const [method, body] of [["GET"], ["PUT", ONE], ["DELETE"]] as const) {
      const gone = await service().ask(method, path, body);
      expect(gone.status).toBe(404);
      expect(gone.json.detail).toBe(`there is no spare gadget ${made.id}`);
    }
  });

  test("pages", async () => {
    const ids: number[] = [];
    for (let n = 0; n < 5; n++) {
      ids.push((await service().ask<Record>("POST", PATH, ONE)).json.id);
    }
    const seen: number[] = [];
    for (let next: string | null = ""; next !== null; ) {
      const { json: page }: Answer<Page> = await service().ask("GET", `${PATH}?limit=2&cursor=${next}`);
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.items.map((item) => item.id));
      next = page.next;
    }
    expect(seen.slice(-ids.length)).toEqual(ids);
    for (const query of ["limit=0", "limit=101", "limit=x", "cursor=!", "cursor=eA"]) {
      const response = await service().ask("GET", `${PATH}?${query}`);
      expect([response.status, response.json.errors.map((fault) => fault.field)]).toEqual([422, [query.split("=")[0]]]);
    }
  });

  test("says at once what is wrong", async () => {
    const names = [...Object.keys(ONE), "colour"];
    const response = await service().ask("POST", PATH, Object.fromEntries(names.map((name) => [name, null])));
    expect([response.status, response.headers.get("Content-Type")]).toEqual([422, "application/problem+json"]);
    expect(new Set(response.json.errors.map((fault) => fault.field))).toEqual(new Set(names));
    const empty = await service().ask("POST", PATH, {});
    expect(empty.json.errors).toHaveLength(Object.keys(ONE).length);
    const deep = "[".repeat(100_000);
    for (const [body, status] of [
      ["", 400],
      ["{", 400],
      ["NaN", 400],
      [deep, 400],
      ["[]", 422],
      ['"x"', 422],
      ['{"__proto__": 1}', 422],
    ] as const) {
      const { status: got, headers } = await service().ask("POST", PATH, body);
      expect([got, headers.get("Content-Type")], body.slice(0, 20)).toEqual([status, "application/problem+json"]);
    }
    const other = await service().ask("POST", PATH, "{}", { "Content-Type": "text/plain" });
    expect(other.status).toBe(415);
    expect((await service().ask("GET", `${PATH}/x`)).status).toBe(404);
  });

  test("is described", async () => {
    const { paths, components } = await service().description();
    const { SpareGadget: output, SpareGadgetInput: input } = components.schemas;
    expect(Object.keys(paths[PATH] ?? {})).toEqual(["get", "post"]);
    expect(Object.keys(input?.properties ?? {})).toEqual(Object.keys(ONE));
    const required = new Set(output?.required);
    expect(required).toEqual(new Set([...Object.keys(ONE), "id", "created_at", "updated_at"]));
    expect(Object.keys(paths[PATH]?.post?.responses ?? {})).toEqual(["201", "400", "413", "415", "422"]);
  });
});
