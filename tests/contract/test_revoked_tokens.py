"""The RevokedTokens contract: what is revoked is known from then on, once, with its audit entry, until it expires."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.audit import AuditAction, AuditEntry, audit_entry

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=12)


def entry() -> AuditEntry:
    return audit_entry(AuditAction.LOGOUT, COMMAND_LINE, now=NOW, target="ada")


async def audit_entries(backend: SimpleNamespace) -> list[AuditEntry]:
    return [*(await backend.audit.find(limit=100)).items]


async def test_at_first_no_token_is_revoked(backend: SimpleNamespace) -> None:
    assert (await backend.revoked_tokens.since(None)).expiries == {}


async def test_a_revoked_token_is_known_with_its_expiry_and_audited(backend: SimpleNamespace) -> None:
    recorded = entry()
    assert await backend.revoked_tokens.revoke("one", expires_at=LATER, audit=recorded)
    assert (await backend.revoked_tokens.since(None)).expiries == {"one": LATER}
    assert await audit_entries(backend) == [recorded]


async def test_a_token_is_revoked_once(backend: SimpleNamespace) -> None:
    first = entry()
    assert await backend.revoked_tokens.revoke("one", expires_at=LATER, audit=first)
    assert not await backend.revoked_tokens.revoke("one", expires_at=LATER + timedelta(1), audit=entry())
    assert (await backend.revoked_tokens.since(None)).expiries == {"one": LATER}
    assert await audit_entries(backend) == [first]


async def test_of_those_that_revoke_the_same_token_together_one_does(backend: SimpleNamespace) -> None:
    done = await asyncio.gather(
        *(backend.revoked_tokens.revoke("one", expires_at=LATER, audit=entry()) for _ in range(8))
    )
    assert sorted(done) == [False] * 7 + [True]
    assert len(await audit_entries(backend)) == 1


async def test_only_what_was_revoked_since_a_reading_is_read_again(backend: SimpleNamespace) -> None:
    await backend.revoked_tokens.revoke("one", expires_at=LATER)
    read = await backend.revoked_tokens.since(None)
    await backend.revoked_tokens.revoke("two", expires_at=LATER)
    again = await backend.revoked_tokens.since(read.as_of)
    assert "two" in again.expiries
    assert again.as_of >= read.as_of
    beyond = await backend.revoked_tokens.since(again.as_of + timedelta(hours=1))
    assert beyond.expiries == {}


async def test_expired_tokens_are_deleted_and_no_others(backend: SimpleNamespace) -> None:
    await backend.revoked_tokens.revoke("old", expires_at=NOW - timedelta(seconds=1))
    await backend.revoked_tokens.revoke("just now", expires_at=NOW)
    await backend.revoked_tokens.revoke("new", expires_at=LATER)
    assert await backend.revoked_tokens.prune(before=NOW) == 1
    assert set((await backend.revoked_tokens.since(None)).expiries) == {"just now", "new"}
    assert await backend.revoked_tokens.prune(before=NOW) == 0
