// Errors as RFC 9457 has them.

import { STATUS_CODES } from "node:http";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { requestID } from "./traces.ts";

export type Fault = { field: string; message: string };

/** An answer that says what is wrong. */
export class Problem extends Error {
  readonly statusCode: number;
  readonly errors: Fault[] | undefined;
  readonly headers: Record<string, string>;

  constructor(status: number, detail: string, more: { errors?: Fault[]; headers?: Record<string, string> } = {}) {
    super(detail);
    this.statusCode = status;
    this.errors = more.errors;
    this.headers = more.headers ?? {};
  }
}

/** Has all errors of app answered as problems. */
export function install(app: FastifyInstance): void {
  app.setNotFoundHandler((request, reply) => {
    answer(reply, new Problem(404, `there is no path ${path(request)}`));
  });
  app.setErrorHandler((err: FastifyError, request, reply) => {
    answer(reply, problem(err, request));
  });
}

export function path(request: FastifyRequest): string {
  return request.url.split("?")[0] ?? "";
}

function problem(err: FastifyError, request: FastifyRequest): Problem {
  if (err.validationContext === "params") {
    return new Problem(404, `there is no path ${path(request)}`);
  }
  if (err instanceof Problem) {
    return err;
  }
  switch (err.statusCode) {
    case 413:
      return new Problem(413, `want a body of at most ${request.routeOptions.bodyLimit} bytes`);
    case 415:
      return new Problem(415, "want application/json");
  }
  if (err.statusCode && err.statusCode < 500) {
    return new Problem(err.statusCode, err.message);
  }
  request.log.error({ err }, "the request failed");
  return new Problem(500, "the service failed");
}

function answer(reply: FastifyReply, problem: Problem): void {
  const status = problem.statusCode;
  const body = {
    type: "about:blank",
    title: STATUS_CODES[status],
    status,
    detail: problem.message,
    request_id: requestID(),
    errors: problem.errors,
  };
  const text = Buffer.from(JSON.stringify(body)); // to a string, a charset would be added
  reply.code(status).headers(problem.headers).type("application/problem+json").send(text);
}
