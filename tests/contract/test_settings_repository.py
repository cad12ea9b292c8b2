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

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)

NINE = StoredSettings(max_active_jobs=9)


def told() -> AuditEntry:
    """The audit entry of a change."""
    return audit_entry(AuditAction.SETTINGS_CHANGED, COMMAND_LINE, now=NOW)


def password(hash: str) -> StoredPassword:
    return StoredPassword(f"$argon2id${hash}", NOW, "admin")


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
    assert await backend.settings.save(whole, expected_version=1) == msgspec.structs.replace(whole, version=2)
    assert await backend.settings.get() == msgspec.structs.replace(whole, version=2)
    await backend.settings.save(NINE, expected_version=2)
    assert await backend.settings.get() == msgspec.structs.replace(NINE, version=3)


async def test_settings_are_saved_only_over_the_version_that_was_read(backend: SimpleNamespace) -> None:
    assert await backend.settings.save(NINE, expected_version=2, audit=told()) is None
    assert await backend.settings.get() == StoredSettings()
    saved = await asyncio.gather(
        *(
            backend.settings.save(StoredSettings(max_active_jobs=n), expected_version=1, audit=told())
            for n in range(1, 6)
        )
    )
    (winner,) = [settings for settings in saved if settings is not None]
    assert await backend.settings.get() == winner
    assert len((await backend.audit.find(limit=9)).items) == 1


async def test_a_new_password_is_written_with_its_audit_entry(backend: SimpleNamespace) -> None:
    await backend.settings.set_ingest_password(password("one"), audit=told())
    assert len((await backend.audit.find(limit=9)).items) == 1


async def test_settings_and_password_do_not_touch_each_other(backend: SimpleNamespace) -> None:
    await backend.settings.set_ingest_password(password("one"))
    await backend.settings.save(NINE, expected_version=1)
    await backend.settings.set_ingest_password(password("two"))
    assert (await backend.settings.get()).max_active_jobs == 9
    assert await backend.settings.ingest_password() == password("two")


async def test_a_password_is_replaced_only_if_it_is_still_the_expected_one(backend: SimpleNamespace) -> None:
    assert not await backend.settings.replace_ingest_password(password("new"), expected_hash="")
    await backend.settings.set_ingest_password(password("old"))
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
    await backend.settings.save(NINE, expected_version=1)
    assert await backend.settings.add_ingest_password(password("first")) == password("first")
    assert (await backend.settings.get()).max_active_jobs == 9
