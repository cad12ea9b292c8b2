"""The SecretRepository contract: one sealed key for each provider, with when and by whom it was set."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.audit import AuditAction, audit_entry
from photochanger.core.ports.secrets import SecretState, StoredSecret

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


def secret(provider_id: str = "gemini", **fields: Any) -> StoredSecret:
    return StoredSecret(
        **{"provider_id": provider_id, "sealed": "v1.c2VhbGVk", "changed_at": NOW, "changed_by": "admin"} | fields
    )


async def test_at_first_nothing_is_kept(backend: SimpleNamespace) -> None:
    assert await backend.secrets.get("gemini") is None
    assert await backend.secrets.states() == []


async def test_a_secret_comes_back_as_it_was_put(backend: SimpleNamespace) -> None:
    put = secret(sealed="v1." + "x" * 6000, changed_by="Zoë at the command line")
    await backend.secrets.put(put)
    assert await backend.secrets.get("gemini") == put
    assert await backend.secrets.get("GEMINI") is None


async def test_each_provider_has_its_own(backend: SimpleNamespace) -> None:
    await backend.secrets.put(secret("gemini", sealed="one"))
    await backend.secrets.put(secret("openai", sealed="two"))
    sealed = await asyncio.gather(*(backend.secrets.get(id) for id in ("openai", "gemini", "turbotext", "openai")))
    assert [one and one.sealed for one in sealed] == ["two", "one", None, "two"]


async def test_the_last_one_put_holds(backend: SimpleNamespace) -> None:
    await backend.secrets.put(secret())
    newer = secret(sealed="newer", changed_at=NOW + timedelta(days=1), changed_by="somebody else")
    await backend.secrets.put(newer)
    assert await backend.secrets.get("gemini") == newer
    assert len(await backend.secrets.states()) == 1


async def test_states_tell_who_and_when_by_provider_and_nothing_sealed(backend: SimpleNamespace) -> None:
    for provider_id in ("turbotext", "a-booth", "gemini", "ab"):
        await backend.secrets.put(secret(provider_id, sealed="v1.hush", changed_by=f"the owner of {provider_id}"))
    states = await backend.secrets.states()
    assert states == [
        SecretState(provider_id=id, changed_at=NOW, changed_by=f"the owner of {id}")
        for id in ("a-booth", "ab", "gemini", "turbotext")
    ]
    assert "hush" not in repr(states)


async def test_a_removed_secret_is_gone_and_the_others_stay(backend: SimpleNamespace) -> None:
    await backend.secrets.put(secret("gemini"))
    await backend.secrets.put(secret("openai"))
    assert await backend.secrets.remove("gemini")
    assert await backend.secrets.get("gemini") is None
    assert [state.provider_id for state in await backend.secrets.states()] == ["openai"]


async def test_removing_what_is_not_there_says_so(backend: SimpleNamespace) -> None:
    assert not await backend.secrets.remove("gemini")
    await backend.secrets.put(secret("gemini"))
    assert [await backend.secrets.remove("gemini") for _ in range(2)] == [True, False]


async def test_changes_are_written_with_their_audit_entries(backend: SimpleNamespace) -> None:
    entries = [audit_entry(AuditAction.PROVIDER_KEY_CHANGED, COMMAND_LINE, now=NOW) for _ in range(3)]
    await backend.secrets.put(secret("gemini"), audit=entries[0])
    await backend.secrets.remove("gemini", audit=entries[1])
    await backend.secrets.remove("gemini", audit=entries[2])
    assert {entry.id for entry in (await backend.audit.find(limit=9)).items} == {entries[0].id, entries[1].id}


async def test_of_many_that_put_at_once_one_holds_whole(backend: SimpleNamespace) -> None:
    puts = [secret(sealed=f"sealed {number}", changed_by=f"person {number}") for number in range(8)]
    await asyncio.gather(*(backend.secrets.put(put) for put in puts))
    assert await backend.secrets.get("gemini") in puts


def test_a_stored_secret_does_not_show_what_is_sealed() -> None:
    assert "c2VhbGVk" not in f"{secret()!r} {secret()}"
    assert "gemini" in repr(secret())
