"""What receivers of webhooks get is what the contract says they get, whatever the end of the job."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import yaml
from photochanger.core.domain.job import Job, Outcome
from photochanger.entrypoints.http.ops.contract_file import contract_path

from tests.support.builders import outcome_failed
from tests.support.contract_rules import misfit
from tests.support.hooks import Hooks

pytestmark = pytest.mark.anyio

CONTRACT = yaml.safe_load(contract_path().read_text())
CALL = CONTRACT["webhooks"]["jobFinalized"]["post"]


def failed(job: Job) -> Outcome:
    return outcome_failed(job, finalized_at=job.created_at)


@pytest.mark.parametrize("outcome", [None, failed], ids=["a picture", "none"])
@pytest.mark.parametrize("public_base_url", ["https://booth.example", None])
async def test_a_call_is_as_the_contract_describes_it(
    outcome: Callable[[Job], Outcome] | None, public_base_url: str | None
) -> None:
    world = Hooks(public_base_url=public_base_url)
    await world.set_up()
    await world.end_job(outcome, metadata={"guest": "Ada"})
    async with world.delivering():
        await world.called(1)
    (call,) = world.receiver.calls
    assert misfit(CONTRACT, "JobFinalized", call.message) is None
    described = {parameter["name"]: parameter["schema"] for parameter in CALL["parameters"]}
    assert {name for name in call.headers if name.startswith("webhook-")} == set(described)
    for name, schema in described.items():
        assert re.match(schema.get("pattern", "."), call.headers[name]), name
    assert call.headers["content-type"] in CALL["requestBody"]["content"]
