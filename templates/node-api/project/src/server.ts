// Serving, and the end of it.

import { once } from "node:events";
import type { Server } from "node:http";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import type { Config } from "./config.ts";
import type { Draining } from "./observe.ts";

/** How long a request on its way may take to be read, once nobody is let in any more; milliseconds. */
const LAST_MOMENT = 50;

/** Answers requests until a signal comes, and then those that are left. Returns whether all were answered in time. */
export async function serve(app: FastifyInstance, config: Config, log: Logger, draining: Draining): Promise<boolean> {
  const { server } = app;
  const connections = new Connections(server);
  const told = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
  await app.ready();
  server.listen({ host: config.host, port: config.port, backlog: 2048 });
  await once(server, "listening");
  log.info({ host: config.host, port: (server.address() as AddressInfo).port }, "listening");

  await told;
  draining.begun = true;
  log.info("draining");
  await sleep(config.delay);
  const closed = once(server, "close");
  NetServer.prototype.close.call(server); // an HTTP server's own would cut requests that are on their way
  await sleep(LAST_MOMENT);
  connections.closeIdle();
  const late = new AbortController();
  const inTime = await Promise.race([closed.then(() => true), sleep(config.grace, false, { signal: late.signal })]);
  if (!inTime) {
    log.error({ seconds: config.grace / 1000 }, "requests were cut");
    server.closeAllConnections();
  }
  late.abort();
  return inTime;
}

/** The connections of a server, each with how many requests it has in flight. */
class Connections {
  private readonly requests = new Map<Socket, number>();
  private closing = false;

  constructor(server: Server) {
    server.on("connection", (socket: Socket) => {
      this.requests.set(socket, 0);
      socket.once("close", () => this.requests.delete(socket));
    });
    server.on("request", ({ socket }, response) => {
      this.count(socket, 1);
      response.once("close", () => this.count(socket, -1));
    });
  }

  /** Closes those that have no request, and each of the others with the last of its own. */
  closeIdle(): void {
    this.closing = true;
    for (const [socket, requests] of this.requests) {
      if (requests === 0) {
        socket.destroySoon();
      }
    }
  }

  private count(socket: Socket, more: number): void {
    const before = this.requests.get(socket);
    if (before === undefined) {
      return; // it is closed
    }
    this.requests.set(socket, before + more);
    if (before + more === 0 && this.closing) {
      socket.destroySoon();
    }
  }
}
