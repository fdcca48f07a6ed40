// What every request gets: ids, a span, a log line, metrics.

import { randomBytes } from "node:crypto";
import { type Context, context, propagation, SpanKind, trace } from "@opentelemetry/api";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Metrics } from "./metrics.ts";
import { path } from "./problems.ts";
import { withRequestID } from "./traces.ts";

const OPERATION = ["/healthz", "/readyz", "/metrics", "/openapi.json"];
const METHODS = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];
const REQUEST_ID = /^[!-~]{1,128}$/;

/** Whether the service is about to end. */
export type Draining = { begun: boolean };

export function observe(app: FastifyInstance, metrics: Metrics, draining: Draining): void {
  const contexts = new WeakMap<FastifyRequest, Context>();
  const tracer = trace.getTracer("acme-widgets");

  app.addHook("onRequest", (request, reply, done) => {
    const began = performance.now();
    const { raw } = reply;
    const given = request.headers["x-request-id"];
    const id = typeof given === "string" && REQUEST_ID.test(given) ? given : randomBytes(16).toString("hex");
    reply.header("X-Request-Id", id);
    const route = (request.routeOptions.url ?? "none").replace(/:(\w+)/g, "{$1}");
    const method = METHODS.includes(request.method) ? request.method : "_OTHER";
    const parent = propagation.extract(withRequestID(context.active(), id), request.headers);
    const span = tracer.startSpan(`${method} ${route}`, { kind: SpanKind.SERVER }, parent);
    const ctx = trace.setSpan(parent, span);
    contexts.set(request, ctx);
    metrics.inFlight.inc();
    raw.once("close", () => {
      const seconds = (performance.now() - began) / 1000;
      const status = raw.headersSent ? raw.statusCode : 0; // 0: the client had gone
      metrics.inFlight.dec();
      metrics.requests.inc({ method, route, status });
      metrics.seconds.observe({ method, route }, seconds);
      span.setAttributes({
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
      });
      span.end();
      if (!OPERATION.includes(path(request))) {
        const ms = Math.round(seconds * 100_000) / 100;
        context.with(ctx, () => {
          request.log.info({ method: request.method, path: path(request), status, ms }, "request");
        });
      }
    });
    context.with(ctx, done);
  });

  app.addHook("onSend", (_request, reply, payload, done) => {
    if (draining.begun) {
      reply.header("Connection", "close");
    }
    done(null, payload);
  });

  // The body was read by the connection, which knows of no request.
  app.addHook("preValidation", (request, _reply, done) => {
    context.with(contexts.get(request) ?? context.active(), done);
  });
}
