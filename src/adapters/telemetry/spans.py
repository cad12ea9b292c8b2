"""Spans by OpenTelemetry's tracer, exported in batches over OTLP. They hold facts of ours alone, and no exception."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...core.ports.telemetry import Fact

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

_NAMES = {"method": "http.request.method", "route": "http.route", "status": "http.response.status_code"}
"""Facts that OpenTelemetry's conventions have a name for; the others are `photochanger.<fact>`."""

_KINDS = {"request": "SERVER", "provider call": "CLIENT"}
"""What the spans are that begin with these names; the others are work inside."""


class Tracing:
    """Makes spans and hands them to a collector at this address (`…/v1/traces`)."""

    def __init__(self, resource: Resource, endpoint: str, *, export_seconds: float) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._api = trace
        self._export_seconds = export_seconds
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=export_seconds)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, schedule_delay_millis=1000, export_timeout_millis=export_seconds * 1000)
        )
        self._tracer = self._provider.get_tracer("photochanger")

    @contextmanager
    def span(self, name: str, facts: Mapping[str, Fact], *, parent: str | None) -> Iterator[OpenTelemetrySpan]:
        """The block as a span, child of `parent` or of the current one."""
        kind = self._api.SpanKind[_KINDS.get(name, "INTERNAL")]
        with self._tracer.start_as_current_span(
            name,
            context=self._context(parent) if parent is not None else None,
            kind=kind,
            attributes=_attributes(facts),
            # What is raised may hold anything, keys and picture bytes included.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield OpenTelemetrySpan(span, self._api)

    def _context(self, parent: str) -> Any:
        _, trace_id, span_id, flags = parent.split("-")
        remote = self._api.SpanContext(
            int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=self._api.TraceFlags(int(flags, 16))
        )
        return self._api.set_span_in_context(self._api.NonRecordingSpan(remote))

    def current(self) -> str | None:
        """The context of the span around the caller, as `traceparent`."""
        context = self._api.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"

    def close(self) -> None:
        """Export what is left and stop."""
        self._provider.force_flush(int(self._export_seconds * 1000))
        self._provider.shutdown()


class OpenTelemetrySpan:
    """The Span port."""

    def __init__(self, span: Any, api: Any) -> None:
        self._span = span
        self._api = api

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, facts: Mapping[str, Fact]) -> None:
        self._span.set_attributes(_attributes(facts))

    def fail(self, why: str) -> None:
        self._span.set_status(self._api.StatusCode.ERROR, why)


def _attributes(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    return {_NAMES.get(name, f"photochanger.{name}"): value for name, value in facts.items()}
