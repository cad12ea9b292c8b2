"""The SecretRepository contract: one sealed key for each provider, with when and by whom it was set."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.audit import AuditAction, AuditEntry, audit_entry
from photochanger.core.ports.secrets import KeyChange, SecretState, StoredSecret

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


def secret(provider_id: str = "gemini", **fields: Any) -> StoredSecret:
    return StoredSecret(
        **{"provider_id": provider_id, "sealed": "v1.c2VhbGVk", "changed_at": NOW, "changed_by": "admin"} | fields
    )


async def put(backend: SimpleNamespace, stored: StoredSecret, *, audit: AuditEntry | None = None) -> None:
    assert await backend.secrets.change(KeyChange(provider_id=stored.provider_id, secret=stored, audit=audit))


async def remove(backend: SimpleNamespace, provider_id: str, *, audit: AuditEntry | None = None) -> bool:
    removed: bool = await backend.secrets.change(KeyChange(provider_id=provider_id, secret=None, audit=audit))
    return removed


async def test_at_first_nothing_is_kept(backend: SimpleNamespace) -> None:
    assert await backend.secrets.get("gemini") is None
    assert await backend.secrets.states() == []


async def test_a_secret_comes_back_as_it_was_put(backend: SimpleNamespace) -> None:
    stored = secret(sealed="v1." + "x" * 6000, changed_by="Zoë at the command line")
    await put(backend, stored)
    assert await backend.secrets.get("gemini") == stored
    assert await backend.secrets.get("GEMINI") is None


async def test_each_provider_has_its_own(backend: SimpleNamespace) -> None:
    await put(backend, secret("gemini", sealed="one"))
    await put(backend, secret("openai", sealed="two"))
    sealed = await asyncio.gather(*(backend.secrets.get(id) for id in ("openai", "gemini", "turbotext", "openai")))
    assert [one and one.sealed for one in sealed] == ["two", "one", None, "two"]


async def test_the_last_one_put_holds(backend: SimpleNamespace) -> None:
    await put(backend, secret())
    newer = secret(sealed="newer", changed_at=NOW + timedelta(days=1), changed_by="another admin")
    await put(backend, newer)
    assert await backend.secrets.get("gemini") == newer
    assert len(await backend.secrets.states()) == 1


async def test_states_have_author_and_time_by_provider_and_nothing_sealed(backend: SimpleNamespace) -> None:
    for provider_id in ("turbotext", "a-booth", "gemini", "ab"):
        await put(backend, secret(provider_id, sealed="v1.hush", changed_by=f"the owner of {provider_id}"))
    states = await backend.secrets.states()
    assert states == [
        SecretState(provider_id=id, changed_at=NOW, changed_by=f"the owner of {id}")
        for id in ("a-booth", "ab", "gemini", "turbotext")
    ]
    assert "hush" not in repr(states)


async def test_a_removed_secret_is_gone_and_the_others_stay(backend: SimpleNamespace) -> None:
    await put(backend, secret("gemini"))
    await put(backend, secret("openai"))
    assert await remove(backend, "gemini")
    assert await backend.secrets.get("gemini") is None
    assert [state.provider_id for state in await backend.secrets.states()] == ["openai"]


async def test_removing_what_is_not_there_says_so(backend: SimpleNamespace) -> None:
    assert not await remove(backend, "gemini")
    await put(backend, secret("gemini"))
    assert [await remove(backend, "gemini") for _ in range(2)] == [True, False]


async def test_changes_are_written_with_their_audit_entries(backend: SimpleNamespace) -> None:
    entries = [audit_entry(AuditAction.PROVIDER_KEY_CHANGED, COMMAND_LINE, now=NOW) for _ in range(3)]
    await put(backend, secret("gemini"), audit=entries[0])
    await remove(backend, "gemini", audit=entries[1])
    await remove(backend, "gemini", audit=entries[2])
    assert {entry.id for entry in (await backend.audit.find(limit=9)).items} == {entries[0].id, entries[1].id}


async def test_of_concurrent_writes_one_is_stored_whole(backend: SimpleNamespace) -> None:
    stored = [secret(sealed=f"sealed {number}", changed_by=f"person {number}") for number in range(8)]
    await asyncio.gather(*(put(backend, one) for one in stored))
    assert await backend.secrets.get("gemini") in stored


def test_a_stored_secret_does_not_show_what_is_sealed() -> None:
    assert "c2VhbGVk" not in f"{secret()!r} {secret()}"
    assert "gemini" in repr(secret())
