"""The state of a provider that all workers share: calls of the last minute and of today, circuit breaker, latency.

There is one `Usage` per provider; the functions here are its rules. An adapter runs them under a lock and stores what
they return.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from .durations import with_cut_off, with_duration

BREAKER_FAILURES = 5
"""Failures in a row that open the breaker."""

FIRST_PAUSE = timedelta(seconds=2)
MAX_BREAKER_PAUSE = timedelta(seconds=10)
"""How long an open breaker admits no call; doubles from the first to the maximum. Short compared with the sync window:
a provider that has recovered must be noticed in time for the waiting guests."""

PROBE = timedelta(seconds=20)
"""How long a half-open breaker waits for its probe before it admits another one."""

PERMIT_POLL = timedelta(milliseconds=250)
"""The pause before asking again where the concurrency limit is reached."""

_MINUTE_SECONDS = 60
_LAST_CALLS = 10
"""Calls that the state of a provider follows from: few enough to follow an outage and its end within a minute."""

_MIN_FAILED = 3
_FAILING_SHARE = 0.5
_DEGRADED_SHARE = 0.1
_REMEMBERED_VERDICTS = 50
_REMEMBERED_DURATIONS = 64
_MIN_DURATIONS = 10
"""Pictures needed to compute percentiles."""


class ProviderLimit(msgspec.Struct, frozen=True, kw_only=True):
    """Limits on calls to a provider, over all workers of all hosts; None: no limit."""

    max_concurrent: int | None = None
    per_minute: int | None = None
    per_day: int | None = None


class Breaker(enum.StrEnum):
    """Which calls a circuit breaker admits: all, none for a while, or one as a probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class ProviderState(enum.StrEnum):
    """How a provider does by its last calls. UNKNOWN: there were none. FAILING: most made no picture."""

    UNKNOWN = "unknown"
    WORKING = "working"
    DEGRADED = "degraded"
    FAILING = "failing"


class LimitKind(enum.StrEnum):
    """Why a call is not admitted."""

    BREAKER = "breaker"
    CONCURRENCY = "concurrency"
    PER_MINUTE = "per_minute"
    PER_DAY = "per_day"


class Admission(msgspec.Struct, frozen=True):
    """Whether a call is admitted; if not, why, and how long to wait before asking again."""

    block: LimitKind | None = None
    wait: timedelta = timedelta(0)

    @property
    def granted(self) -> bool:
        return self.block is None


class CallOutcome(enum.StrEnum):
    """How a call ended, as in the processing log."""

    PICTURE = "picture"
    RETRYABLE = "retryable"
    DOWN = "down"
    TIMEOUT = "timeout"
    REJECTED = "rejected"
    QUOTA = "quota"
    NOT_CONFIGURED = "not_configured"
    UNAVAILABLE = "unavailable"
    CRASHED = "crashed"
    CANCELLED = "cancelled"


_OUTAGES = frozenset({CallOutcome.DOWN, CallOutcome.TIMEOUT, CallOutcome.CRASHED})
"""The provider itself is failing: these open the breaker."""

_HEALTH = {
    CallOutcome.PICTURE: "1",
    CallOutcome.RETRYABLE: "0",
    CallOutcome.DOWN: "0",
    CallOutcome.TIMEOUT: "0",
    CallOutcome.CRASHED: "0",
    CallOutcome.QUOTA: "0",
}
"""Outcomes that count for the health; a refused photo or a missing key says nothing about the provider."""


class CallRecord(msgspec.Struct, frozen=True):
    """How one call ended. `admitted` is false if it began without `admit_call`: it is counted at its end then.

    `cut_off`: it was stopped because the time was over, so that it would have taken longer than `duration`.
    """

    operation_id: str
    verdict: CallOutcome
    duration: timedelta
    admitted: bool = True
    cut_off: bool = False


