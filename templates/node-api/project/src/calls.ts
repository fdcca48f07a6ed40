// Calls to other services: how long they take, what is tried again, and what they carry.

import { STATUS_CODES } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Logger } from "pino";
import { requestID } from "./traces.ts";

export const MAX_ATTEMPTS = 3;
const MAX_ANSWER = 16 << 20;
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 1000;
const IDEMPOTENT = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]; // RFC 9110, section 9.2.2
const TRANSIENT = [502, 503, 504];
// As gRPC throttles (its proposal A6): nothing is tried again while half of the tokens are gone.
const TOKENS = 10;
const EARNED = 0.1;
// With these, nothing was sent.
const UNREACHED = /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|UND_ERR_CONNECT_TIMEOUT)$/;

export type Options = {
  /** Where the service is, in place of what the variable NAME_URL says. */
  url?: string;
  /** How long a call may take, with all its attempts; milliseconds. */
  timeout?: number;
  /** How long an attempt of it may take; milliseconds. */
  attempt?: number;
  /** The most bytes that an answer may have. */
  maxAnswer?: number;
  /** Is told of what is tried again. */
  log?: Pick<Logger, "warn">;
};

type Values = Record<string, unknown>;
export type Request = { keys?: Values; query?: Values; body?: unknown };

/** A call that was refused, or that got no answer: its status is 0 then. problem is what came with a refusal. */
export class CallError extends Error {
  readonly status: number;
  readonly problem: unknown;

  constructor(call: string, status: number, detail: string, more: { problem?: unknown; cause?: unknown } = {}) {
    super(`${call}: ${detail}`, { cause: more.cause });
    this.status = status;
    this.problem = more.problem;
  }
}

type Call = { name: string; method: string; target: string; body: string | null };

/** An attempt that came to nothing; pause is how long the service wants to be left alone, in milliseconds. */
type Failure = { error: CallError; again: boolean; pause: number };
type Attempt = { value: unknown } | Failure;

/** Makes the calls to one service. What nothing was sent of is tried again, and what is idempotent. */
export class Calls {
  private readonly service: string;
  private readonly url: string;
  private readonly timeout: number;
  private readonly limit: number; // of an attempt
  private readonly maxAnswer: number;
  private readonly log: Options["log"];
  private tokens = TOKENS;

  constructor(service: string, options: Options = {}) {
    const variable = `${service.toUpperCase().replaceAll("-", "_")}_URL`;
    const url = options.url || process.env[variable] || "";
    if (!/^https?:\/\/[^/?#]/.test(url)) {
      throw new Error(`${variable}: want http://HOST:PORT, got "${url}"`);
    }
    this.service = service;
    this.url = url.replace(/\/+$/, "");
    this.timeout = options.timeout ?? 10_000;
    this.limit = options.attempt ?? 5_000;
    this.maxAnswer = options.maxAnswer ?? MAX_ANSWER;
    this.log = options.log;
  }

  /** Resolves to what is answered, or rejects with CallError. The path has a {name} for each of the keys. */
  async call<T>(method: string, path: string, request: Request = {}): Promise<T> {
    const target = this.url + filled(path, request.keys ?? {}) + search(request.query ?? {});
    const body = request.body === undefined ? null : JSON.stringify(request.body);
    const attributes = { "http.request.method": method, "peer.service": this.service };
    const tracer = trace.getTracer("acme-widgets");
    return tracer.startActiveSpan(`${method} ${path}`, { kind: SpanKind.CLIENT, attributes }, async (span) => {
      try {
        return (await this.attempts({ name: `${this.service}: ${method} ${path}`, method, target, body })) as T;
      } catch (err) {
        fail(span, err);
        throw err;
      } finally {
        span.end();
      }
    });
  }

  private async attempts(call: Call): Promise<unknown> {
    const deadline = performance.now() + this.timeout;
    for (let attempt = 1; ; attempt++) {
      const until = Math.min(performance.now() + this.limit, deadline);
      const made = await this.attempt(call, until - performance.now());
      if (!("error" in made)) {
        this.tokens = Math.min(TOKENS, this.tokens + EARNED);
        return made.value;
      }
      const { error, again, pause } = made;
      const well = error.status > 0 && error.status < 500;
      this.tokens = well ? Math.min(TOKENS, this.tokens + EARNED) : Math.max(0, this.tokens - 1);
      const wait = Math.max(pause, Math.random() * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempt));
      const noTime = performance.now() + wait >= deadline;
      if (!again || attempt === MAX_ATTEMPTS || noTime || this.tokens <= TOKENS / 2) {
        throw error;
      }
      this.log?.warn({ call: call.name, attempt, error: error.message }, "call failed, and is tried again");
      await sleep(wait);
    }
  }

