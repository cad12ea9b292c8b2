"""Work that is queued at a service: saved, polled, resumed, and cancelled where nobody waits for it any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from photochanger.adapters.providers.queued import (
    CANCEL_TIME,
    MAX_CANCELS,
    MAX_MISSES,
    POLL_TIME,
    Failed,
    Finished,
    Pace,
    Pending,
    QueuedCalls,
    State,
)
from photochanger.core.domain.costs.call_cost import FREE, CallCost, Charged
from photochanger.core.ports.provider import Down, NotConfigured, ProviderError, Rejected, Retryable, Unavailable
from photochanger.core.services.support.concurrency import TaskSet

from tests.support.standins.calls import References, provider_request

pytestmark = pytest.mark.anyio

COST = CallCost(usd_micros=40_000)
PERHAPS = CallCost(usd_micros=40_000, charged=Charged.UNKNOWN)


class Work:
    """Work that does what a test says; `log` has what was asked of it, in order."""

    def __init__(self, *states: State[str] | ProviderError | asyncio.Event) -> None:
        self.states = list(states)
        self.first: State[str] = Pending()
        self.submitted = asyncio.Event()
        self.submitted.set()
        self.cancels: list[ProviderError | None] = []
        self.log: list[str] = []
        self.changed = asyncio.Condition()
        self.until: list[datetime] = []

    async def submit(self) -> tuple[str, State[str]]:
        await self._note("submit")
        await self.submitted.wait()
        return "work-1", self.first

    async def poll(self, reference: str, *, until: datetime) -> State[str]:
        self.until.append(until)
        await self._note(f"poll {reference}")
        state = self.states.pop(0)
        if isinstance(state, asyncio.Event):
            await state.wait()
            return Pending()
        if isinstance(state, ProviderError):
            raise state
        return state

    async def cancel(self, reference: str, *, until: datetime) -> None:
        self.until.append(until)
        await self._note(f"cancel {reference}")
        if self.cancels and (error := self.cancels.pop(0)):
            raise error

    async def seen(self, what: str, times: int = 1) -> None:
        async with asyncio.timeout(180), self.changed:
            await self.changed.wait_for(lambda: self.log.count(what) >= times)

    async def _note(self, what: str) -> None:
        async with self.changed:
            self.log.append(what)
            self.changed.notify_all()


class Pauses:
    """Notes how long one would sleep, and sleeps for no longer than a turn of the loop."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def queued(pauses: Pauses) -> AsyncIterator[QueuedCalls]:
    calls = QueuedCalls("Painter", sleep=pauses)
    yield calls
    await calls.close()


def asked(**others: Any) -> Any:
    return provider_request("image_edit", **others)


async def error_of(queued: QueuedCalls, work: Work, **others: Any) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await queued.result(work, asked(**others), cost=COST)
    return raised.value


async def test_the_reference_is_saved_before_the_first_question(queued: QueuedCalls) -> None:
    work = Work(Pending(), Finished("picture"))

    async def note(reference: str) -> None:
        work.log.append(f"note {reference}")

    assert await queued.result(work, asked(note_reference=note)) == "picture"
    assert work.log == ["submit", "note work-1", "poll work-1", "poll work-1"]


async def test_work_that_ends_at_once_is_not_asked_for(queued: QueuedCalls) -> None:
    work, references = Work(), References()
    work.first = Finished("picture")
    assert await queued.result(work, asked(references=references)) == "picture"
    assert (work.log, references.noted) == (["submit"], ["work-1"])


async def test_saved_work_is_gone_on_with_at_once_and_nothing_is_submitted(queued: QueuedCalls, pauses: Pauses) -> None:
    work, references = Work(Finished("picture")), References()
    assert await queued.result(work, asked(reference="work-7", references=references)) == "picture"
    assert (work.log, references.noted, pauses.seconds) == (["poll work-7"], [], [])


async def test_pauses_grow_up_to_the_longest_and_a_longer_one_that_the_service_asks_for_counts(
    queued: QueuedCalls, pauses: Pauses
) -> None:
    states = [Pending(), Pending(), Pending(timedelta(seconds=7)), *[Pending()] * 4, Finished("picture")]
    await queued.result(Work(*states), asked())
    assert pauses.seconds == [0.4, 0.5, 0.625, 7, pytest.approx(0.976562), 1, 1, 1]


async def test_a_question_is_bounded_by_its_own_time_and_by_the_deadline(queued: QueuedCalls) -> None:
    work = Work(Pending(), Finished("picture"))
    request = asked()
    await queued.result(work, request)
    assert all(until < request.until and until <= datetime.now(UTC) + POLL_TIME for until in work.until)
    work = Work(Finished("picture"))
    near = asked(seconds=9.9, reference="work-1")
    await queued.result(work, near)
    assert work.until == [near.until]


async def test_single_failures_of_questions_end_nothing(queued: QueuedCalls, pauses: Pauses) -> None:
    limited = Retryable("too many questions", after=timedelta(seconds=9))
    work = Work(*[Down("away")] * MAX_MISSES, Pending(), *[Down("away")] * (MAX_MISSES - 1), limited, Finished("it"))
    assert await queued.result(work, asked()) == "it"
    assert pauses.seconds[-1] == 9
    assert "cancel work-1" not in work.log


async def test_questions_that_fail_too_often_end_the_call_and_cancel_the_work(queued: QueuedCalls) -> None:
    work = Work(*[Down("away")] * (MAX_MISSES + 1))
    error = await error_of(queued, work)
    assert (type(error), error.reason, error.cost) == (Down, "away", PERHAPS)
    unreached = Work(*[Down("no connection", cost=FREE)] * (MAX_MISSES + 1))
    assert (await error_of(queued, unreached)).cost == PERHAPS, "the question was free, its work is not"
    await work.seen("cancel work-1")


