"""A campaign against one form: rounds of faults under traffic, with everything checked after each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from tests.support.chaos.administrator import RESCUED
from tests.support.chaos.form import Form, embedded_form, split_form
from tests.support.chaos.listeners import WebhookReceiver
from tests.support.chaos.plan import ANYWHERE, PER_ROUND, SPLIT_ONLY, rounds
from tests.support.chaos.provider import MoodyProvider
from tests.support.chaos.report import Report
from tests.support.chaos.run import Run

FORMS: dict[str, Callable[..., AbstractContextManager[Form]]] = {"embedded": embedded_form, "split": split_form}


async def campaign(
    form: str, home: Path, *, seed: int, faults: int, per_round: int = PER_ROUND, say: Callable[[str], None] = print
) -> Report:
    """Run it; the report holds every violation. `say` gets a line for each round."""
    kinds = ANYWHERE if form == "embedded" else (*ANYWHERE, *SPLIT_ONLY)
    async with running(form, home, seed=seed, faults=faults) as run:
        for planned in rounds(seed, faults=faults, kinds=kinds, per_round=per_round):
            await run.round(planned)
            say(run.line(planned))
        await run.finish()
    return run.report


@asynccontextmanager
async def running(form: str, home: Path, *, seed: int, faults: int) -> AsyncIterator[Run]:
    """A form with its provider and listeners, ready for rounds; the report may still grow when it is stopped."""
    report = Report(form, seed, faults)
    provider, receiver = MoodyProvider(seed=str(seed), late=RESCUED), WebhookReceiver(seed=str(seed))
    async with AsyncExitStack() as stack:
        started = stack.enter_context(FORMS[form](home, unexpected=partial(report.violated, "process")))
        await stack.enter_async_context(provider)
        await stack.enter_async_context(receiver)
        await stack.enter_async_context(started.running())
        run = Run(started, provider, receiver, report)
        await run.prepare()
        try:
            yield run
        finally:
            await run.close()
