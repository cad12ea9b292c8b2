"""The SettingsRepository contract: what an administrator set, and the ingest password's hash."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.audit import AuditAction, AuditEntry, audit_entry
from photochanger.core.domain.settings import StoredPassword, StoredSettings
from photochanger.core.ports.repositories.settings_repository import SettingsUpdate
from photochanger.core.ports.secrets import KeyChange, StoredSecret

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)

NINE = StoredSettings(max_active_jobs=9)


def entry() -> AuditEntry:
    """The audit entry of a change."""
    return audit_entry(AuditAction.SETTINGS_CHANGED, COMMAND_LINE, now=NOW)


def password(hash: str) -> StoredPassword:
    return StoredPassword(f"$argon2id${hash}", NOW, "admin")


async def set_password(backend: SimpleNamespace, hash: str, *audit: AuditEntry) -> None:
    stored = await backend.settings.get()
    update = SettingsUpdate(settings=stored, ingest_password=password(hash), audit=audit)
    assert await backend.settings.save(update, expected_version=stored.version) is not None


def key_change(provider_id: str, sealed: str | None) -> KeyChange:
    secret = sealed and StoredSecret(provider_id=provider_id, sealed=sealed, changed_at=NOW, changed_by="admin")
    return KeyChange(provider_id=provider_id, secret=secret or None, audit=entry())


async def whole_state(backend: SimpleNamespace) -> list[object]:
    """Everything that a change of the settings may write."""
    keys = [await backend.secrets.get(provider_id) for provider_id in ("gemini", "openai", "fal")]
    entries = (await backend.audit.find(limit=99)).items
    return [await backend.settings.get(), await backend.settings.ingest_password(), keys, len(entries)]


def everything(number: int) -> SettingsUpdate:
    """A change of every kind, each part marked with the number."""
    return SettingsUpdate(
        settings=StoredSettings(max_active_jobs=number),
        ingest_password=password(f"password {number}"),
        keys=(key_change("gemini", f"sealed {number}"), key_change("openai", f"sealed {number}")),
        audit=(entry(), entry()),
    )


async def test_at_first_nothing_is_set(backend: SimpleNamespace) -> None:
    assert await backend.settings.get() == StoredSettings()
    assert await backend.settings.ingest_password() is None


async def test_settings_come_back_as_they_were_saved(backend: SimpleNamespace) -> None:
    whole = StoredSettings(
        sync_response=timedelta(seconds=10.5),
        result_retention=timedelta(days=3),
        max_active_jobs=8,
        max_upload_bytes=2**33,
        max_image_pixels=1,
    )
    saved = await backend.settings.save(SettingsUpdate(settings=whole), expected_version=1)
    assert saved == await backend.settings.get() == msgspec.structs.replace(whole, version=2)
    await backend.settings.save(SettingsUpdate(settings=NINE), expected_version=2)
    assert await backend.settings.get() == msgspec.structs.replace(NINE, version=3)


async def test_settings_are_saved_only_over_the_version_that_was_read(backend: SimpleNamespace) -> None:
    assert await backend.settings.save(SettingsUpdate(settings=NINE, audit=(entry(),)), expected_version=2) is None
    assert await backend.settings.get() == StoredSettings()
    saved = await asyncio.gather(
        *(
            backend.settings.save(
                SettingsUpdate(settings=StoredSettings(max_active_jobs=n), audit=(entry(),)), expected_version=1
            )
            for n in range(1, 6)
        )
    )
    (winner,) = [settings for settings in saved if settings is not None]
    assert await backend.settings.get() == winner
    assert len((await backend.audit.find(limit=9)).items) == 1


async def test_a_new_password_is_written_with_its_audit_entry(backend: SimpleNamespace) -> None:
    await set_password(backend, "one", entry())
    assert len((await backend.audit.find(limit=9)).items) == 1


async def test_settings_and_password_do_not_touch_each_other(backend: SimpleNamespace) -> None:
    await set_password(backend, "one")
    await backend.settings.save(SettingsUpdate(settings=NINE), expected_version=2)
    await set_password(backend, "two")
    assert (await backend.settings.get()).max_active_jobs == 9
    assert await backend.settings.ingest_password() == password("two")


async def test_a_password_is_replaced_only_if_it_is_still_the_expected_one(backend: SimpleNamespace) -> None:
    assert not await backend.settings.replace_ingest_password(password("new"), expected_hash="")
    await set_password(backend, "old")
    assert not await backend.settings.replace_ingest_password(password("new"), expected_hash=password("other").hash)
    assert await backend.settings.ingest_password() == password("old")
    assert await backend.settings.replace_ingest_password(password("new"), expected_hash=password("old").hash)
    assert await backend.settings.ingest_password() == password("new")


async def test_the_first_password_is_added_once(backend: SimpleNamespace) -> None:
    assert await backend.settings.add_ingest_password(password("first")) == password("first")
    assert await backend.settings.add_ingest_password(password("second")) == password("first")
    assert await backend.settings.ingest_password() == password("first")


async def test_processes_that_start_together_agree_on_one_password(backend: SimpleNamespace) -> None:
    answers = await asyncio.gather(
        *(backend.settings.add_ingest_password(password(str(number))) for number in range(8))
    )
    assert {answer.hash for answer in answers} == {(await backend.settings.ingest_password()).hash}


async def test_a_password_can_be_added_where_settings_are_already_saved(backend: SimpleNamespace) -> None:
    await backend.settings.save(SettingsUpdate(settings=NINE), expected_version=1)
    assert await backend.settings.add_ingest_password(password("first")) == password("first")
    assert (await backend.settings.get()).max_active_jobs == 9


async def test_an_update_writes_document_password_keys_and_entries_together(backend: SimpleNamespace) -> None:
    assert await backend.settings.save(everything(7), expected_version=1) == StoredSettings(
        max_active_jobs=7, version=2
    )
    gemini, openai, missing = (await whole_state(backend))[2]
    assert [gemini.sealed, openai.sealed, missing] == ["sealed 7", "sealed 7", None]
    assert await backend.settings.ingest_password() == password("password 7")
    assert len((await backend.audit.find(limit=9)).items) == 4


async def test_an_update_removes_keys_and_keeps_a_password_that_it_does_not_name(backend: SimpleNamespace) -> None:
    await backend.settings.save(everything(7), expected_version=1)
    update = SettingsUpdate(settings=NINE, keys=(key_change("gemini", None), key_change("fal", None)))
    await backend.settings.save(update, expected_version=2)
    gemini, openai, missing = (await whole_state(backend))[2]
    assert [gemini, openai.sealed, missing] == [None, "sealed 7", None]
    assert await backend.settings.ingest_password() == password("password 7")
    assert len((await backend.audit.find(limit=9)).items) == 5, "no entry for a key that was not stored"


async def test_an_update_of_another_version_writes_nothing(backend: SimpleNamespace) -> None:
    await backend.settings.save(everything(7), expected_version=1)
    before = await whole_state(backend)
    assert await backend.settings.save(everything(8), expected_version=1) is None
    assert await whole_state(backend) == before


async def test_of_concurrent_updates_one_is_stored_whole(backend: SimpleNamespace) -> None:
    saved = await asyncio.gather(*(backend.settings.save(everything(n), expected_version=1) for n in range(1, 7)))
    ((number, winner),) = [(n, settings) for n, settings in enumerate(saved, 1) if settings is not None]
    stored, ingest_password, keys, entries = await whole_state(backend)
    assert stored == winner
    assert ingest_password == password(f"password {number}")
    assert [key and key.sealed for key in keys] == [f"sealed {number}", f"sealed {number}", None]
    assert entries == 4
