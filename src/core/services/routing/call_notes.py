"""What is kept of the calls of one run: attempts in the processing log, and reports to the shared limits."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ...domain.job import Claim, JobSource, LogEntry, LogEvent
from ...domain.routing.failure_cause import FailureCause
from ...domain.routing.provider_usage import CallOutcome, CallRecord
from ...ports.clock import Clock
from ...ports.telemetry import Span, Telemetry
from .entry_state import EntryState
from .outcome import CallReport
from .recorder import AttemptRecorder

_log = logging.getLogger("photochanger.routing")

_MAX_REASON_CHARS = 500


class CallNotes:
    """The notes of one run. `attempts` and `reports` are those that are left to its caller."""

    def __init__(self, claim: Claim, recorder: AttemptRecorder, clock: Clock, telemetry: Telemetry) -> None:
        self.attempts: list[LogEntry] = []
        self.reports: list[CallReport] = []
        self._claim = claim
        self._recorder = recorder
        self._clock = clock
        self._telemetry = telemetry

    def duration(self, state: EntryState) -> timedelta:
        """How long the entry's last call has taken so far."""
        return self._clock.monotonic() - state.started

    def call_ended(
        self,
        state: EntryState,
        span: Span,
        outcome: CallOutcome,
        reason: str,
        cause: FailureCause | None = None,
        remarks: Mapping[str, Any] | None = None,
    ) -> None:
        """Note how a call ended; the cause of one without a picture."""
        call, provider_id, duration = state.progress.calls, state.entry.provider_id, self.duration(state)
        self._telemetry.call_ended(provider_id, outcome, took=duration, call=call)
        _log.info("call %s to %s: %s after %.2f s", call, provider_id, outcome, duration.total_seconds())
        span.note({"verdict": outcome.value})
        if outcome is not CallOutcome.PICTURE:
            span.fail(outcome.value)
        facts = {"call": call, "started_at": state.started_at.isoformat(), "duration_ms": _milliseconds(duration)}
        self._note(state, outcome, reason, cause, **dict(remarks or {}) | facts)

    def blocked(self, state: EntryState, wait: timedelta | None) -> None:
        """Note that the entry is not called now."""
        facts = {} if wait is None else {"wait_ms": _milliseconds(wait)}
        self._note(state, "blocked", str(state.error), None if state.error is None else state.error.cause, **facts)

    def report_later(self, state: EntryState, outcome: CallOutcome, *, cut_off: bool = False) -> None:
        """Leave the report of a call to the caller of the run."""
        if state.remote:
            self.reports.append(self.report(state, outcome, cut_off=cut_off))

    def report(self, state: EntryState, outcome: CallOutcome, *, cut_off: bool = False) -> CallReport:
        """The report of a call that has ended; it says nothing of the provider where this process stood still."""
        if state.stood_still:
            outcome, cut_off = CallOutcome.CANCELLED, False
        record = CallRecord(state.entry.operation_id, outcome, self.duration(state), state.counted, cut_off)
        return CallReport(state.index, state.entry.provider_id, record)

    def _note(
        self, state: EntryState, classification: str, reason: str, cause: FailureCause | None, **facts: Any
    ) -> None:
        """Log an attempt: at once, unless the job is a test or the guest waits for the picture."""
        facts |= state.facts() | {"classification": classification, "reason": reason[:_MAX_REASON_CHARS]}
        if cause is not None:
            facts["cause"] = cause
        facts["attempt"] = self._claim.attempt
        entry = LogEntry(self._claim.job.id, self._clock.now(), LogEvent.ATTEMPT, facts)
        if self._claim.job.source is JobSource.TEST or classification == CallOutcome.PICTURE:
            self.attempts.append(entry)
        else:
            self._recorder.record_in_background(self._claim, [entry])


def not_begun(state: EntryState) -> CallReport:
    """The report of a call that the shared limits admitted and that was not made."""
    record = CallRecord(state.entry.operation_id, CallOutcome.CANCELLED, timedelta(0))
    return CallReport(state.index, state.entry.provider_id, record)


def _milliseconds(duration: timedelta) -> float:
    return round(duration.total_seconds() * 1000, 1)
