// Traces of OpenTelemetry. Without an endpoint nothing is sent, but there are ids all the same.

import { type Context, context, createContextKey, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, type SpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import type { Config } from "./config.ts";

const REQUEST_ID = createContextKey("request id");

export function withRequestID(ctx: Context, id: string): Context {
  return ctx.setValue(REQUEST_ID, id);
}

/** The id of the request at hand. */
export function requestID(): string | undefined {
  return context.active().getValue(REQUEST_ID) as string | undefined;
}

/** Sets up what shutdown has to be called on, so that the last spans are sent. */
export async function configure(config: Config): Promise<TracerProvider> {
  const spanProcessors: SpanProcessor[] = [];
  if (config.traces) {
    const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-http");
    spanProcessors.push(new BatchSpanProcessor({ exporter: new OTLPTraceExporter() }));
  }
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.name": config.service,
      "service.version": config.version,
      "service.instance.id": config.instance,
    }),
    spanProcessors,
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  return provider;
}