class LatencyPercentiles(msgspec.Struct, frozen=True):
    """Percentiles of the latency of an operation's last pictures."""

    p50_ms: int
    p75_ms: int
    p90_ms: int
    samples: int

    @property
    def p50(self) -> timedelta:
        return timedelta(milliseconds=self.p50_ms)

    @property
    def p75(self) -> timedelta:
        return timedelta(milliseconds=self.p75_ms)

    @property
    def p90(self) -> timedelta:
        return timedelta(milliseconds=self.p90_ms)


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """The shared state of one provider.

    Attributes:
        seconds: calls of the last minute, as pairs of unix second and count, oldest first.
        day, calls_today: the UTC day that is counted, as its ordinal, and its calls.
        failures: calls in a row that failed because of the provider.
        open_until: set while the breaker is not closed; no call is admitted before it.
        openings: how often in a row the breaker opened.
        probe_until: until when a probe under way is waited for.
        verdicts: of the last calls, one digit each, newest last: 1 a picture, 0 none.
        durations_ms: of the last pictures by operation, newest last.
        recent_ms: of the very last calls by operation, newest last, with those that were cut off as an estimate.
    """

    seconds: tuple[tuple[int, int], ...] = ()
    day: int = 0
    calls_today: int = 0
    failures: int = 0
    open_until: datetime | None = None
    openings: int = 0
    probe_until: datetime | None = None
    verdicts: str = ""
    durations_ms: dict[str, tuple[int, ...]] = {}
    recent_ms: dict[str, tuple[int, ...]] = {}


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider does, for people. `health`: the share of the last calls that made a picture, None before the
    first. `last_calls`, `last_pictures`: the very last calls, and those of them that made a picture; `state` follows
    from them, whatever the breaker admits."""

    state: ProviderState = ProviderState.UNKNOWN
    last_calls: int = 0
    last_pictures: int = 0
    breaker: Breaker = Breaker.CLOSED
    open_until: datetime | None = None
    health: float | None = None
    calls_last_minute: int = 0
    calls_today: int = 0
    pace: dict[str, LatencyPercentiles] = {}


class ProviderHealth(Standing, frozen=True, kw_only=True):
    """The health of a provider. `recent_ms`: durations of the very last calls by operation, for the capacity."""

    recent_ms: dict[str, tuple[int, ...]] = {}

    @property
    def standing(self) -> Standing:
        """What people see of it."""
        return Standing(**{name: getattr(self, name) for name in Standing.__struct_fields__})


def admit_call(usage: Usage, limit: ProviderLimit, *, now: datetime, permits_taken: int) -> tuple[Usage, Admission]:
    """Decide on one more call at `now`; return the usage that includes it if it is admitted.

    `permits_taken`: calls to the provider under way, by all workers.
    """
    usage = _today(usage, now)
    if usage.open_until is not None:
        if now < usage.open_until:
            return usage, Admission(LimitKind.BREAKER, usage.open_until - now)
        if usage.probe_until is not None and now < usage.probe_until:
            return usage, Admission(LimitKind.BREAKER, PERMIT_POLL)
    if limit.per_day is not None and usage.calls_today >= limit.per_day:
        return usage, Admission(LimitKind.PER_DAY, _midnight_after(now) - now)
    if limit.per_minute is not None and _calls(usage.seconds) >= limit.per_minute:
        oldest = datetime.fromtimestamp(usage.seconds[0][0], UTC)
        return usage, Admission(LimitKind.PER_MINUTE, oldest + timedelta(seconds=_MINUTE_SECONDS + 1) - now)
    if limit.max_concurrent is not None and permits_taken >= limit.max_concurrent:
        return usage, Admission(LimitKind.CONCURRENCY, PERMIT_POLL)
    changed = msgspec.structs.replace(
        _counted(usage, now), probe_until=None if usage.open_until is None else now + PROBE
    )
    return changed, Admission()


def record_call(usage: Usage, report: CallRecord, *, now: datetime) -> Usage:
    """Return the usage after the end of a call."""
    if not report.admitted:
        usage = _counted(_today(usage, now), now)
    verdicts = (usage.verdicts + _HEALTH.get(report.verdict, ""))[-_REMEMBERED_VERDICTS:]
    usage = msgspec.structs.replace(usage, verdicts=verdicts)
    if report.verdict is CallOutcome.PICTURE:
        duration_ms = round(report.duration.total_seconds() * 1000)
        known = (*usage.durations_ms.get(report.operation_id, ()), duration_ms)[-_REMEMBERED_DURATIONS:]
        usage = msgspec.structs.replace(usage, durations_ms=usage.durations_ms | {report.operation_id: known})
    usage = _with_recent(usage, report)
    if report.verdict in _OUTAGES:
        return _after_failure(usage, now)
    if report.verdict is CallOutcome.CANCELLED:  # says nothing; if it was the probe, another one is admitted
        return msgspec.structs.replace(usage, probe_until=None)
    return msgspec.structs.replace(usage, failures=0, open_until=None, openings=0, probe_until=None)


def health_of(usage: Usage, *, now: datetime) -> ProviderHealth:
    """Return the health that people and the route engine see."""
    usage = _today(usage, now)
    breaker = Breaker.CLOSED
    if usage.open_until is not None:
        breaker = Breaker.OPEN if now < usage.open_until else Breaker.HALF_OPEN
    paces = {operation_id: pace_of(durations) for operation_id, durations in usage.durations_ms.items()}
    last = usage.verdicts[-_LAST_CALLS:]
    return ProviderHealth(
        state=_state_of(last, breaker),
        last_calls=len(last),
        last_pictures=last.count("1"),
        breaker=breaker,
        open_until=usage.open_until,
        health=usage.verdicts.count("1") / len(usage.verdicts) if usage.verdicts else None,
        calls_last_minute=_calls(usage.seconds),
        calls_today=usage.calls_today,
        pace={operation_id: pace for operation_id, pace in paces.items() if pace is not None},
        recent_ms=usage.durations_ms | usage.recent_ms,
    )


def _state_of(last: str, breaker: Breaker) -> ProviderState:
    """The state by the verdicts of the last calls. A breaker opens by failures only, and closes by a success."""
    if not last:
        return ProviderState.UNKNOWN
    failed = last.count("0")
    if breaker is not Breaker.CLOSED or (failed >= _MIN_FAILED and failed > len(last) * _FAILING_SHARE):
        return ProviderState.FAILING
    return ProviderState.DEGRADED if failed > len(last) * _DEGRADED_SHARE else ProviderState.WORKING


def pace_of(durations_ms: Sequence[int]) -> LatencyPercentiles | None:
    """Return the percentiles of durations (nearest rank); None where there are too few."""
    if len(durations_ms) < _MIN_DURATIONS:
        return None
    ordered = sorted(durations_ms)

    def rank(percent: int) -> int:
        return ordered[-(-len(ordered) * percent // 100) - 1]

    return LatencyPercentiles(rank(50), rank(75), rank(90), len(ordered))


def _with_recent(usage: Usage, report: CallRecord) -> Usage:
    recent = usage.recent_ms.get(report.operation_id, ())
    if report.verdict is CallOutcome.PICTURE:
        known = with_duration(recent, report.duration)
    elif report.verdict is CallOutcome.TIMEOUT or report.cut_off:
        known = with_cut_off(recent, report.duration)
    else:
        return usage
    return msgspec.structs.replace(usage, recent_ms=usage.recent_ms | {report.operation_id: known})


def _after_failure(usage: Usage, now: datetime) -> Usage:
    failures = usage.failures + 1
    half_open = usage.open_until is not None and now >= usage.open_until
    opens = half_open or (usage.open_until is None and failures >= BREAKER_FAILURES)
    if not opens:
        return msgspec.structs.replace(usage, failures=failures)
    return msgspec.structs.replace(
        usage,
        failures=failures,
        open_until=now + min(FIRST_PAUSE * 2**usage.openings, MAX_BREAKER_PAUSE),
        openings=min(usage.openings + 1, 16),
        probe_until=None,
    )


def _today(usage: Usage, now: datetime) -> Usage:
    """Return the usage without the calls that no longer count."""
    oldest = int(now.timestamp()) - _MINUTE_SECONDS
    seconds = tuple(pair for pair in usage.seconds if pair[0] >= oldest)
    day = now.astimezone(UTC).date().toordinal()
    calls_today = usage.calls_today if day == usage.day else 0
    return msgspec.structs.replace(usage, seconds=seconds, day=day, calls_today=calls_today)


def _counted(usage: Usage, now: datetime) -> Usage:
    """Return the usage with one more call."""
    seconds = _one_more(usage.seconds, int(now.timestamp()))
    return msgspec.structs.replace(usage, seconds=seconds, calls_today=usage.calls_today + 1)


def _calls(seconds: tuple[tuple[int, int], ...]) -> int:
    return sum(count for _, count in seconds)


def _one_more(seconds: tuple[tuple[int, int], ...], second: int) -> tuple[tuple[int, int], ...]:
    if seconds and seconds[-1][0] == second:
        return (*seconds[:-1], (second, seconds[-1][1] + 1))
    return (*seconds, (second, 1))


def _midnight_after(now: datetime) -> datetime:
    return (now.astimezone(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
