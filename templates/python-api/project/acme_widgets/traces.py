"""Traces of OpenTelemetry. Without an endpoint nothing is sent, but there are ids all the same."""

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from acme_widgets.config import Config


def configure(config: Config) -> TracerProvider:
    """Set up what shutdown has to be called on, so that the last spans are sent."""
    resource = Resource.create(
        {
            "service.name": config.service_name,
            "service.version": config.service_version,
            "service.instance.id": config.instance_id,
        }
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    if config.otel_exporter_otlp_endpoint:
        # Imported here: it doubles the time that the service takes to start.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider
