"""The route engine: runs the entries of a route inside what is left of the window (the policy is in `core.routes`)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from ...domain.deadlines import LATE_RESCUE
from ...domain.errors import QueueUnavailable
from ...domain.job import Claim
from ...domain.media import PictureNeeds
from ...domain.prompts import filled
from ...domain.provider_usage import (
    Admission,
    Breaker,
    CallOutcome,
    CallRecord,
    LatencyPercentiles,
    LimitKind,
    ProviderHealth,
    ProviderLimit,
)
from ...domain.route_policy import (
    Budget,
    EntryProgress,
    back_off,
    choose,
    cut_at,
    hedge_after,
)
from ...ports.clock import Clock
from ...ports.provider import (
    OperationInfo,
    Provider,
    ProviderError,
    ProviderRequest,
    QuotaExhausted,
    Retryable,
    Unavailable,
)
from ...ports.provider_limits import ProviderLimits
from ...ports.telemetry import Telemetry
from ..providers.registry import ProviderRegistry
from ..providers.status_cache import ProviderStatusCache
from ..settings.service import SettingsService
from ..support.null_telemetry import NULL_TELEMETRY
from .attempt import (
    TIMER_SLACK,
    Attempt,
    Hooks,
    Materials,
    ProviderCalls,
    RoutePicture,
    stopped,
)


class Jitter(Protocol):
    """A number from 0 to 1, another one at each call."""

    def __call__(self) -> float: ...


class RouteEngine:
    """Runs routes. `jitter` gives a number from 0 to 1 for each pause."""

    def __init__(
        self,
        providers: ProviderRegistry,
        limits: ProviderLimits,
        settings: SettingsService,
        clock: Clock,
        *,
        jitter: Jitter = random.random,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self._providers = providers
        self._limits = limits
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self._telemetry = telemetry
        self._figures = ProviderStatusCache(limits, clock)

    async def run(self, claim: Claim, materials: Materials, hooks: Hooks, *, ends_at: datetime) -> RoutePicture:
        """The first picture that an entry makes.

        Raises RouteExhausted when every entry gave up, TimeoutError when `ends_at` came first; what `materials`
        raises (UndecodableImage, StorageUnavailable) goes through: another entry would not mend it.
        """
        run = RouteRun(
            claim,
            materials,
            hooks,
            providers=self._providers,
            limits=self._limits,
            figures=self._figures,
            clock=self._clock,
            jitter=self._jitter,
            telemetry=self._telemetry,
            ends_at=ends_at,
        )
        async with self._clock.timeout_at(ends_at):
            await run.prepare(self._settings)
            return await run.picture()


_log = logging.getLogger("photochanger.routing")

_Call = Callable[[int], Coroutine[Any, Any, RoutePicture]]

_LOOK_AGAIN = timedelta(seconds=5)
"""How often a call under way is held against what is usual: the first pictures of an evening tell that only later."""

_LIMITS_TIMEOUT = timedelta(seconds=2)
"""A database that hangs costs a guest so much of his window, and not his call."""

_T = TypeVar("_T")

_BLOCKED = {
    LimitKind.BREAKER: "The provider has failed too often in a row; it is given a pause.",
    LimitKind.CONCURRENCY: "As many calls to the provider are under way as are allowed.",
    LimitKind.PER_MINUTE: "The provider's calls of this minute are used up.",
    LimitKind.PER_DAY: "The provider's calls of this day are used up.",
}


class RouteExhausted(Exception):
    """No entry of the route made a picture; `reason` is the last entry's, `code` what the job ends with."""

    def __init__(
        self, error: ProviderError, *, provider_id: str | None, operation_id: str | None, code: str = ProviderError.code
    ) -> None:
        super().__init__(error.reason)
        self.reason = error.reason
        self.code = code
        self.provider_id = provider_id
        self.operation_id = operation_id


