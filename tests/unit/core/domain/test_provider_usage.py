"""The rules of what is shared about a provider: limits by minute and day, the breaker, health and pace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photochanger.core.domain.routing.provider_usage import (
    BREAKER_FAILURES,
    FIRST_PAUSE,
    MAX_BREAKER_PAUSE,
    PERMIT_POLL,
    PROBE,
    Admission,
    Breaker,
    CallOutcome,
    CallRecord,
    LimitKind,
    ProviderLimit,
    ProviderState,
    Usage,
    admit_call,
    health_of,
    pace_of,
    record_call,
)

NOW = datetime(2026, 6, 1, 12, 0, 0, 500_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)
FREE = ProviderLimit()


def ask(usage: Usage, limit: ProviderLimit = FREE, *, now: datetime = NOW, taken: int = 0) -> tuple[Usage, Admission]:
    return admit_call(usage, limit, now=now, permits_taken=taken)


def after_call(usage: Usage, verdict: CallOutcome, *, now: datetime = NOW, seconds: float = 3) -> Usage:
    return record_call(usage, CallRecord("edit", verdict, timedelta(seconds=seconds)), now=now)


def opened(now: datetime = NOW) -> Usage:
    """A breaker that has just opened."""
    usage = Usage()
    for _ in range(BREAKER_FAILURES):
        usage = after_call(usage, CallOutcome.DOWN, now=now)
    return usage


def breaker(usage: Usage, now: datetime = NOW) -> Breaker:
    return health_of(usage, now=now).breaker


def test_calls_of_a_minute_are_counted_and_leave_after_it() -> None:
    limit = ProviderLimit(per_minute=2)
    usage, first = ask(Usage(), limit)
    usage, second = ask(usage, limit, now=NOW + 10 * SECOND)
    usage, third = ask(usage, limit, now=NOW + 20 * SECOND)
    assert (first.granted, second.granted, third.block) == (True, True, LimitKind.PER_MINUTE)
    usage, fourth = ask(usage, limit, now=NOW + 20 * SECOND + third.wait)
    assert fourth.granted
    assert ask(usage, limit, now=NOW + 20 * SECOND + third.wait)[1].block is LimitKind.PER_MINUTE


@given(
    st.lists(st.floats(min_value=0, max_value=20, allow_nan=False), min_size=1, max_size=60),
    st.integers(min_value=1, max_value=5),
)
def test_no_sixty_seconds_ever_hold_more_calls_than_allowed(pauses: list[float], per_minute: int) -> None:
    usage, now, granted = Usage(), NOW, []
    for pause in pauses:
        now += timedelta(seconds=pause)
        usage, admission = ask(usage, ProviderLimit(per_minute=per_minute), now=now)
        if admission.granted:
            granted.append(now)
        else:
            assert ask(usage, ProviderLimit(per_minute=per_minute), now=now + admission.wait)[1].granted
    for start in granted:
        assert sum(start <= call < start + 60 * SECOND for call in granted) <= per_minute


def test_calls_of_a_day_come_back_at_midnight_in_utc() -> None:
    limit = ProviderLimit(per_day=1)
    usage, _ = ask(Usage(), limit)
    usage, refused = ask(usage, limit, now=NOW + SECOND)
    assert refused.block is LimitKind.PER_DAY
    assert NOW + SECOND + refused.wait == datetime(2026, 6, 2, tzinfo=UTC)
    assert ask(usage, limit, now=NOW + SECOND + refused.wait)[1].granted


def test_a_full_provider_is_asked_again_soon() -> None:
    usage, refused = ask(Usage(), ProviderLimit(max_concurrent=3), taken=3)
    assert refused == Admission(LimitKind.CONCURRENCY, PERMIT_POLL)
    assert health_of(usage, now=NOW).calls_today == 0
    assert ask(usage, ProviderLimit(max_concurrent=3), taken=2)[1].granted


def test_the_breaker_opens_after_failures_in_a_row_and_not_before() -> None:
    usage = Usage()
    for _ in range(BREAKER_FAILURES - 1):
        usage = after_call(usage, CallOutcome.DOWN)
    assert breaker(usage) is Breaker.CLOSED
    assert breaker(after_call(after_call(usage, CallOutcome.PICTURE), CallOutcome.DOWN)) is Breaker.CLOSED
    usage = after_call(usage, CallOutcome.TIMEOUT)
    assert breaker(usage) is Breaker.OPEN
    assert ask(usage)[1] == Admission(LimitKind.BREAKER, FIRST_PAUSE)


@pytest.mark.parametrize(
    "verdict", [CallOutcome.RETRYABLE, CallOutcome.REJECTED, CallOutcome.QUOTA, CallOutcome.NOT_CONFIGURED]
)
def test_a_provider_that_answers_is_not_down(verdict: CallOutcome) -> None:
    usage = Usage()
    for _ in range(3 * BREAKER_FAILURES):
        usage = after_call(usage, verdict)
    assert breaker(usage) is Breaker.CLOSED


def test_one_probe_goes_through_a_half_open_breaker_and_its_picture_closes_it() -> None:
    usage = opened()
    later = NOW + FIRST_PAUSE
    assert breaker(usage, later) is Breaker.HALF_OPEN
    usage, probe = ask(usage, now=later)
    assert probe.granted
    assert ask(usage, now=later)[1] == Admission(LimitKind.BREAKER, PERMIT_POLL)
    usage = after_call(usage, CallOutcome.PICTURE, now=later)
    assert breaker(usage, later) is Breaker.CLOSED
    assert ask(usage, now=later)[1].granted


def test_a_probe_that_fails_opens_the_breaker_for_longer_up_to_a_bound() -> None:
    usage, now, pauses = opened(), NOW, []
    for _ in range(5):
        assert usage.open_until is not None
        pauses.append(usage.open_until - now)
        now = usage.open_until
        usage, probe = ask(usage, now=now)
        assert probe.granted
        usage = after_call(usage, CallOutcome.DOWN, now=now)
    assert pauses == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, MAX_BREAKER_PAUSE, MAX_BREAKER_PAUSE]


def test_calls_that_were_under_way_when_the_breaker_opened_do_not_prolong_it() -> None:
    usage = opened()
    late = after_call(usage, CallOutcome.DOWN, now=NOW + SECOND)
    assert late.open_until == usage.open_until


def test_a_probe_that_was_stopped_lets_another_one_through_and_one_that_is_lost_does_too() -> None:
    later = NOW + FIRST_PAUSE
    usage, _ = ask(opened(), now=later)
    assert ask(after_call(usage, CallOutcome.CANCELLED, now=later), now=later)[1].granted
    assert ask(usage, now=later + PROBE)[1].granted


def test_a_breaker_that_closed_starts_again_with_the_shortest_pause() -> None:
    usage = after_call(opened(), CallOutcome.PICTURE)
    for _ in range(BREAKER_FAILURES):
        usage = after_call(usage, CallOutcome.CRASHED)
    assert usage.open_until == NOW + FIRST_PAUSE


def test_health_is_the_share_of_pictures_among_the_last_calls() -> None:
    assert health_of(Usage(), now=NOW).health is None
    usage = after_call(
        after_call(after_call(Usage(), CallOutcome.PICTURE), CallOutcome.RETRYABLE), CallOutcome.REJECTED
    )
    assert health_of(usage, now=NOW).health == 0.5
    for _ in range(50):
        usage = after_call(usage, CallOutcome.PICTURE)
    assert health_of(usage, now=NOW).health == 1.0


def test_pace_is_told_by_operation_from_enough_pictures_only() -> None:
    usage = Usage()
    for seconds in range(1, 10):
        usage = after_call(usage, CallOutcome.PICTURE, seconds=seconds)
    assert health_of(usage, now=NOW).pace == {}
    usage = after_call(usage, CallOutcome.PICTURE, seconds=10)
    pace = health_of(usage, now=NOW).pace["edit"]
    assert (pace.p50, pace.p75, pace.p90, pace.samples) == (5 * SECOND, 8 * SECOND, 9 * SECOND, 10)


def test_pace_forgets_how_it_was_long_ago() -> None:
    usage = Usage()
    for seconds in [100] * 64 + [1] * 64:
        usage = after_call(usage, CallOutcome.PICTURE, seconds=seconds)
    assert health_of(usage, now=NOW).pace["edit"].p90 == SECOND


@given(st.lists(st.integers(min_value=0, max_value=60_000), min_size=10, max_size=64))
def test_percentiles_are_durations_that_happened_in_order(durations: list[int]) -> None:
    pace = pace_of(durations)
    assert pace is not None
    assert pace.p50 <= pace.p75 <= pace.p90
    milliseconds = pace.p90 // timedelta(milliseconds=1)
    assert milliseconds in durations
    assert sum(duration <= milliseconds for duration in durations) >= 0.9 * len(durations)


def test_a_call_that_asked_nobody_is_counted_when_it_is_reported() -> None:
    report = CallRecord("edit", CallOutcome.PICTURE, SECOND, admitted=False)
    standing = health_of(record_call(Usage(), report, now=NOW), now=NOW)
    assert (standing.calls_today, standing.calls_last_minute) == (1, 1)


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [
        ("", ProviderState.UNKNOWN),
        ("1", ProviderState.WORKING),
        ("0", ProviderState.DEGRADED),
        ("00", ProviderState.DEGRADED),
        ("000", ProviderState.FAILING),
        ("111000", ProviderState.DEGRADED),
        ("1110000", ProviderState.FAILING),
        ("1" * 9 + "0", ProviderState.WORKING),
        ("1" * 8 + "00", ProviderState.DEGRADED),
        ("0" * 40 + "1" * 10, ProviderState.WORKING),
        ("1" * 40 + "000000", ProviderState.FAILING),
    ],
)
def test_the_state_follows_from_the_last_calls(verdicts: str, state: ProviderState) -> None:
    usage = Usage()
    for verdict in verdicts:
        usage = after_call(usage, CallOutcome.PICTURE if verdict == "1" else CallOutcome.RETRYABLE)
    health = health_of(usage, now=NOW)
    assert health.state is state
    assert (health.last_calls, health.last_pictures) == (len(verdicts[-10:]), verdicts[-10:].count("1"))


def test_the_state_does_not_follow_the_breaker_from_open_to_half_open_and_back() -> None:
    usage, now = opened(), NOW
    seen = set()
    for _ in range(40):
        now += SECOND
        health = health_of(usage, now=now)
        seen.add(health.breaker)
        assert health.state is ProviderState.FAILING
        usage, admission = ask(usage, now=now)
        if admission.granted:
            usage = after_call(usage, CallOutcome.DOWN, now=now)
    assert seen == {Breaker.OPEN, Breaker.HALF_OPEN}
    # A first success closes the breaker; the last calls still say how the provider does.
    usage = after_call(usage, CallOutcome.PICTURE, now=now)
    health = health_of(usage, now=now)
    assert (health.breaker, health.state) == (Breaker.CLOSED, ProviderState.FAILING)
