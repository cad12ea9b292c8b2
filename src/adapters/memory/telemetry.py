"""The Telemetry port in memory: every record in order, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from ...core.domain.connections import ConnectionEnd
from ...core.domain.job import FailureReason, JobSource
from ...core.domain.media import MediaKind
from ...core.domain.routing.provider_usage import CallOutcome
from ...core.domain.trace_context import IngestOutcome, Refusal
from ...core.ports.telemetry import Fact, Span

_current: ContextVar[MemorySpan | None] = ContextVar("current_span", default=None)


class MemorySpan:
    """The Span port; its facts can be read."""

    def __init__(self, name: str, trace_id: int, span_id: int, parent_id: int | None) -> None:
        self.name = name
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id
        self.facts: dict[str, Fact] = {}
        self.failure: str | None = None

    def rename(self, name: str) -> None:
        self.name = name

    def note(self, facts: Mapping[str, Fact]) -> None:
        self.facts |= facts

    def fail(self, why: str) -> None:
        self.failure = why


class MemoryTelemetry:
    """Keeps every record as `(name, fields)` and every span."""

    def __init__(self) -> None:
        self.records: list[tuple[str, dict[str, Any]]] = []
        self.spans: list[MemorySpan] = []

    def of(self, name: str) -> list[dict[str, Any]]:
        """The fields of every record of this name."""
        return [fields for recorded, fields in self.records if recorded == name]

    @contextmanager
    def span(self, name: str, facts: Mapping[str, Fact] | None = None, *, parent: str | None = None) -> Iterator[Span]:
        around = _current.get()
        number = len(self.spans) + 1
        if parent is not None:
            _, trace_id, parent_id, _ = parent.split("-")
            span = MemorySpan(name, int(trace_id, 16), number, int(parent_id, 16))
        elif around is not None:
            span = MemorySpan(name, around.trace_id, number, around.span_id)
        else:
            span = MemorySpan(name, number, number, None)
        span.note(facts or {})
        self.spans.append(span)
        token = _current.set(span)
        try:
            yield span
        finally:
            _current.reset(token)

    def trace(self) -> str | None:
        span = _current.get()
        return None if span is None else f"00-{span.trace_id:032x}-{span.span_id:016x}-01"

    def answered(self, slot_id: str | None, outcome: IngestOutcome, *, took: timedelta) -> None:
        self._record("answered", slot_id=slot_id, outcome=outcome, took=took)

    def job_began(self, slot_id: str, *, waited: timedelta) -> None:
        self._record("job_began", slot_id=slot_id, waited=waited)

    def job_ended(self, slot_id: str, source: JobSource, reason: FailureReason | None) -> None:
        self._record("job_ended", slot_id=slot_id, source=source, reason=reason)

    def call_ended(self, provider_id: str, verdict: CallOutcome, *, took: timedelta, call: int) -> None:
        self._record("call_ended", provider_id=provider_id, verdict=verdict, took=took, call=call)

    def cost_counted(self, provider_id: str, slot_id: str, usd_micros: int) -> None:
        self._record("cost_counted", provider_id=provider_id, slot_id=slot_id, usd_micros=usd_micros)

    def media_stored(self, kind: MediaKind, size_bytes: int) -> None:
        self._record("media_stored", kind=kind, size_bytes=size_bytes)

    def media_removed(self, kind: MediaKind, size_bytes: int) -> None:
        self._record("media_removed", kind=kind, size_bytes=size_bytes)

    def swept(self, removed: Mapping[str, int]) -> None:
        self._record("swept", **removed)

    def photo_refused(self, slot_id: str, reason: Refusal) -> None:
        self._record("photo_refused", slot_id=slot_id, reason=reason)

    def connection_ended(self, reason: ConnectionEnd) -> None:
        self._record("connection_ended", reason=reason)

    def connections_open(self, count: int, *, limit: int) -> None:
        self._record("connections_open", count=count, limit=limit)

    def _record(self, name: str, **fields: Any) -> None:
        self.records.append((name, fields))
