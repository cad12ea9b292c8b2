"""Telemetry of the core: metrics, and the spans of a job's trace."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Protocol

from ..domain.connections import ConnectionEnd
from ..domain.job import FailureReason, JobSource
from ..domain.media import MediaKind
from ..domain.routing.provider_usage import CallOutcome
from ..domain.trace_context import IngestOutcome, Refusal

Fact = str | int | float
"""What a span may contain: names and numbers of PhotoChanger itself; no external text, no secret, no picture."""


class Span(Protocol):
    """A span of a trace."""

    def rename(self, name: str) -> None:
        """Set the name once it is known."""
        ...

    def note(self, facts: Mapping[str, Fact]) -> None:
        """Add attributes."""
        ...

    def fail(self, why: str) -> None:
        """Mark as failed; `why` is a code, never external text."""
        ...


class Telemetry(Protocol):
    """Records what happens. No method raises or blocks; each takes microseconds."""

    def span(
        self, name: str, facts: Mapping[str, Fact] | None = None, *, parent: str | None = None
    ) -> AbstractContextManager[Span]:
        """A span around the block: a child of `parent` if given, else of the surrounding span.

        `parent` is a trace context as returned by `trace`. Exceptions of the block pass through and are not recorded.
        """
        ...

    def trace(self) -> str | None:
        """The current trace context (W3C `traceparent`), to be continued elsewhere; None outside of a trace."""
        ...

    def answered(self, slot_id: str | None, outcome: IngestOutcome, *, took: timedelta) -> None:
        """An ingest request was answered. `slot_id` is None where the request named no slot that takes photos."""
        ...

    def photo_refused(self, slot_id: str, reason: Refusal) -> None:
        """A photo was refused with `queue_full`."""
        ...

    def job_began(self, slot_id: str, *, waited: timedelta) -> None:
        """A worker acquired the job for the first time, `waited` after its creation."""
        ...

    def job_ended(self, slot_id: str, source: JobSource, reason: FailureReason | None) -> None:
        """The job has ended; `reason` is None for success. Called once per job, in one process."""
        ...

    def call_ended(self, provider_id: str, verdict: CallOutcome, *, took: timedelta, call: int) -> None:
        """A provider call has ended; `call` counts a job's calls to one entry of its route, from 1."""
        ...

    def cost_counted(self, provider_id: str, slot_id: str, usd_micros: int) -> None:
        """A call was billed, or may have been, in millionths of a US dollar. Called once per call, in one process."""
        ...

    def media_stored(self, kind: MediaKind, size_bytes: int) -> None:
        """A file was added to the media store."""
        ...

    def media_removed(self, kind: MediaKind, size_bytes: int) -> None:
        """A file was deleted from a media store that knows its size then."""
        ...

    def swept(self, removed: Mapping[str, int]) -> None:
        """A sweep has ended; `removed` counts what it removed or ended, by the names of its tasks."""
        ...

    def connection_ended(self, reason: ConnectionEnd) -> None:
        """The server refused or cut a client's connection."""
        ...

    def connections_open(self, count: int, *, limit: int) -> None:
        """This many connections of clients are open now, of at most `limit`."""
        ...