  private async attempt({ name, method, target, body }: Call, limit: number): Promise<Attempt> {
    let status: number;
    let text: string;
    let pause: number;
    try {
      const response = await fetch(target, {
        method,
        headers: carried(body),
        body,
        redirect: "manual",
        signal: AbortSignal.timeout(Math.max(1, Math.round(limit))),
      });
      status = response.status;
      pause = seconds(response.headers.get("Retry-After"));
      text = await read(response, this.maxAnswer);
    } catch (err) {
      const [code, detail] = why(err);
      const unreached = UNREACHED.test(code);
      const message = `${unreached ? "it cannot be reached" : "it did not answer"}: ${detail}`;
      const error = new CallError(name, 0, message, { cause: err });
      return { error, again: unreached || IDEMPOTENT.includes(method), pause: 0 };
    }
    return answered(name, status, text, IDEMPOTENT.includes(method) && TRANSIENT.includes(status), pause);
  }
}

function filled(path: string, keys: Values): string {
  return path.replace(/{([^{}]*)}/g, (_, name: string) => {
    const key = String(keys[name]);
    if (["", ".", ".."].includes(key)) {
      throw new Error(`${name}: with "${key}", ${path} would be another path`);
    }
    return encodeURIComponent(key);
  });
}

function search(query: Values): string {
  const sent = new URLSearchParams();
  for (const [name, values] of Object.entries(query)) {
    for (const value of [values].flat()) {
      if (value !== null && value !== undefined) {
        sent.append(name, String(value));
      }
    }
  }
  return sent.size > 0 ? `?${sent}` : "";
}

function carried(body: string | null): Record<string, string> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body !== null) {
    headers["Content-Type"] = "application/json";
  }
  propagation.inject(context.active(), headers);
  const id = requestID();
  if (id) {
    headers["X-Request-Id"] = id;
  }
  return headers;
}

async function read(response: Response, most: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > most) {
      throw new Error(`the answer has more than ${most} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** What fetch failed by: its code, and a text. */
function why(err: unknown): [string, string] {
  if (!(err instanceof Error)) {
    return ["", String(err)];
  }
  if (err.name === "TimeoutError") {
    return ["", "timed out"];
  }
  const cause = err.cause as { code?: string; message?: string } | undefined;
  const code = cause?.code ?? "";
  return [code, cause?.message || code || err.message];
}

function answered(call: string, status: number, text: string, again: boolean, pause: number): Attempt {
  let value: unknown;
  try {
    value = text ? JSON.parse(text) : undefined;
  } catch {
    if (status < 300) {
      return { error: new CallError(call, status, "the answer is no JSON"), again: false, pause };
    }
  }
  if (status < 300) {
    return { value };
  }
  const detail = (value as { detail?: unknown } | null | undefined)?.detail;
  const said = `${status} ${STATUS_CODES[status] ?? ""}`.trim() + (detail ? `: ${detail}` : "");
  return { error: new CallError(call, status, said, { problem: value }), again, pause };
}

/** Retry-After, in milliseconds. */
function seconds(header: string | null): number {
  return header && /^[0-9]+$/.test(header) ? Number(header) * 1000 : 0;
}

function fail(span: Span, err: unknown): void {
  span.recordException(err instanceof Error ? err : String(err));
  span.setStatus({ code: SpanStatusCode.ERROR });
}
