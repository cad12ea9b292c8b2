"""One form under traffic: rounds of faults, each followed by the checks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from tests.support.chaos.administrator import RESCUED, SLOTS, Administrator
from tests.support.chaos.cameras import Cameras, Shot
from tests.support.chaos.checks import PATIENCE, Checks
from tests.support.chaos.faults import Faults
from tests.support.chaos.form import Form
from tests.support.chaos.growth import Growth
from tests.support.chaos.jobs import Jobs
from tests.support.chaos.listeners import EventReader, WebhookReceiver
from tests.support.chaos.logs import Logs
from tests.support.chaos.pace import Slowness, pause, until
from tests.support.chaos.plan import FREEZING, Round
from tests.support.chaos.provider import MoodyProvider
from tests.support.chaos.report import Report

_AFTERWARDS_SECONDS = 1.5
"""How long photos go on arriving after the last fault of a round."""

_TAIL_SECONDS = 1.5
_DELIVERY_SECONDS = 90
_QUIET_SECONDS = 90
_STORING_SECONDS, _MAX_STORING_SECONDS = 0.5, 10.0
"""How long a late picture may be on its way from the provider into its row, where a sweep must not meet it."""

_SHOWN_CHARS = 240


class Run:
    """Lets rounds happen at a form, and checks."""

    def __init__(self, form: Form, provider: MoodyProvider, receiver: WebhookReceiver, report: Report) -> None:
        self.form = form
        self._provider = provider
        self._receiver = receiver
        self.report = report
        self._faults = Faults(form)
        self.jobs = Jobs(form.database)
        self._administrator = Administrator(form)
        self._growth = Growth(form, self.jobs, report)
        self.shots: list[Shot] = []
        self._seen = 0
        self._took = ""
        self.events: EventReader
        self._logs = Logs(form, report)
        self._slowness = Slowness()
        self._background: list[asyncio.Future[None]] = []

    async def prepare(self) -> None:
        """Set the slots up, and follow the events."""
        await self._administrator.sign_in()
        await self._administrator.set_up(provider=self._provider.url, receiver=self._receiver.url)
        self.events = EventReader(self.form.address, self._administrator.headers)
        self._background = [asyncio.ensure_future(work) for work in (self.events.read(), self._slowness.measure())]
        await until(self._follows, seconds=_QUIET_SECONDS)

    def checks(self, **options: float) -> Checks:
        """The checks of this form; `settling_seconds` is how long they wait for what comes late."""
        return Checks(self.form, self.jobs, self._administrator, self.events, self.report, **options)

    async def _follows(self) -> int:
        return self.events.streams

    async def round(self, planned: Round) -> None:
        """Let the faults happen under traffic, let the last requests end, and check."""
        self.report.round = planned.number
        self.report.planned[planned.number] = "; ".join(map(str, planned.faults))
        ending, started = asyncio.Event(), time.monotonic()
        cameras = Cameras(
            self.form.port,
            tuple(SLOTS),
            seed=f"{self.report.seed}-{planned.number}",
            bound=PATIENCE.total_seconds(),
            slowness=self._slowness,
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
        slowness = self._slowness.take()
        if any(made.status == 504 for shot in cameras.shots for made in shot.tries):
            await pause(min(_STORING_SECONDS * slowness, _MAX_STORING_SECONDS))
        quiet = time.monotonic()
        self._provider.be_silent_again()
        self.shots += cameras.shots
        self.report.figures["faults"] += len(planned.faults)
        self._note_first_pictures(cameras.shots)
        frozen = sum(fault.seconds for fault in planned.faults if fault.kind in FREEZING)
        checks = self.checks()
        await checks.after_round(cameras.shots, every=self.shots, frozen_seconds=frozen, slowness=slowness)
        self._logs.check()
        await self._growth.sample()
        self._took = (
            f"faults {faults_over - started:.0f} s, slowness {slowness:.1f}, answers {answered - faults_over:.0f} s, "
            f"jobs {quiet - answered:.0f} s, checks {time.monotonic() - quiet:.0f} s"
        )

    async def _is_quiet(self) -> bool:
        return not self._provider.busy and all(row.finalized_at for row in await self.jobs.all())

    def _note_first_pictures(self, shots: Iterable[Shot]) -> None:
        killed = self.form.service.killed_at
        if killed is None:
            return
        self.form.service.killed_at = None
        after = [
            made.started + made.seconds - killed
            for shot in shots
            for made in shot.tries
            if made.status == 200 and made.started > killed
        ]
        if after:
            self.report.first_pictures.append(min(after))

    async def finish(self) -> None:
        """What is checked once: every webhook was delivered, nothing grew, and the faults were real."""

        async def delivered() -> bool:
            await self.jobs.make_deliveries_due()
            return not await self.jobs.undelivered()

        await until(delivered, seconds=_DELIVERY_SECONDS)
        for job_id in await self.jobs.undelivered():
            self.report.violated("webhook not delivered", job_id)
        ended = {str(row.id) for row in await self.jobs.all()}
        if missing := ended - self._receiver.taken.keys():
            self.report.violated("webhook not received", f"{sorted(missing)}")
        self._growth.check()
        self.report.happened.update(self._faults.happened)
        self.report.figures["pictures paid for"] = sum(self._provider.made.values())
        self.report.figures["pictures paid for twice"] = sum(count > 1 for count in self._provider.made.values())
        if self._provider.refused:
            self.report.violated("provider refused a request", f"{self._provider.refused[:3]}")

    def line(self, planned: Round) -> str:
        """A line about a round that is over."""
        new = self.report.violations[self._seen :]
        self._seen = len(self.report.violations)
        title = f"{self.form.name} round {planned.number}"
        return (
            f"{title}: {self.report.planned[planned.number]}\n"
            f"    {len(self.shots)} photos so far, {len(new)} violations; {self._took}; {self._growth}"
            + "".join(f"\n    {found.check}: {found.text[:_SHOWN_CHARS]}" for found in new)
        )

    async def close(self) -> None:
        for each in self._background:
            each.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
