import { describe, expect, test } from "vitest";
import { available } from "./database.ts";
import { fresh, type Service } from "./service.ts";

/** The head of a request that is being answered until its body comes. */
async function held(service: Service): Promise<string | undefined> {
  const { paths } = await service.description();
  const path = Object.keys(paths)[0];
  return (
    path &&
    [
      `POST ${path} HTTP/1.1`,
      "Host: a",
      "Content-Type: application/json",
      "Content-Length: 2",
      "Expect: 100-continue",
      "\r\n",
    ].join("\r\n")
  );
}

describe.skipIf(!available)("the end", () => {
  test("a request in flight is answered", async ({ skip }) => {
    await using running = await fresh();
    const { service } = running;
    const head = (await held(service)) ?? skip("there is no resource");
    using client = service.connect();
    using idle = service.connect();
    idle.send("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await idle.read("\r\n\r\n")).toContain("200 OK");
    client.send(head);
    await client.read("100 Continue"); // it is being answered
    await service.terminate();
    await idle.end(); // so the server is closing
    await expect(service.ask("GET", "/healthz")).rejects.toThrow();
    client.send("{}");
    const answer = await client.end();
    expect(answer).toMatch(/HTTP\/1\.1 4\d\d/);
    expect(answer.toLowerCase()).toContain("connection: close");
    expect(await service.ended).toBe(0);
  });

  test("it is not ready while it drains", async () => {
    await using running = await fresh({ SHUTDOWN_DELAY: "30" });
    const { service } = running;
    expect((await service.ask("GET", "/readyz")).status).toBe(200);
    await service.terminate();
    const response = await service.ask("GET", "/readyz");
    expect([response.status, response.json.detail]).toEqual([503, "it is about to end"]);
    expect((await service.ask("GET", "/healthz")).status).toBe(200);
  });

  test("what does not end is cut", async ({ skip }) => {
    await using running = await fresh({ SHUTDOWN_GRACE: "0.1" });
    const { service } = running;
    const head = (await held(service)) ?? skip("there is no resource");
    using client = service.connect();
    client.send(head);
    await client.read("100 Continue");
    await service.terminate();
    expect(await service.ended).toBe(1);
    await service.logged({ msg: "requests were cut" });
  });
});
