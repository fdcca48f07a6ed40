import { describe, expect, test } from "vitest";
import { load } from "../src/config.ts";
import { Store } from "../src/database.ts";
import { available, emptyDatabase } from "./database.ts";
import { Service } from "./service.ts";

describe.skipIf(!available)("the database", () => {
  test("all who start at once find the migrations applied", async () => {
    await using database = await emptyDatabase();
    const starts = await Promise.all([1, 2, 3].map(() => Service.start(database.env)));
    await using all = new AsyncDisposableStack();
    for (const service of starts) {
      all.use(service);
      expect((await service.ask("GET", "/readyz")).status).toBe(200);
    }
  });

  test("it is ready once it is migrated", async () => {
    await using database = await emptyDatabase();
    const store = await Store.open(load(database.env));
    try {
      expect(await store.ready()).toBe(false);
      await store.migrate();
      expect(await store.ready()).toBe(true);
      await store.migrate();
    } finally {
      await store.close();
    }
  });
});
