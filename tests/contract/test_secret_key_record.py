"""The SecretKeyRecord contract: one fingerprint, that of the host that was first, until it is replaced."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.audit import AuditAction, audit_entry

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


async def test_at_first_there_is_none(backend: SimpleNamespace) -> None:
    assert await backend.secret_key.fingerprint() is None


async def test_the_first_host_stores_its_own_and_others_get_that(backend: SimpleNamespace) -> None:
    assert await backend.secret_key.add_first("one") == "one"
    assert await backend.secret_key.add_first("two") == "one"
    assert await backend.secret_key.fingerprint() == "one"


async def test_of_hosts_that_start_together_one_is_first(backend: SimpleNamespace) -> None:
    seen = await asyncio.gather(*(backend.secret_key.add_first(str(number)) for number in range(8)))
    assert {*seen} == {await backend.secret_key.fingerprint()}


@pytest.mark.parametrize("before", [None, "one"])
async def test_a_replacement_is_audited(backend: SimpleNamespace, before: str | None) -> None:
    if before:
        await backend.secret_key.add_first(before)
    recorded = audit_entry(AuditAction.SECRET_KEY_CHANGED, COMMAND_LINE, now=NOW)
    await backend.secret_key.replace("two", audit=recorded)
    assert await backend.secret_key.add_first("three") == "two"
    assert [*(await backend.audit.find(limit=9)).items] == [recorded]
