// Log lines as JSON on stdout, with what the request at hand is known by.

import { trace } from "@opentelemetry/api";
import type { LoggerOptions } from "pino";
import type { Config } from "./config.ts";
import { requestID } from "./traces.ts";

export function options(config: Config): LoggerOptions {
  return {
    level: config.level === "warning" ? "warn" : config.level,
    base: { service: config.service, instance: config.instance },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: NAMES[label] ?? label }) },
    mixin: ids,
  };
}

const NAMES: Record<string, string> = { trace: "debug", warn: "warning", fatal: "error" };

function ids(): Record<string, string> {
  const span = trace.getActiveSpan()?.spanContext();
  const id = requestID();
  return { ...(span && { trace_id: span.traceId, span_id: span.spanId }), ...(id && { request_id: id }) };
}
