import { describe, expect, test } from "vitest";
import { available } from "./database.ts";
import { shared } from "./service.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";

describe.skipIf(!available)("the service", () => {
  const service = shared();

  const metrics = async () => (await service().ask("GET", "/metrics")).text;

  test("tells how it is", async () => {
    for (const [path, status] of [
      ["/healthz", "alive"],
      ["/readyz", "ready"],
    ] as const) {
      const response = await service().ask("GET", path);
      expect([response.status, response.json]).toEqual([200, { status }]);
    }
    const head = await service().ask("HEAD", "/healthz");
    expect([head.status, head.text]).toEqual([200, ""]);
    const text = await metrics();
    expect(text).toContain('http_requests_total{method="GET",route="/healthz",status="200"}');
    expect(text).toContain('http_requests_total{method="HEAD",route="/healthz",status="200"}');
    expect(text).toContain("http_requests_in_flight 1");
    expect((await service().description()).openapi).toMatch(/^3\.1/);
    expect(service().lines.map((line) => line.path)).not.toContain("/healthz");
  });

  test("answers what is wrong as a problem", async () => {
    const response = await service().ask("GET", "/nothing?a=b", undefined, { "X-Request-Id": "r-1" });
    expect([response.status, response.headers.get("Content-Type")]).toEqual([404, "application/problem+json"]);
    expect(response.headers.get("X-Request-Id")).toBe("r-1");
    expect(response.json).toEqual({
      type: "about:blank",
      title: "Not Found",
      status: 404,
      detail: "there is no path /nothing",
      request_id: "r-1",
    });
    const refused = await service().ask("DELETE", "/healthz");
    expect([refused.status, refused.headers.get("Allow")]).toEqual([405, "GET, HEAD"]);
    const { headers } = await service().ask("GET", "/nothing", undefined, { "X-Request-Id": "r 1" });
    expect(headers.get("X-Request-Id")).toMatch(/^[0-9a-f]{32}$/);
  });

  test("counts methods that are not usual as one", async () => {
    await service().ask("PROPFIND", "/not-usual");
    await service().logged({ path: "/not-usual" });
    expect(await metrics()).toContain('http_requests_total{method="_OTHER",route="none",status="404"} 1');
  });

  test("logs a request as a line with its trace", async () => {
    await service().ask("GET", "/traced", undefined, {
      traceparent: `00-${TRACE}-00f067aa0ba902b7-01`,
      "X-Request-Id": "t-1",
    });
    expect(await service().logged({ request_id: "t-1", msg: "request" })).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      level: "info",
      msg: "request",
      service: "acme-widgets",
      instance: "acme-widgets",
      trace_id: TRACE,
      span_id: expect.stringMatching(/^[0-9a-f]{16}$/),
      request_id: "t-1",
      method: "GET",
      path: "/traced",
      status: 404,
      ms: expect.any(Number),
    });
    const traceparent = `00-${"0".repeat(32)}-00f067aa0ba902b7-01`;
    await service().ask("GET", "/traced", undefined, { traceparent, "X-Request-Id": "t-2" });
    expect(["0".repeat(32), TRACE]).not.toContain((await service().logged({ request_id: "t-2" })).trace_id);
  });

  test("refuses a body that is too large", async ({ skip }) => {
    const { paths } = await service().description();
    const path = Object.keys(paths)[0] ?? skip("there is no resource");
    const response = await service().ask("POST", path, "x".repeat(1 << 20));
    expect(response.status).toBe(400);
    const large = await service().ask("POST", path, JSON.stringify("x".repeat(1 << 20)));
    expect([large.status, large.json.detail]).toEqual([413, "want a body of at most 1048576 bytes"]);
  });
});
