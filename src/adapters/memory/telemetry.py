"""The Telemetry port in memory: what was told, in order, for tests that ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from ...core.domain.job import FailureReason, JobSource
from ...core.domain.media import MediaKind
from ...core.domain.provider_usage import CallOutcome
from ...core.domain.trace_context import IngestOutcome
from ...core.ports.telemetry import Fact, Span

_current: ContextVar[MemorySpan | None] = ContextVar("current_span", default=None)


class MemorySpan:
    """The Span port; what it was told can be read."""

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
    """Keeps every figure as `(name, fields)` and every span."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.spans: list[MemorySpan] = []

    def of(self, name: str) -> list[dict[str, Any]]:
        """The fields of everything that was told under this name."""
        return [fields for told, fields in self.told if told == name]

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
        self._tell("answered", slot_id=slot_id, outcome=outcome, took=took)

    def job_began(self, slot_id: str, *, waited: timedelta) -> None:
        self._tell("job_began", slot_id=slot_id, waited=waited)

    def job_ended(self, slot_id: str, source: JobSource, reason: FailureReason | None) -> None:
        self._tell("job_ended", slot_id=slot_id, source=source, reason=reason)

    def call_ended(self, provider_id: str, verdict: CallOutcome, *, took: timedelta, call: int) -> None:
        self._tell("call_ended", provider_id=provider_id, verdict=verdict, took=took, call=call)

    def media_stored(self, kind: MediaKind, size_bytes: int) -> None:
        self._tell("media_stored", kind=kind, size_bytes=size_bytes)

    def media_removed(self, kind: MediaKind, size_bytes: int) -> None:
        self._tell("media_removed", kind=kind, size_bytes=size_bytes)

    def swept(self, removed: Mapping[str, int]) -> None:
        self._tell("swept", **removed)

    def _tell(self, name: str, **fields: Any) -> None:
        self.told.append((name, fields))
