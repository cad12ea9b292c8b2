"""Disabled telemetry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from ...domain.connections import ConnectionEnd
from ...domain.job import FailureReason, JobSource
from ...domain.media import MediaKind
from ...domain.routing.provider_usage import CallOutcome
from ...domain.trace_context import IngestOutcome, Refusal
from ...ports.telemetry import Fact, Span


class NullSpan:
    """The Span port without a trace."""

    def rename(self, name: str) -> None: ...

    def note(self, facts: Mapping[str, Fact]) -> None: ...

    def fail(self, why: str) -> None: ...


class NullTelemetry:
    """The Telemetry port that records nothing."""

    @contextmanager
    def span(self, name: str, facts: Mapping[str, Fact] | None = None, *, parent: str | None = None) -> Iterator[Span]:
        yield NULL_SPAN

    def trace(self) -> str | None:
        return None

    def answered(self, slot_id: str | None, outcome: IngestOutcome, *, took: timedelta) -> None: ...

    def job_began(self, slot_id: str, *, waited: timedelta) -> None: ...

    def job_ended(self, slot_id: str, source: JobSource, reason: FailureReason | None) -> None: ...

    def call_ended(self, provider_id: str, verdict: CallOutcome, *, took: timedelta, call: int) -> None: ...

    def cost_counted(self, provider_id: str, slot_id: str, usd_micros: int) -> None: ...

    def media_stored(self, kind: MediaKind, size_bytes: int) -> None: ...

    def media_removed(self, kind: MediaKind, size_bytes: int) -> None: ...

    def swept(self, removed: Mapping[str, int]) -> None: ...

    def photo_refused(self, slot_id: str, reason: Refusal) -> None: ...
    def connection_ended(self, reason: ConnectionEnd) -> None: ...

    def connections_open(self, count: int, *, limit: int) -> None: ...


NULL_SPAN = NullSpan()
NULL_TELEMETRY = NullTelemetry()
