"""One job at ComfyUI: queued under an id that is saved first, waited for, fetched, and cancelled if nobody needs it."""

from __future__ import annotations

import asyncio
import enum
import logging
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from msgspec import Struct

from ....core.domain.routing.failure_cause import FailureCause
from ....core.ports.provider import Down, NotConfigured, ProviderError, Rejected, Retryable, Unavailable
from ...system_clock import SYSTEM_CLOCK
from .answers import Ended, OutputFile, refusal
from .service import ComfyuiService
from .workflow import Workflow

_log = logging.getLogger("photochanger.comfyui")

POLL_INTERVAL = timedelta(seconds=0.3)
"""The pause before the first question for a job; it grows to three times this."""

_LONGEST_PAUSES = 3
_GROWTH = 1.1

QUEUE_EVERY = 5
"""One of so many polls asks for the queue as well, which is a long answer on a busy machine."""

MAX_MISSES = 5
"""Polls in a row that may fail before a job is given up."""

MAX_DOWNLOADS = 4
"""Attempts to fetch a finished picture."""

CANCEL_TIME = timedelta(seconds=5)
"""The most that cancelling a job may take."""

_INTERRUPTS_BY_ID = (0, 3, 57)
"""The first version whose `/interrupt` heeds the id; others interrupt whatever runs, such as another guest's job."""

_REFERENCE = re.compile(r"([0-9A-Za-z-]{1,64}):([0-9]{1,10})")


class Reference(Struct, frozen=True):
    """What another worker needs to resume a job: its id at ComfyUI, and the seed that was sent."""

    prompt_id: str
    seed: int

    @staticmethod
    def read(text: str | None) -> Reference | None:
        """Return the reference of an earlier worker; None where there is none of this form."""
        match = _REFERENCE.fullmatch(text) if text is not None and len(text) <= 100 else None
        return Reference(match[1], int(match[2])) if match else None

    def __str__(self) -> str:
        return f"{self.prompt_id}:{self.seed}"


class Standing(enum.Enum):
    """What ComfyUI has of a job: it may wait or run, its record is in the history, or there is nothing of it."""

    QUEUED = enum.auto()
    ENDED = enum.auto()
    GONE = enum.auto()


class JobLost(Retryable):
    """ComfyUI does not know the job."""


def new_id() -> str:
    """Return an id of ours for a job, a client or a file."""
    return str(uuid4())


