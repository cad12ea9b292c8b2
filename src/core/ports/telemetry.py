"""What the core tells of its work to those who watch the service: figures, and the spans of one job's trace."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Protocol

from ..domain.job import FailureReason, JobSource
from ..domain.media import MediaKind
from ..domain.provider_usage import CallOutcome
from ..domain.trace_context import IngestOutcome

Fact = str | int | float
"""What a span may hold: names and numbers that PhotoChanger made. Nothing from outside, no secret, no picture."""


class Span(Protocol):
    """A piece of work under way, as a trace shows it."""

    def rename(self, name: str) -> None:
        """Give it the name that became known only later."""
        ...

    def note(self, facts: Mapping[str, Fact]) -> None:
        """Add facts to it."""
        ...

    def fail(self, why: str) -> None:
        """Mark it as gone wrong; `why` is a code or a verdict, no text from outside."""
        ...


class Telemetry(Protocol):
    """Takes what happens and keeps it for whoever looks. No method raises or waits; each costs microseconds."""

    def span(
        self, name: str, facts: Mapping[str, Fact] | None = None, *, parent: str | None = None
    ) -> AbstractContextManager[Span]:
        """The work of the block as a span: a child of `parent`, where that is given, else of the span around it.

        `parent` is a trace context as `trace` gives it. What the block raises goes through and is not kept.
        """
        ...

    def trace(self) -> str | None:
        """The trace context of the work under way (W3C `traceparent`), to go on with elsewhere; None where there is
        none."""
        ...

    def answered(self, slot_id: str | None, outcome: IngestOutcome, *, took: timedelta) -> None:
        """A camera's request has its answer. `slot_id` is None where the request named no slot that takes photos."""
        ...

    def job_began(self, slot_id: str, *, waited: timedelta) -> None:
        """A worker took the job for the first time, so long after it was made."""
        ...

    def job_ended(self, slot_id: str, source: JobSource, reason: FailureReason | None) -> None:
        """The job has ended: with its picture, where there is no reason. Told once for each job, in one process."""
        ...

    def call_ended(self, provider_id: str, verdict: CallOutcome, *, took: timedelta, call: int) -> None:
        """A call to a provider has ended; `call` counts a job's calls to one entry of its route, from 1."""
        ...

    def media_stored(self, kind: MediaKind, size_bytes: int) -> None:
        """The media store holds a new file."""
        ...

    def media_removed(self, kind: MediaKind, size_bytes: int) -> None:
        """The media store removed a file."""
        ...

    def swept(self, removed: Mapping[str, int]) -> None:
        """A sweep went through to its end; how much it removed or ended, by the names of SweepReport."""
        ...
