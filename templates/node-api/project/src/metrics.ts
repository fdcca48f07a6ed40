// What is counted of requests, for Prometheus.

import { Counter, Gauge, Histogram, Registry } from "prom-client";

export class Metrics {
  readonly registry = new Registry();
  readonly requests = new Counter({
    name: "http_requests_total",
    help: "Requests that were answered.",
    labelNames: ["method", "route", "status"],
    registers: [this.registry],
  });
  readonly seconds = new Histogram({
    name: "http_request_duration_seconds",
    help: "How long the answers took.",
    labelNames: ["method", "route"],
    registers: [this.registry],
  });
  readonly inFlight = new Gauge({
    name: "http_requests_in_flight",
    help: "Requests that are being answered.",
    registers: [this.registry],
  });
}
