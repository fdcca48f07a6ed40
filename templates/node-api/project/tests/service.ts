// Runs the service as a process of its own, as it runs in earnest.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { afterAll, beforeAll } from "vitest";
import { type Environment, emptyDatabase } from "./database.ts";

const LIMIT = 20_000;

export type Line = Record<string, unknown>;
export type Answer<T> = { status: number; headers: Headers; text: string; json: T };
export type Problem = { detail: string; errors: { field: string; message: string }[] };
export type Description = {
  openapi: string;
  paths: Record<string, Record<string, { responses: Line }>>;
  components: { schemas: Record<string, { properties: Line; required: string[] }> };
};

/** The service on a free port. */
export class Service {
  readonly lines: Line[] = [];
  readonly ended: Promise<number | null>;
  port = 0;
  private readonly process: ChildProcess;
  private readonly waiting = new Set<() => void>();

  private constructor(env: Environment) {
    this.process = spawn(process.execPath, ["src/main.ts"], {
      env: { ...process.env, PORT: "0", ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.ended = once(this.process, "close").then(([code]) => code);
    const { stdout } = this.process;
    if (stdout) {
      createInterface(stdout).on("line", (line) => {
        this.lines.push(JSON.parse(line));
        for (const look of this.waiting) {
          look();
        }
      });
    }
  }

  static async start(env: Environment): Promise<Service> {
    const service = new Service(env);
    try {
      service.port = Number((await service.logged({ msg: "listening" })).port);
    } catch (err) {
      await service[Symbol.asyncDispose]();
      throw err;
    }
    return service;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  /** Waits for a line that has these values. */
  async logged(values: Line): Promise<Line> {
    const { promise, resolve, reject } = Promise.withResolvers<Line>();
    const look = () => {
      const line = this.lines.find((one) => Object.entries(values).every(([name, value]) => one[name] === value));
      if (line) {
        resolve(line);
      }
    };
    const fail = () => reject(new Error(`no line has ${JSON.stringify(values)}: ${JSON.stringify(this.lines)}`));
    const limit = setTimeout(fail, LIMIT);
    this.ended.then(fail);
    this.waiting.add(look);
    look();
    return promise.finally(() => {
      clearTimeout(limit);
      this.waiting.delete(look);
    });
  }

  /** Asks for a path. A body that is no text is sent as JSON. */
  async ask<T = Problem>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const sent = body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body);
    const media = sent === null ? {} : { "Content-Type": "application/json" };
    const init = { method, body: sent, headers: { ...media, ...headers }, signal: AbortSignal.timeout(LIMIT) };
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, init);
    const text = await response.text();
    const isJSON = text && /json$|json;/.test(response.headers.get("Content-Type") ?? "");
    return { status: response.status, headers: response.headers, text, json: isJSON ? JSON.parse(text) : undefined };
  }

  async description(): Promise<Description> {
    return (await this.ask<Description>("GET", "/openapi.json")).json;
  }

  connect(): Client {
    return new Client(connect(this.port, "127.0.0.1"));
  }

  async terminate(): Promise<void> {
    this.process.kill("SIGTERM");
    await this.logged({ msg: "draining" });
  }
}

/** A connection of which a test says what is sent. */
export class Client {
  private readonly socket: Socket;
  private text = "";

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {}); // end and read tell
    socket.on("data", (data) => {
      this.text += data;
    });
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  send(text: string): void {
    this.socket.write(text);
  }

  /** What came, once it has text in it. */
  async read(text: string): Promise<string> {
    while (!this.text.includes(text)) {
      await once(this.socket, "data", { signal: AbortSignal.timeout(LIMIT) });
    }
    return this.text;
  }

  /** All that came, once the service has closed the connection. */
  async end(): Promise<string> {
    if (!this.socket.closed) {
      await once(this.socket, "close", { signal: AbortSignal.timeout(LIMIT) });
    }
    return this.text;
  }
}

/** One with a database of its own, for all tests of a group; they do not end it. */
export function shared(): () => Service {
  let running: Awaited<ReturnType<typeof fresh>> | undefined;
  beforeAll(async () => {
    running = await fresh();
  });
  afterAll(() => running?.[Symbol.asyncDispose]());
  return () => running?.service as Service;
}

/** The service with a database of its own. */
export async function fresh(env: Environment = {}): Promise<AsyncDisposable & { service: Service }> {
  const database = await emptyDatabase();
  try {
    const service = await Service.start({ ...database.env, ...env });
    const dispose = async () => {
      await service[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    };
    return { service, [Symbol.asyncDispose]: dispose };
  } catch (err) {
    await database[Symbol.asyncDispose]();
    throw err;
  }
}
