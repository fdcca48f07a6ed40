"""What is counted of requests, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]

REQUESTS = Counter("http_requests_total", "Requests that were answered.", ["method", "route", "status"])
SECONDS = Histogram("http_request_duration_seconds", "How long the answers took.", ["method", "route"])
IN_FLIGHT = Gauge("http_requests_in_flight", "Requests that are being answered.")
