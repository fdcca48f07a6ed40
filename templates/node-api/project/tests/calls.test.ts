import { once } from "node:events";
import { createServer } from "node:net";
import { context, trace } from "@opentelemetry/api";
import { expect, test, vi } from "vitest";
import { CallError, Calls, MAX_ATTEMPTS } from "../src/calls.ts";
import { load } from "../src/config.ts";
import { configure, withRequestID } from "../src/traces.ts";
import { type Given, Stub } from "./stub.ts";

const UNAVAILABLE: Given = [503, { title: "Service Unavailable", detail: "too busy" }];

async function rejected(call: Promise<unknown>): Promise<CallError> {
  const err = await call.then(
    () => undefined,
    (err: unknown) => err,
  );
  expect(err).toBeInstanceOf(CallError);
  return err as CallError;
}

/** A server that accepts, and never answers. */
async function deaf(): Promise<AsyncDisposable & { url: string }> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as { port: number };
  return { url: `http://127.0.0.1:${address.port}`, [Symbol.asyncDispose]: async () => void server.close() };
}

test("what is sent", async () => {
  const provider = await configure(load({}));
  await using stub = await Stub.start([201, { id: 1 }]);
  const catalog = new Calls("catalog", { url: `${stub.url}/v1/` });
  const span = provider.getTracer("test").startSpan("request");
  const ctx = trace.setSpan(withRequestID(context.active(), "r-1"), span);
  const answer = await context.with(ctx, () =>
    catalog.call("POST", "/items/{id}/{name}", {
      keys: { id: 7, name: "a/b ü" },
      query: { tag: ["x", "y&z"], all: true, after: undefined },
      body: { n: 1 },
    }),
  );
  expect(answer).toEqual({ id: 1 });
  const query = { tag: ["x", "y&z"], all: ["true"] };
  expect(stub.requests).toEqual([{ method: "POST", path: "/v1/items/7/a/b ü", query, body: { n: 1 } }]);
  const { traceId, spanId } = span.spanContext();
  expect(stub.headers[0]?.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-0[13]$`));
  expect(stub.headers[0]?.traceparent).not.toContain(spanId);
  expect(stub.headers[0]?.["x-request-id"]).toBe("r-1");
  await provider.shutdown();
});

test("an address comes from the environment", async () => {
  await using stub = await Stub.start([204]);
  vi.stubEnv("ORDER_LINES_URL", stub.url);
  expect(await new Calls("order-lines").call("GET", "/")).toBeUndefined();
  vi.unstubAllEnvs();
  expect(() => new Calls("order-lines")).toThrow('ORDER_LINES_URL: want http://HOST:PORT, got ""');
});

test.each(["", ".", ".."])('a key "%s" stays in its place', async (id) => {
  const catalog = new Calls("catalog", { url: "http://127.0.0.1:1" });
  await expect(catalog.call("GET", "/items/{id}", { keys: { id } })).rejects.toThrow("would be another path");
});

test("a body that is no JSON is the caller's fault", async () => {
  await using stub = await Stub.start();
  const put = new Calls("catalog", { url: stub.url }).call("PUT", "/", { body: 1n });
  await expect(put).rejects.toThrow(TypeError);
  expect(stub.requests).toEqual([]);
});

test("what is idempotent is tried again", async () => {
  await using stub = await Stub.start(UNAVAILABLE, [502], [200, "now"]);
  expect(await new Calls("catalog", { url: stub.url }).call("GET", "/")).toBe("now");
  expect(stub.requests).toHaveLength(3);
  await using down = await Stub.start(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE);
  await rejected(new Calls("catalog", { url: down.url }).call("PUT", "/"));
  expect(down.requests).toHaveLength(MAX_ATTEMPTS);
});

test("what may have been done is not", async () => {
  await using stub = await Stub.start(UNAVAILABLE);
  const err = await rejected(new Calls("catalog", { url: stub.url }).call("POST", "/orders"));
  expect(stub.requests).toHaveLength(1);
  expect(err.status).toBe(503);
  expect(err.problem).toMatchObject({ detail: "too busy" });
  expect(err.message).toBe("catalog: POST /orders: 503 Service Unavailable: too busy");
});

test("a refusal is one", async () => {
  const refusals = Array.from({ length: 9 }, (): Given => [404, { detail: "there is no item 1" }]);
  await using stub = await Stub.start(...refusals, UNAVAILABLE, [200, 1]);
  const catalog = new Calls("catalog", { url: stub.url });
  for (let asked = 1; asked < 10; asked++) {
    const err = await rejected(catalog.call("GET", "/items/1"));
    expect([err.status, stub.requests.length]).toEqual([404, asked]);
  }
  expect(await catalog.call("GET", "/items/2")).toBe(1); // the service is well
});

test("nobody is there", async () => {
  const gone = await Stub.start();
  const { url } = gone;
  await gone[Symbol.asyncDispose]();
  const warn = vi.fn();
  const err = await rejected(new Calls("catalog", { url, log: { warn } }).call("POST", "/"));
  expect(err.message).toMatch(/^catalog: POST \/: it cannot be reached: .*ECONNREFUSED/);
  expect(warn.mock.calls.map(([values]) => values.attempt)).toEqual([1, 2]);
});

test("the time is limited", async () => {
  await using server = await deaf();
  const began = performance.now();
  const err = await rejected(new Calls("catalog", { url: server.url, timeout: 300, attempt: 100 }).call("GET", "/"));
  expect(err.message).toContain("timed out");
  expect(performance.now() - began).toBeLessThan(5000);
});

test("Retry-After is kept or given up", async () => {
  await using busy = await Stub.start([503, undefined, { "Retry-After": "60" }]);
  await rejected(new Calls("catalog", { url: busy.url }).call("GET", "/"));
  expect(busy.requests).toHaveLength(1);
  await using stub = await Stub.start([503, undefined, { "Retry-After": "1" }], [200, 1]);
  const began = performance.now();
  expect(await new Calls("catalog", { url: stub.url }).call("GET", "/")).toBe(1);
  expect(performance.now() - began).toBeGreaterThanOrEqual(990);
});

test("a service that is down is not asked twice", async () => {
  const failures = Array.from({ length: 5 }, (): Given => [500]);
  await using stub = await Stub.start(...failures, UNAVAILABLE, [200, 1]);
  const catalog = new Calls("catalog", { url: stub.url });
  for (let asked = 1; asked <= 6; asked++) {
    await rejected(catalog.call("GET", "/"));
    expect(stub.requests).toHaveLength(asked);
  }
});

test("answers that are none", async () => {
  const none: Given = [200, Buffer.from("<html>")];
  const short: Given = [200, Buffer.from("1"), { "Content-Length": "9" }];
  await using stub = await Stub.start(none, short, [200, "too long"]);
  const catalog = new Calls("catalog", { url: stub.url, maxAnswer: 6 });
  for (const what of ["the answer is no JSON", "it did not answer", "more than 6 bytes"]) {
    expect((await rejected(catalog.call("POST", "/"))).message).toContain(what);
  }
});
