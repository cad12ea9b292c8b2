"""A campaign against one form: rounds of faults under traffic, with everything checked after each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, AsyncExitStack
from pathlib import Path

from tests.support.chaos.administrator import RESCUED, SLOTS, Administrator
from tests.support.chaos.cameras import Cameras, Shot
from tests.support.chaos.checks import PATIENCE, Checks
from tests.support.chaos.faults import Faults
from tests.support.chaos.form import Form, embedded_form, split_form
from tests.support.chaos.growth import Growth
from tests.support.chaos.jobs import Jobs
from tests.support.chaos.listeners import EventReader, WebhookReceiver
from tests.support.chaos.pace import pause, until
from tests.support.chaos.plan import ANYWHERE, PER_ROUND, SPLIT_ONLY, FaultKind, Round, rounds
from tests.support.chaos.provider import MoodyProvider
from tests.support.chaos.report import Report

FORMS: dict[str, Callable[..., AbstractContextManager[Form]]] = {"embedded": embedded_form, "split": split_form}
_AFTERWARDS_SECONDS = 1.5
"""How long photos go on arriving after the last fault of a round."""

_TAIL_SECONDS = 1.5
_DELIVERY_SECONDS = 90
_QUIET_SECONDS = 90


async def campaign(
    form_name: str,
    home: Path,
    *,
    seed: int,
    faults: int,
    per_round: int = PER_ROUND,
    say: Callable[[str], None] = print,
) -> Report:
    """Run it; the report holds every violation. `say` gets a line for each round."""
    report = Report(form_name, seed, faults)
    kinds = ANYWHERE if form_name == "embedded" else (*ANYWHERE, *SPLIT_ONLY)
    plan = rounds(seed, faults=faults, kinds=kinds, per_round=per_round)
    provider, receiver = MoodyProvider(seed=str(seed)), WebhookReceiver(seed=str(seed))

    def unexpected(text: str) -> None:
        report.violated("process", text)

    async with AsyncExitStack() as stack:
        form = stack.enter_context(FORMS[form_name](home, unexpected=unexpected))
        await stack.enter_async_context(provider)
        await stack.enter_async_context(receiver)
        await stack.enter_async_context(form.running())
        run = _Run(form, provider, receiver, report)
        await run.prepare()
        try:
            for planned in plan:
                await run.round(planned)
                say(run.line(planned))
            await run.finish()
        finally:
            await run.close()
    return report


class _Run:
    def __init__(self, form: Form, provider: MoodyProvider, receiver: WebhookReceiver, report: Report) -> None:
        self._form = form
        self._provider = provider
        self._receiver = receiver
        self._report = report
        self._faults = Faults(form)
        self._jobs = Jobs(form.database)
        self._administrator = Administrator(form)
        self._growth = Growth(form, self._jobs, report)
        self._shots: list[Shot] = []
        self._seen = 0
        self._took = ""

    async def prepare(self) -> None:
        """Set the slots up, and follow the events."""
        await self._administrator.sign_in()
        await self._administrator.set_up(provider=self._provider.url, receiver=self._receiver.url)
        self._events = EventReader(self._form.address, self._administrator.headers)
        self._reading = asyncio.ensure_future(self._events.read())
        await until(self._follows, seconds=_QUIET_SECONDS)
        self._checks = Checks(self._form, self._jobs, self._administrator, self._events, self._report)

    async def _follows(self) -> int:
        return self._events.streams

    async def round(self, planned: Round) -> None:
        """Let the faults happen under traffic, let the last requests end, and check."""
        self._report.round = planned.number
        self._report.planned[planned.number] = "; ".join(map(str, planned.faults))
        ending, started = asyncio.Event(), time.monotonic()
        cameras = Cameras(
            self._form.port,
            tuple(SLOTS),
            seed=f"{self._report.seed}-{planned.number}",
            bound=PATIENCE.total_seconds(),
            rescued=RESCUED,
        )
        shooting = asyncio.ensure_future(cameras.shoot(ending))
        try:
            await self._faults.happen(planned, cameras)
            await pause(_AFTERWARDS_SECONDS)
            faults_over = time.monotonic()
            ending.set()
            await pause(_TAIL_SECONDS)
            self._provider.release()
            await shooting
        finally:
            shooting.cancel()
            await asyncio.gather(shooting, return_exceptions=True)
        answered = time.monotonic()
        await until(self._is_quiet, seconds=_QUIET_SECONDS)
        quiet = time.monotonic()
        self._provider.be_silent_again()
        self._shots += cameras.shots
        self._report.figures["faults"] += len(planned.faults)
        self._note_first_pictures(cameras.shots)
        frozen = sum(fault.seconds for fault in planned.faults if fault.kind is FaultKind.FREEZE_SERVICE)
        await self._checks.after_round(cameras.shots, every=self._shots, frozen_seconds=frozen)
        await self._growth.sample()
        self._took = (
            f"faults {faults_over - started:.0f} s, last answers {answered - faults_over:.0f} s, "
            f"last jobs {quiet - answered:.0f} s, checks {time.monotonic() - quiet:.0f} s"
        )

    async def _is_quiet(self) -> bool:
        return not self._provider.busy and all(row.finalized_at for row in await self._jobs.all())

    def _note_first_pictures(self, shots: Iterable[Shot]) -> None:
        killed = self._form.service.killed_at
        if killed is None:
            return
        self._form.service.killed_at = None
        after = [
            made.started + made.seconds - killed
            for shot in shots
            for made in shot.tries
            if made.status == 200 and made.started > killed
        ]
        if after:
            self._report.first_pictures.append(min(after))

    async def finish(self) -> None:
        """What is checked once: every webhook was delivered, nothing grew, and the faults were real."""

        async def delivered() -> bool:
            await self._jobs.make_deliveries_due()
            return not await self._jobs.undelivered()

        await until(delivered, seconds=_DELIVERY_SECONDS)
        for job_id in await self._jobs.undelivered():
            self._report.violated("webhook not delivered", job_id)
        ended = {str(row.id) for row in await self._jobs.all()}
        if missing := ended - self._receiver.taken.keys():
            self._report.violated("webhook not received", f"{sorted(missing)}")
        self._growth.check()
        self._report.happened.update(self._faults.happened)
        self._report.figures["events after the end of a job"] = len(self._events.after_end)
        self._report.figures["pictures paid for"] = sum(self._provider.made.values())
        self._report.figures["pictures paid for twice"] = sum(count > 1 for count in self._provider.made.values())
        if self._provider.refused:
            self._report.violated("provider refused a request", f"{self._provider.refused[:3]}")

    def line(self, planned: Round) -> str:
        """A line about a round that is over."""
        broken = len(self._report.violations) - self._seen
        self._seen = len(self._report.violations)
        title = f"{self._form.name} round {planned.number}"
        return (
            f"{title}: {self._report.planned[planned.number]}\n"
            f"    {len(self._shots)} photos so far, {broken} violations; {self._took}; {self._growth}"
        )

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