class RouteRun:
    """One job's way through its route."""

    def __init__(
        self,
        claim: Claim,
        materials: Materials,
        hooks: Hooks,
        *,
        providers: ProviderRegistry,
        limits: ProviderLimits,
        figures: ProviderStatusCache,
        clock: Clock,
        jitter: Jitter,
        telemetry: Telemetry,
        ends_at: datetime,
    ) -> None:
        self._claim = claim
        self._route = claim.job.route
        self._materials = materials
        self._hooks = hooks
        self._limits = limits
        self._figures = figures
        self._clock = clock
        self._jitter = jitter
        self._ends_at = ends_at
        self._window = ends_at - claim.job.created_at
        self._attempts = ProviderCalls(
            materials, hooks, clock, late_rescue=self._route.late_rescue, telemetry=telemetry
        )
        self._errors: dict[int, ProviderError] = {}
        self._last: int | None = None
        self._progress = [EntryProgress() for _ in self._route.entries]
        self._paces: list[LatencyPercentiles | None] = [None for _ in self._route.entries]
        self._sound = [False for _ in self._route.entries]
        self._admissions = [False for _ in self._route.entries]
        self._bounds: list[ProviderLimit] = [ProviderLimit() for _ in self._route.entries]
        self._resume_at = claim.job.provider_job_entry
        self._offered = [self._find(providers, index) for index in range(len(self._route.entries))]

    def _find(self, providers: ProviderRegistry, index: int) -> tuple[Provider, OperationInfo] | None:
        entry = self._route.entries[index]
        try:
            found = providers.find(entry.provider_id, entry.operation_id)
        except ProviderError as error:
            self._learn(index, error)
            return None
        self._bounds[index] = found[0].info.limit
        return found

    async def prepare(self, settings: SettingsService) -> None:
        """Take in how the providers are doing, and what an administrator allows of them."""
        if all(found is None or found[0].info.on_this_machine for found in self._offered):
            return
        first = next(operation for _, operation in filter(None, self._offered))
        await self._while_the_photo_is_prepared(first.needs, self._look_around())
        try:
            allowed = (await settings.current()).provider_limits
        except QueueUnavailable as error:
            _log.warning("job %s goes by what providers declare themselves: %s", self._claim.job.id, error.detail)
            return
        for index, entry in enumerate(self._route.entries):
            self._bounds[index] = allowed.get(entry.provider_id, self._bounds[index])

    async def _while_the_photo_is_prepared(self, needs: PictureNeeds, asking: Coroutine[Any, Any, _T]) -> _T:
        """What the asking says, once the photo is ready as well."""
        preparing = asyncio.ensure_future(self._materials.photo(needs))
        try:
            return await asking
        finally:
            await asyncio.gather(preparing, return_exceptions=True)  # what went wrong is told by the next who asks

    async def _look_around(self) -> None:
        try:
            standings = await self._told(self._figures.current())
        except QueueUnavailable as error:
            # They are hints: no guest is sent away for want of them.
            _log.warning("job %s goes its route without the providers' figures: %s", self._claim.job.id, error.detail)
            return
        for index, entry in enumerate(self._route.entries):
            standing = standings.get(entry.provider_id, ProviderHealth())
            self._paces[index] = standing.pace.get(entry.operation_id)
            self._sound[index] = standing.breaker is Breaker.CLOSED

    async def picture(self) -> RoutePicture:
        """The first picture; RouteExhausted. The caller bounds it to the window."""
        return await self._lane(self._hedged if self._route.hedge else self._call)

    async def _lane(self, call: _Call) -> RoutePicture:
        """Ask one entry after the other until one makes the picture; RouteExhausted."""
        while True:
            index = await self._next()
            self._change(index, busy=True)
            try:
                if await self._admitted(index):
                    return await call(index)
            except ProviderError as error:
                self._learn(index, error)
            finally:
                self._change(index, busy=False)

    async def _next(self) -> int:
        """The entry to ask now, once its moment has come; RouteExhausted."""
        resume_at, self._resume_at = self._resume_at, None
        if resume_at is not None and resume_at < len(self._progress) and not self._progress[resume_at].over:
            return resume_at
        while (choice := choose(self._progress, self._paces, self._budget())) is not None:
            now = self._clock.now()
            if choice.at <= now:
                return choice.index
            await self._clock.sleep(choice.at - now)
        raise self._exhausted()

    async def _admitted(self, index: int) -> bool:
        """Whether the entry may be asked now; where not, its progress says when to try again."""
        provider, operation = self._found(index)
        if provider.info.on_this_machine:
            self._change(index, calls=self._progress[index].calls + 1)
            return True
        self._admissions[index] = not self._goes_without_asking(index)
        if not self._admissions[index]:
            self._change(index, calls=1)
            return True
        entering = self._limits.acquire(self._claim, provider.info.id, entry=index, limit=self._bounds[index])
        try:
            admission = await self._while_the_photo_is_prepared(operation.needs, self._told(entering))
        except QueueUnavailable as error:
            _log.warning("job %s asks %s without its limits: %s", self._claim.job.id, provider.info.id, error.detail)
            admission = Admission()
        if admission.granted:
            self._change(index, calls=self._progress[index].calls + 1, deferred=False, crowded=False)
        else:
            self._wait_for(index, admission)
        return admission.granted

    async def _told(self, asking: Coroutine[Any, Any, _T]) -> _T:
        """What the shared figures say; QueueUnavailable where they take longer than a guest should wait for them."""
        try:
            async with self._clock.timeout_at(self._clock.now() + _LIMITS_TIMEOUT):
                return await asking
        except TimeoutError:
            raise QueueUnavailable("The figures of the providers did not come in time.") from None

    def _goes_without_asking(self, index: int) -> bool:
        """Whether nothing could stand in the way of a first call: no limit, and a breaker that was closed just now."""
        return self._sound[index] and self._bounds[index] == ProviderLimit() and not self._progress[index].calls

    def _wait_for(self, index: int, admission: Admission) -> None:
        block = admission.block
        assert block is not None
        error = QuotaExhausted(_BLOCKED[block]) if block is LimitKind.PER_DAY else Unavailable(_BLOCKED[block])
        if str(self._errors.get(index)) != error.reason:
            entry = self._route.entries[index]
            self._hooks.note_attempt(
                {"entry": index, "provider": entry.provider_id, "operation": entry.operation_id}
                | {"classification": "blocked", "reason": error.reason}
                | {"wait_ms": round(admission.wait.total_seconds() * 1000, 1)}
            )
        self._errors[index], self._last = error, index
        self._change(
            index,
            ready_at=self._clock.now() + admission.wait,
            deferred=block is LimitKind.BREAKER,
            crowded=block is LimitKind.CONCURRENCY,
            over=block is LimitKind.PER_DAY,
        )

    async def _call(self, index: int) -> RoutePicture:
        """One call to the entry, and the report of it to the shared figures."""
        provider, operation = self._found(index)
        entry = self._route.entries[index]
        started = self._clock.now()
        nobody_knows = [None if other == index else pace for other, pace in enumerate(self._paces)]
        until = cut_at(index, self._progress, nobody_knows, self._budget())
        facts = {
            "entry": index,
            "call": self._progress[index].calls,
            "provider": entry.provider_id,
            "operation": entry.operation_id,
        }
        attempt = Attempt(
            entry=entry,
            provider=provider,
            request=partial(self._request, index, operation, until=until),
            facts=facts,
            started=started,
        )
        verdict = CallOutcome.CANCELLED
        try:
            made = await self._attempts.make(
                attempt, patience=partial(self._patience, index, started), ends_at=self._ends_at
            )
            verdict = CallOutcome.PICTURE
        except ProviderError as error:
            verdict = CallOutcome(error.verdict)
            await self._report(index, verdict, self._clock.now() - started)
            self._figures.forget()
            raise
        finally:
            if verdict is CallOutcome.PICTURE or verdict is CallOutcome.CANCELLED:
                if verdict is CallOutcome.CANCELLED and self._hung(index, started):
                    verdict = CallOutcome.TIMEOUT
                self._hooks.afterwards(self._report(index, verdict, self._clock.now() - started))
        return made

    async def _patience(self, index: int, started: datetime) -> None:
        """Return when a call that began then is to be given up; never where all the window is its own."""
        while True:
            cut = cut_at(index, self._progress, self._paces, Budget(started, self._ends_at, self._window))
            left = cut - self._clock.now() if cut < self._ends_at else _LOOK_AGAIN
            if left <= timedelta(0):
                return
            await self._clock.sleep(min(left, _LOOK_AGAIN))
            if self._paces[index] is None:
                await self._look_around()

    def _hung(self, index: int, started: datetime) -> bool:
        """Whether a call that the window's end cut off had more time than such calls take."""
        now, pace = self._clock.now(), self._paces[index]
        return now >= self._ends_at - TIMER_SLACK and now - started >= (pace.p90 if pace else self._window / 2)

    async def _report(self, index: int, verdict: CallOutcome, duration: timedelta) -> None:
        provider, operation = self._found(index)
        if provider.info.on_this_machine:
            return
        report = CallRecord(operation.id, verdict, duration, self._admissions[index])
        try:
            await self._told(self._limits.release(self._claim, provider.info.id, entry=index, report=report))
        except QueueUnavailable as error:
            _log.warning("a call to %s is missing in its figures: %s", provider.info.id, error.detail)

    async def _request(self, index: int, operation: OperationInfo, *, until: datetime) -> ProviderRequest:
        entry, job = self._route.entries[index], self._claim.job
        links = None
        photo = await self._materials.photo(operation.needs)
        templates = await self._materials.templates(operation.needs)
        if self._found(index)[0].info.needs_public_url:
            links = await self._materials.links(operation.needs)
        resumes = index == job.provider_job_entry and self._progress[index].calls == 1
        return ProviderRequest(
            job_id=job.id,
            operation_id=entry.operation_id,
            settings=filled(entry.settings, operation.prompts, fields=self._route.prompt_fields, metadata=job.metadata),
            photo=photo,
            templates=templates,
            photo_url=links.photo if links else None,
            template_urls=links.templates if links else {},
            until=self._ends_at + LATE_RESCUE if self._route.late_rescue else until,
            note_reference=lambda reference: self._hooks.note_reference(reference, index),
            reference=job.provider_job_reference if resumes else None,
        )

    async def _hedged(self, index: int) -> RoutePicture:
        """The same call; where it takes longer than usual, the next entry is asked beside it."""
        first = asyncio.ensure_future(self._call(index))
        second: asyncio.Future[RoutePicture] | None = None
        try:
            patience = asyncio.ensure_future(self._clock.sleep(hedge_after(self._paces[index], self._window)))
            await _first_done(first, patience)
            await stopped(patience)
            if first.done():
                return first.result()
            second = asyncio.ensure_future(self._lane(self._call))
            return await self._first_picture(index, first, second)
        finally:
            await stopped(first)
            if second is not None:
                await stopped(second)

    async def _first_picture(
        self, index: int, first: asyncio.Future[RoutePicture], second: asyncio.Future[RoutePicture]
    ) -> RoutePicture:
        await _first_done(first, second)
        if first.done():
            try:
                made = first.result()
            except ProviderError as error:
                self._learn(index, error)  # the other lane may come back to this entry
                return await second
        else:
            try:
                made = second.result()
            except RouteExhausted:
                return await first
        self._attempts.won = True
        return made

    def _learn(self, index: int, error: ProviderError) -> None:
        """Note what an entry's call came to, and when it is worth asking again."""
        self._errors[index], self._last = error, index
        if isinstance(error, Retryable):
            pause = error.after if error.after is not None else back_off(self._progress[index].calls, self._jitter())
            self._change(index, busy=False, ready_at=self._clock.now() + pause)
        else:
            self._change(index, busy=False, over=True)

    def _change(self, index: int, **changes: Any) -> None:
        self._progress[index] = msgspec.structs.replace(self._progress[index], **changes)

    def _budget(self) -> Budget:
        return Budget(self._clock.now(), self._ends_at, self._window)

    def _found(self, index: int) -> tuple[Provider, OperationInfo]:
        found = self._offered[index]
        assert found is not None, "an entry that nobody offers is over from the start"
        return found

    def _exhausted(self) -> RouteExhausted:
        if self._last is None:
            return RouteExhausted(Unavailable("The route has no entries."), provider_id=None, operation_id=None)
        entry = self._route.entries[self._last]
        codes = {error.code for error in self._errors.values()}
        error = self._errors[self._last]
        return RouteExhausted(
            error,
            code=codes.pop() if len(codes) == 1 else ProviderError.code,
            provider_id=entry.provider_id,
            operation_id=entry.operation_id,
        )


async def _first_done(*tasks: asyncio.Future[Any]) -> None:
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