class Job:
    """A job by its id; `queued` is one that another worker has queued.

    Attributes:
        ahead: how many jobs were before it when the queue was first read; None where it was not seen to wait.
        standing: what ComfyUI has of it, as far as is known.
    """

    def __init__(
        self, service: ComfyuiService, prompt_id: str, *, queued: bool, until: datetime, poll_interval: timedelta
    ) -> None:
        self.prompt_id = prompt_id
        self.ahead: int | None = None
        self.standing = Standing.QUEUED if queued else Standing.GONE
        self._service = service
        self._until = until
        self._poll_interval = poll_interval
        self._runs = False

    async def submit(self, graph: Mapping[str, Any], workflow: Workflow) -> ProviderError | None:
        """Queue a graph under the id. Return the reason where it is not known whether it was queued.

        Raises what a refusal means.
        """
        self.standing = Standing.QUEUED
        try:
            accepted = await self._service.submit(graph, workflow, prompt_id=self.prompt_id, client_id=new_id())
        except Down as error:
            return error
        except (Rejected, NotConfigured):
            self.standing = Standing.GONE
            raise
        self.prompt_id = accepted.prompt_id  # old versions choose it themselves
        if accepted.node_errors:
            raise refusal({"node_errors": accepted.node_errors}, workflow, sent=graph)
        return None

    async def ended(self, *, doubt: ProviderError | None = None) -> Ended:
        """Wait for the end of the job, good or bad.

        Raises JobLost where it is in neither queue nor history twice, as after a restart of ComfyUI; or `doubt`, the
        reason not to know whether it was queued. Unavailable where the time does not suffice.
        """
        polls = misses = absences = 0
        pause = self._poll_interval
        while True:
            failure, after = self._unfinished(), pause
            try:
                asked = polls % QUEUE_EVERY == 0 or absences > 0
                waits = await self._waits() if asked else True
                if (job := await self._service.ended(self.prompt_id)) is not None:
                    self.standing = Standing.ENDED
                    return job
                absences = 0 if waits else absences + 1
                misses, polls = 0, polls + 1
            except Retryable as error:
                misses += 1
                if misses > MAX_MISSES:
                    raise
                after = max(pause, error.after or pause)
                if misses > 1:  # a single one may be cut off by the end of the window itself
                    failure = error
            if absences == 2:
                self.standing = Standing.GONE
                raise doubt or JobLost("ComfyUI no longer knows the job: it was restarted, or the job was removed.")
            await self._pause(after, instead=failure)
            pause = min(pause * _GROWTH, self._poll_interval * _LONGEST_PAUSES)

    async def picture(self, file: OutputFile) -> bytes:
        """Fetch the finished picture, again where the network fails: it costs nothing."""
        for _ in range(MAX_DOWNLOADS - 1):
            try:
                return await self._service.view(file)
            except Down as error:
                await self._pause(self._poll_interval, instead=error)
        return await self._service.view(file)

    async def _waits(self) -> bool:
        """Return whether the job waits or runs."""
        queue = await self._service.queue()
        ahead = queue.ahead_of(self.prompt_id)
        if ahead is not None and ahead != self.ahead:
            _log.info("comfyui job %s: %s before it in the queue", self.prompt_id, ahead)
        if self.ahead is None:
            self.ahead = ahead
        self._runs = self.prompt_id in queue.running
        return self.prompt_id in queue

    def _unfinished(self) -> ProviderError:
        # Not Down: another try would queue the work again, with even less time left for it.
        if self._runs:
            return Unavailable("ComfyUI was still working in the time that was left.", cause=FailureCause.TOO_SLOW)
        before = "" if self.ahead is None else f": {self.ahead} jobs were before it in the queue"
        return Unavailable(f"ComfyUI had not finished in the time that was left{before}.", cause=FailureCause.TOO_SLOW)

    async def _pause(self, pause: timedelta, *, instead: ProviderError) -> None:
        """Wait; where the window would end before, raise `instead` at once, so that another entry may use the rest."""
        if SYSTEM_CLOCK.now() + pause >= self._until:
            raise instead
        await asyncio.sleep(pause.total_seconds())


async def cancel_job(service: ComfyuiService, prompt_id: str) -> None:
    """Stop a job of ours that nobody needs, and no other one. Errors are logged."""
    try:
        async with asyncio.timeout(CANCEL_TIME.total_seconds()):
            stopped = await _cancel(service.longer(SYSTEM_CLOCK.now() + CANCEL_TIME), prompt_id)
    except (ProviderError, TimeoutError) as error:
        reason = error.reason if isinstance(error, ProviderError) else "no answer in time"
        _log.warning("comfyui job %s not cancelled: %s", prompt_id, reason)
    else:
        how = "cancelled" if stopped else "runs on: this version of ComfyUI cannot stop one job"
        _log.info("comfyui job %s %s", prompt_id, how)


async def forget_job(service: ComfyuiService, prompt_id: str) -> None:
    """Remove an ended job, with the texts of its guest, from ComfyUI's history. Errors are logged."""
    try:
        async with asyncio.timeout(CANCEL_TIME.total_seconds()):
            await service.longer(SYSTEM_CLOCK.now() + CANCEL_TIME).forget(prompt_id)
    except (ProviderError, TimeoutError) as error:
        reason = error.reason if isinstance(error, ProviderError) else "no answer in time"
        _log.warning("comfyui job %s not removed from the history: %s", prompt_id, reason)


async def _cancel(service: ComfyuiService, prompt_id: str) -> bool:
    if await service.cancel(prompt_id):
        return True
    await service.delete_from_queue(prompt_id)
    if prompt_id not in (await service.queue()).running:
        return True
    version = await service.version()
    if version is None or version < _INTERRUPTS_BY_ID:
        return False
    await service.interrupt(prompt_id)
    return True