@pytest.mark.parametrize("error", [NotConfigured("no key"), Unavailable("gone"), Rejected("no")])
async def test_a_question_that_will_never_be_answered_ends_the_call(queued: QueuedCalls, error: ProviderError) -> None:
    work = Work(error)
    assert await error_of(queued, work) is error
    assert work.log[:2] == ["submit", "poll work-1"]
    await work.seen("cancel work-1")


async def test_work_that_ended_badly_raises_its_own_error_and_is_not_cancelled(queued: QueuedCalls) -> None:
    for error in (Rejected("refused", cost=COST), Retryable("failed"), Down("out of memory")):
        work = Work(Pending(), Failed(error))
        cost = error.cost
        assert await error_of(queued, work) is error
        assert error.cost is cost
        await queued.close()
        assert work.log == ["submit", "poll work-1", "poll work-1"]


async def test_a_submission_that_fails_raises_its_error_and_cancels_nothing(queued: QueuedCalls) -> None:
    class Full(Work):
        async def submit(self) -> tuple[str, State[str]]:
            raise Retryable("the queue is full", after=timedelta(seconds=3))

    work = Full()
    error = await error_of(queued, work)
    assert (error.reason, error.cost) == ("the queue is full", None)
    await queued.close()
    assert work.log == []


async def test_where_a_pause_would_pass_the_deadline_the_call_ends_at_once(queued: QueuedCalls, pauses: Pauses) -> None:
    work = Work(Pending(timedelta(hours=1)))
    error = await error_of(queued, work)
    assert (type(error), error.cost) == (Unavailable, PERHAPS)
    assert "had not finished" in error.reason
    assert pauses.seconds == [0.4]
    await work.seen("cancel work-1")
    limited = Retryable("too many questions", after=timedelta(hours=1))
    assert await error_of(queued, Work(limited)) is limited


@pytest.mark.parametrize("reference", [None, "work-1"])
async def test_a_cancelled_call_ends_at_once_and_its_work_is_cancelled_behind_it(
    queued: QueuedCalls, reference: str | None
) -> None:
    work, calls = Work(asyncio.Event()), TaskSet()
    call = calls.start(queued.result(work, asked(reference=reference)), name="call")
    await work.seen("poll work-1")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await work.seen("cancel work-1")
    assert work.until[-1] <= datetime.now(UTC) + CANCEL_TIME


async def test_a_call_that_is_cancelled_while_it_submits_cancels_what_was_submitted(queued: QueuedCalls) -> None:
    work, calls = Work(), TaskSet()
    work.submitted.clear()
    call = calls.start(queued.result(work, asked()), name="call")
    await work.seen("submit")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    work.submitted.set()
    await work.seen("cancel work-1")
    assert work.log == ["submit", "cancel work-1"]


async def test_nothing_is_cancelled_where_the_submission_had_failed_or_finished(queued: QueuedCalls) -> None:
    class Broken(Work):
        async def submit(self) -> tuple[str, State[str]]:
            await super().submit()
            raise Down("away")

    finished = Work()
    finished.first = Finished("picture")
    for work in (Broken(), finished):
        work.submitted.clear()
        calls = TaskSet()
        call = calls.start(queued.result(work, asked()), name="call")
        await work.seen("submit")
        call.cancel()
        await asyncio.wait([call])
        work.submitted.set()
        await queued.close()
        assert work.log == ["submit"]


async def test_cancelling_is_tried_again_and_given_up_with_a_warning(
    queued: QueuedCalls, pauses: Pauses, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(NotConfigured("no key"))
    work.cancels = [Down("away"), Retryable("limited", after=timedelta(seconds=2)), None]
    await error_of(queued, work)
    await queued.close()
    assert work.log.count("cancel work-1") == 3
    assert pauses.seconds[-1] == 2
    assert caplog.records == []
    for errors in ([Down("away")] * 3, [Retryable("limited", after=timedelta(hours=1))], [NotConfigured("no key")]):
        caplog.clear()
        work = Work(NotConfigured("no key"))
        work.cancels = list(errors)
        await error_of(queued, work)
        await queued.close()
        assert work.log.count("cancel work-1") == len(errors)
        assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_only_so_much_is_cancelled_at_the_same_time(
    queued: QueuedCalls, caplog: pytest.LogCaptureFixture
) -> None:
    held = asyncio.Event()

    class Slow(Work):
        async def cancel(self, reference: str, *, until: datetime) -> None:
            self.log.append("cancel")
            await held.wait()

    works = [Slow(NotConfigured("no key")) for _ in range(MAX_CANCELS + 1)]
    for work in works:
        await error_of(queued, work)
    for _ in range(3):
        await asyncio.sleep(0)
    assert [work.log.count("cancel") for work in works] == [1] * MAX_CANCELS + [0]
    assert "too much is being cancelled" in caplog.text
    held.set()


async def test_closing_does_not_wait_for_ever(queued: QueuedCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photochanger.adapters.providers.queued._CLOSING_TIME", timedelta(0))
    ended = asyncio.Event()

    class Stuck(Work):
        async def cancel(self, reference: str, *, until: datetime) -> None:
            await self._note("cancel")
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    work = Stuck(NotConfigured("no key"))
    await error_of(queued, work)
    await work.seen("cancel")
    await queued.close()
    assert ended.is_set()


def test_pauses_never_end() -> None:
    pauses = Pace(first=timedelta(seconds=1), factor=2, longest=timedelta(seconds=3)).pauses()
    assert [next(pauses).total_seconds() for _ in range(5)] == [1, 2, 3, 3, 3]
