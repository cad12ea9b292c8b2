"""Ingest keys: made, found, revoked, and their uses stored in the background."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from photochanger.adapters.memory import FakeClock, MemoryIngestKeyRepository
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.booths.errors import IngestKeyNotFound
from photochanger.core.domain.booths.ingest_key import KEY_PREFIX, KeyUse, digest_of, is_key_like, new_key
from photochanger.core.domain.errors import InvalidSettings, QueueUnavailable
from photochanger.core.services.auth.ingest_keys import USES_INTERVAL, IngestKeys

pytestmark = pytest.mark.anyio


class Records(MemoryIngestKeyRepository):
    """Counts what is stored, and can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.stored: list[Mapping[UUID, KeyUse]] = []

    async def all(self):  # type: ignore[no-untyped-def]
        self._require()
        return await super().all()

    async def note_uses(self, uses: Mapping[UUID, KeyUse]) -> None:
        self._require()
        self.stored.append(uses)
        await super().note_uses(uses)

    def _require(self) -> None:
        if self.is_away:
            raise QueueUnavailable("away")


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keys(records: Records, clock: FakeClock) -> IngestKeys:
    return IngestKeys(records, clock)


def test_new_keys_are_long_random_and_fit_into_addresses() -> None:
    made = {new_key() for _ in range(100)}
    assert len(made) == 100
    assert all(is_key_like(key) and key.startswith(KEY_PREFIX) and len(key) == 36 for key in made)


SAMPLE = "pck_" + "a2" * 16


@pytest.mark.parametrize("text", ["", "pck_", "password", SAMPLE.upper(), SAMPLE + "a", "x" + SAMPLE, "pck_ü"])
def test_other_texts_are_no_keys(text: str) -> None:
    assert not is_key_like(text)


async def test_a_key_is_found_until_it_is_revoked(keys: IngestKeys, records: Records) -> None:
    made, secret = await keys.add("  Booth   1 ", by=COMMAND_LINE)
    assert made.name == "Booth 1"
    assert await keys.find(secret) == made
    assert keys.find_now(secret) == made
    assert await keys.find(new_key()) is None
    assert secret not in repr(await records.all())
    await keys.revoke(made.id, by=COMMAND_LINE)
    assert await keys.find(secret) is None
    assert keys.find_now(secret) is None


async def test_a_key_of_another_process_counts_within_a_second(
    keys: IngestKeys, records: Records, clock: FakeClock
) -> None:
    assert await keys.find(new_key()) is None
    made, secret = await IngestKeys(records, clock).add("Booth", by=COMMAND_LINE)
    await clock.advance(timedelta(seconds=1))
    assert await keys.find(secret) == made
    await records.remove(made.id)
    await clock.advance(timedelta(seconds=1))
    assert await keys.find(secret) is None


async def test_known_keys_count_during_an_outage(keys: IngestKeys, records: Records, clock: FakeClock) -> None:
    made, secret = await keys.add("Booth", by=COMMAND_LINE)
    assert await keys.find(secret) == made
    records.is_away = True
    await clock.advance(timedelta(hours=1))
    assert await keys.find(secret) == made


@pytest.mark.parametrize("name", ["", "   ", "a\0b", "a\u202eb", "x" * 101, "x" + " " * 100])
async def test_a_name_must_be_printable_and_short(keys: IngestKeys, name: str) -> None:
    with pytest.raises(InvalidSettings):
        await keys.add(name, by=COMMAND_LINE)


async def test_an_unknown_key_cannot_be_revoked(keys: IngestKeys) -> None:
    with pytest.raises(IngestKeyNotFound):
        await keys.revoke(uuid4(), by=COMMAND_LINE)


async def test_uses_are_collected_and_stored_once_in_a_while(
    keys: IngestKeys, records: Records, clock: FakeClock
) -> None:
    made, _ = await keys.add("Booth", by=COMMAND_LINE)
    for slot_id in ("slot-001", "slot-002", "slot-003"):
        keys.note_use(made, slot_id=slot_id, address="192.0.2.7")
    assert records.stored == []
    used = KeyUse(at=clock.now(), slot_id="slot-003", address="192.0.2.7")
    await clock.advance(USES_INTERVAL)
    assert records.stored == [{made.id: used}]
    await clock.advance(timedelta(hours=1))
    keys.note_use(made, slot_id="slot-001", address="192.0.2.7")
    await keys.close()
    assert len(records.stored) == 2


async def test_an_outage_costs_uses_only(keys: IngestKeys, records: Records) -> None:
    made, _ = await keys.add("Booth", by=COMMAND_LINE)
    keys.note_use(made, slot_id="slot-001", address="192.0.2.7")
    records.is_away = True
    await keys.close()
    assert records.stored == []


def test_digests_are_of_the_key() -> None:
    assert digest_of("pck_") != digest_of("pck_a")
    assert len(digest_of(new_key())) == 64
