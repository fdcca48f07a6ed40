// What a client and the log see when the service fails.

import { Readable, Writable } from "node:stream";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { build } from "../src/app.ts";
import { load } from "../src/config.ts";
import { Store } from "../src/database.ts";
import { options } from "../src/log.ts";
import { configure } from "../src/traces.ts";
import { available, emptyDatabase } from "./database.ts";
import type { Line } from "./service.ts";

async function failing() {
  const database = await emptyDatabase();
  const config = load(database.env);
  const spans = await configure(config);
  const store = await Store.open(config);
  const lines: Line[] = [];
  const output = new Writable({
    write(line, _encoding, done) {
      lines.push(JSON.parse(line));
      done();
    },
  });
  const app = build(config, pino(options(config), output), store, { begun: false });
  app.get("/fails", async () => {
    throw new Error("a secret");
  });
  app.get("/stops", async () => {
    const parts = async function* () {
      yield "begun";
      throw new Error("a secret");
    };
    return Readable.from(parts());
  });
  const dispose = async () => {
    await app.close();
    await store.close();
    await spans.shutdown();
    await database[Symbol.asyncDispose]();
  };
  return { app, lines, [Symbol.asyncDispose]: dispose };
}

describe.skipIf(!available)("a failure", () => {
  test("the answer tells nothing and the log all", async () => {
    await using running = await failing();
    const { app, lines } = running;
    const response = await app.inject({ url: "/fails", headers: { "X-Request-Id": "f-1" } });
    expect([response.statusCode, response.headers["content-type"]]).toEqual([500, "application/problem+json"]);
    expect(response.json()).toMatchObject({ detail: "the service failed", request_id: "f-1" });
    const [failed, request] = ["the request failed", "request"].map((msg) => lines.find((line) => line.msg === msg));
    expect(failed).toMatchObject({ level: "error", request_id: "f-1", err: { message: "a secret" } });
    expect(request).toMatchObject({ level: "info", request_id: "f-1", status: 500 });
  });

  test("an answer that has begun is cut", async () => {
    await using running = await failing();
    const url = await running.app.listen({ port: 0, host: "127.0.0.1" });
    const response = await fetch(`${url}/stops`);
    await expect(response.text()).rejects.toThrow();
  });
});
