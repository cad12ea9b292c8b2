"""Photos that end in each way there is, and the success rate that every place must show of them."""

from __future__ import annotations

import asyncio

from photochanger.core.ports.provider import ProviderRequest, Rejected

from tests.support import colours
from tests.support.administration import Administrator
from tests.support.http_server import Gate, Service

PICTURES, OTHERS = 3, 3
"""A fallback answer, a failure and a photo that cannot be decoded are the others."""

RATE = PICTURES / (PICTURES + OTHERS)


async def photos_of_every_kind(service: Service, admin: Administrator) -> None:
    """Photos of slot 001 with every outcome, a cancelled one and a test run."""

    async def refuse(request: ProviderRequest) -> bytes:
        raise Rejected("IMAGE_SAFETY: the picture was not made.")

    for _ in range(PICTURES):
        assert (await service.ingest("slot-001")).status_code == 200
    whole = (colours.CASES / "cut_half_with_eoi.jpg").read_bytes()
    assert (await service.ingest("slot-001", whole)).status_code == 422
    works, service.provider.script = service.provider.script, refuse
    assert (await service.ingest("slot-001")).status_code == 502
    assert (await admin.change_slot("slot-001", failure_answer="original")).status_code == 200
    assert (await service.ingest("slot-001")).status_code == 200
    assert (await admin.change_slot("slot-001", failure_answer="error")).status_code == 200

    gate = service.provider.script = Gate()
    waiting = asyncio.create_task(service.ingest("slot-001"))
    await gate.held(1)
    (running,) = (await admin.get("/api/jobs?state=processing"))["items"]
    assert (await admin("POST", f"/api/jobs/{running['job_id']}/cancel")).status_code == 202
    await waiting
    service.provider.script = works
    tried = await admin.upload("/api/slots/slot-001/test-run", (colours.CASES / "orient6.jpg").read_bytes())
    assert tried.status_code == 200, tried.text
