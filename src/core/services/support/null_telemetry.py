"""Telemetry for those who watch nothing: every word of it goes nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from ...domain.job import FailureReason, JobSource
from ...domain.media import MediaKind
from ...domain.provider_usage import CallOutcome
from ...domain.trace_context import IngestOutcome
from ...ports.telemetry import Fact, Span


class SilentSpan:
    """The Span port for work that no trace shows."""

    def rename(self, name: str) -> None:
        """Nobody asks."""

    def note(self, facts: Mapping[str, Fact]) -> None:
        """Nobody asks."""

    def fail(self, why: str) -> None:
        """Nobody asks."""


class NullTelemetry:
    """The Telemetry port that keeps nothing."""

    @contextmanager
    def span(self, name: str, facts: Mapping[str, Fact] | None = None, *, parent: str | None = None) -> Iterator[Span]:
        yield NULL_SPAN

    def trace(self) -> str | None:
        return None

    def answered(self, slot_id: str | None, outcome: IngestOutcome, *, took: timedelta) -> None:
        """Nobody asks."""

    def job_began(self, slot_id: str, *, waited: timedelta) -> None:
        """Nobody asks."""

    def job_ended(self, slot_id: str, source: JobSource, reason: FailureReason | None) -> None:
        """Nobody asks."""

    def call_ended(self, provider_id: str, verdict: CallOutcome, *, took: timedelta, call: int) -> None:
        """Nobody asks."""

    def media_stored(self, kind: MediaKind, size_bytes: int) -> None:
        """Nobody asks."""

    def media_removed(self, kind: MediaKind, size_bytes: int) -> None:
        """Nobody asks."""

    def swept(self, removed: Mapping[str, int]) -> None:
        """Nobody asks."""


NULL_SPAN = SilentSpan()
NULL_TELEMETRY = NullTelemetry()
