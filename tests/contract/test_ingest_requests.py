"""The IngestRequestRepository contract: the latest request of each slot, whole, until it is forgotten."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from photochanger.core.domain.ingest_request import PasswordCheck, ReceivedField, ReceivedFile

from tests.support.builders import ingest_request

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)


async def test_at_first_there_is_none(backend: SimpleNamespace) -> None:
    assert await backend.ingest_requests.last("slot-001") is None
    assert await backend.ingest_requests.prune(received_before=ingest_request().received_at) == 0


async def test_a_request_is_read_back_whole(backend: SimpleNamespace) -> None:
    full = ingest_request(
        headers=(ReceivedField("user-agent", "Booth/1.0 «ü»"),),
        fields=(ReceivedField("guest", "Ada \U0001f600"), ReceivedField("pass", None)),
        field_count=40,
        password=PasswordCheck.WRONG,
        file=ReceivedFile(
            field="photo", filename="IMG.JPG", content_type="image/jpeg", size_bytes=7, sniffed_type="image/jpeg"
        ),
        complete=True,
        status=401,
        code="invalid_password",
        detail="Not right.",
        job_id=uuid4(),
    )
    for request in (full, ingest_request("slot-002", status=None, content_type=None)):
        await backend.ingest_requests.put(request)
        assert await backend.ingest_requests.last(request.slot_id) == request


async def test_the_latest_stays_whatever_comes_first(backend: SimpleNamespace) -> None:
    early = ingest_request()
    late = ingest_request(received_at=early.received_at + SECOND)
    for request in (early, late, early):
        await backend.ingest_requests.put(request)
    assert await backend.ingest_requests.last("slot-001") == late
    await asyncio.gather(
        *(backend.ingest_requests.put(ingest_request(received_at=late.received_at + n * SECOND)) for n in range(10))
    )
    last = await backend.ingest_requests.last("slot-001")
    assert last.received_at == late.received_at + 9 * SECOND


async def test_the_requests_of_all_slots_come_by_slot(backend: SimpleNamespace) -> None:
    assert await backend.ingest_requests.all() == []
    second, first = ingest_request("slot-002"), ingest_request("slot-001", password=PasswordCheck.WRONG)
    for request in (second, first):
        await backend.ingest_requests.put(request)
    assert await backend.ingest_requests.all() == [first, second]


async def test_only_those_from_before_are_forgotten(backend: SimpleNamespace) -> None:
    old = ingest_request("slot-001")
    kept = ingest_request("slot-002", received_at=old.received_at + SECOND)
    for request in (old, kept):
        await backend.ingest_requests.put(request)
    assert await backend.ingest_requests.prune(received_before=kept.received_at) == 1
    assert await backend.ingest_requests.last("slot-001") is None
    assert await backend.ingest_requests.last("slot-002") == kept
