// A service of which a test says what it answers.

import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/** A status, a value and headers. A value that is a Buffer is sent as it stands. */
export type Given = [number, unknown?, Record<string, string>?];
export type Seen = { method: string; path: string; query: Record<string, string[]>; body: unknown };

/** Gives the answers one after the other; then it answers 500. */
export class Stub {
  readonly requests: Seen[] = [];
  readonly headers: IncomingHttpHeaders[] = [];
  private readonly server: Server;

  private constructor(answers: Given[]) {
    this.server = createServer(async (request, response) => {
      const { method = "", headers } = request;
      const url = new URL(request.url ?? "", "http://stub");
      const names = [...new Set(url.searchParams.keys())];
      const query = Object.fromEntries(names.map((name) => [name, url.searchParams.getAll(name)]));
      const body = headers["content-type"] ? await json(request) : undefined;
      this.requests.push({ method, path: decodeURIComponent(url.pathname), query, body });
      this.headers.push(headers);
      const [status, value, more] = answers.shift() ?? [500];
      const text = value instanceof Buffer ? value : value === undefined ? "" : JSON.stringify(value);
      response.writeHead(status, { Connection: "close", ...more }).end(text);
    });
  }

  static async start(...answers: Given[]): Promise<Stub> {
    const stub = new Stub(answers);
    stub.server.listen(0, "127.0.0.1");
    await once(stub.server, "listening");
    return stub;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, "close");
  }
}
