"""What each fault does to a running form. Faults at one target follow each other, those at different ones overlap."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random

import psutil

from tests.support.chaos.cameras import Cameras
from tests.support.chaos.exchange import Manner
from tests.support.chaos.form import WINDOW, Form
from tests.support.chaos.pace import pause
from tests.support.chaos.plan import Fault, FaultKind, Round
from tests.support.chaos.processes import ManagedProcess

CLOCK_OFFSET = timedelta(seconds=30)
STOP_SECONDS = WINDOW.total_seconds() + 5 + 45
"""How long a process may take to end after its stop signal: the window, five seconds, and room for a busy machine."""

_BURST = 3
_DELAY_SECONDS = (0.05, 0.4)
_ENQUEUE, _FINALIZE, _ACQUIRE = (
    b"photochanger.enqueue_jobs(",
    b"jsonb_populate_record(null::photochanger.jobs, item)",
    (b"for update skip locked"),
)
_Deed = Callable[[Fault], Awaitable[None]]


class Faults:
    """Lets the faults of a round happen.

    Attributes:
        happened: faults that took place, by kind.
    """

    def __init__(self, form: Form) -> None:
        self.happened: dict[FaultKind, int] = defaultdict(int)
        self._form = form
        self._cameras: Cameras | None = None
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._deeds: dict[FaultKind, tuple[str, _Deed]] = {
            FaultKind.KILL_SERVICE: ("serve", self._kill_service),
            FaultKind.STOP_SERVICE: ("serve", lambda fault: form.service.restart(within=STOP_SECONDS)),
            FaultKind.FREEZE_SERVICE: ("serve", lambda fault: form.service.freeze(fault.seconds)),
            FaultKind.KILL_WORKER: ("worker", self._kill_worker),
            FaultKind.STOP_WORKER: ("worker", self._stop_worker),
            FaultKind.FREEZE_WORKER: ("worker", self._freeze_worker),
            FaultKind.FREEZE_WORKER_BEYOND_LEASE: ("worker", self._freeze_worker),
            FaultKind.WORKER_AHEAD: ("worker", lambda fault: self._shift(fault, CLOCK_OFFSET)),
            FaultKind.WORKER_BEHIND: ("worker", lambda fault: self._shift(fault, -CLOCK_OFFSET)),
            FaultKind.KILL_POSTMASTER: ("database", lambda fault: form.database.kill_postmaster(fault.seconds)),
            FaultKind.KILL_BACKEND: ("database", lambda fault: form.database.kill_backend(fault.pick)),
            FaultKind.END_BACKENDS: ("database", lambda fault: form.database.end_backends()),
            FaultKind.RESTART_DATABASE: ("database", lambda fault: form.database.restart(fault.seconds)),
            FaultKind.FREEZE_DATABASE: ("database", lambda fault: form.database.freeze(fault.seconds)),
            FaultKind.READ_ONLY_DATABASE: ("database", lambda fault: form.database.be_read_only(fault.seconds)),
            FaultKind.CUT_CONNECTIONS: ("relay", self._relayed(lambda relay, fault: relay.cut())),
            FaultKind.CUT_ENQUEUE_REPLY: ("", self._relayed(lambda relay, fault: relay.cut_replies(_ENQUEUE))),
            FaultKind.CUT_FINALIZE_REPLY: ("", self._relayed(lambda relay, fault: relay.cut_replies(_FINALIZE))),
            FaultKind.CUT_ACQUIRE_REPLY: ("", self._relayed(lambda relay, fault: relay.cut_replies(_ACQUIRE))),
            FaultKind.REFUSE_CONNECTIONS: ("relay", self._relayed(lambda relay, fault: relay.refuse())),
            FaultKind.REJECT_CONNECTIONS: (
                "relay",
                self._relayed(lambda relay, fault: relay.reject("57P03", "the database system is starting up")),
            ),
            FaultKind.SILENT_CONNECTIONS: ("relay", self._relayed(lambda relay, fault: relay.freeze())),
            FaultKind.SWALLOWED_BYTES: ("relay", self._relayed(lambda relay, fault: relay.swallow())),
            FaultKind.SLOW_CONNECTIONS: (
                "relay",
                self._relayed(lambda relay, fault: relay.delay(Random(fault.pick).uniform(*_DELAY_SECONDS))),
            ),
            FaultKind.DISK_FULL: ("disk", lambda fault: form.disk.be("full", fault.seconds)),
            FaultKind.DISK_READ_ONLY: ("disk", lambda fault: form.disk.be("read-only", fault.seconds)),
            FaultKind.HANG_UPS: ("", self._hang_ups),
            FaultKind.SLOW_CAMERAS: ("", self._slow_cameras),
        }

    async def happen(self, planned: Round, cameras: Cameras) -> None:
        """All faults of a round, each at its time; returns when the last is over."""
        self._cameras = cameras
        async with asyncio.TaskGroup() as tasks:
            for fault in planned.faults:
                tasks.create_task(self._happen(fault))

    async def _happen(self, fault: Fault) -> None:
        await pause(fault.at)
        target, deed = self._deeds[fault.kind]
        async with self._locks[target] if target else contextlib.nullcontext():
            await deed(fault)
        self.happened[fault.kind] += 1

    async def _kill_service(self, fault: Fault) -> None:
        await self._form.service.kill(*([] if self._form.workers else self._form.worker_processes()))

    async def _kill_worker(self, fault: Fault) -> None:
        if self._form.workers:
            await self._picked(fault).kill()
            return
        for process in self._form.worker_processes():  # the service replaces it
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    async def _stop_worker(self, fault: Fault) -> None:
        await self._picked(fault).restart(within=STOP_SECONDS)

    async def _freeze_worker(self, fault: Fault) -> None:
        if self._form.workers:
            await self._picked(fault).freeze(fault.seconds)
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in self._form.worker_processes():
                process.suspend()
                try:
                    await pause(fault.seconds)
                finally:
                    process.resume()

    async def _shift(self, fault: Fault, offset: timedelta) -> None:
        """A worker starts with a wrong clock, and again with the right one."""
        number = self._number(fault)
        worker, clock = self._form.workers[number], self._form.clocks[number]
        clock.set(offset)
        await worker.kill()
        await pause(fault.seconds)
        clock.set(timedelta(0))
        await worker.kill()

    def _number(self, fault: Fault) -> int:
        return int(fault.pick * len(self._form.workers))

    def _picked(self, fault: Fault) -> ManagedProcess:
        return self._form.workers[self._number(fault)]

    def _relayed(self, begin: Callable[..., None]) -> _Deed:
        async def happen(fault: Fault) -> None:
            relay = self._form.relay
            assert relay is not None
            await asyncio.to_thread(begin, relay, fault)
            if fault.seconds:
                try:
                    await pause(fault.seconds)
                finally:
                    await asyncio.to_thread(relay.restore)

        return happen

    async def _hang_ups(self, fault: Fault) -> None:
        dice = Random(f"hang-ups {fault.pick}")
        self._behave([Manner(leaves_after=dice.uniform(0, 1)) for _ in range(_BURST)])

    async def _slow_cameras(self, fault: Fault) -> None:
        dice = Random(f"slow {fault.pick}")
        self._behave([Manner(sending_seconds=dice.uniform(0.5, 2)) for _ in range(_BURST)])

    def _behave(self, manners: list[Manner]) -> None:
        assert self._cameras is not None
        self._cameras.behave(manners)
