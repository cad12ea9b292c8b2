"""Keys of providers: which one holds, how often it is looked for, and that nobody gets to see it."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.memory import FakeClock, MemoryAuditLog, MemorySecretRepository
from photochanger.adapters.security import AesSecretBox
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import InvalidSettings, QueueUnavailable
from photochanger.core.ports.provider import NotConfigured
from photochanger.core.ports.secrets import KeyChange, SecretKeyUnavailable
from photochanger.core.services.providers.api_keys import KeySource, KeyState, ProviderKeys

from tests.support.world import SECOND, FaultInjector

pytestmark = pytest.mark.anyio

SECRET = "the secret of this service, which is long enough"
KEY = "sk-stored-0815"
ADA = Actor("Ada", "192.0.2.1")
ENVIRONMENT_KEY = "sk-environment-4711"
MILLISECOND = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)


class Keys:
    """ProviderKeys over memory, with trouble at will. `other_process` is one more on the same repository."""

    def __init__(self, secret: str = SECRET, records: Any = None, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.audit = MemoryAuditLog()
        self.records = FaultInjector(records or MemorySecretRepository(self.audit))
        self.box: Any = FaultInjector(AesSecretBox(lambda: secret))
        self.service = ProviderKeys(
            self.records, self.box, self.clock, environment={"gemini": ENVIRONMENT_KEY, "a-booth": "sk-booth"}
        )

    def other_process(self, secret: str = SECRET) -> Keys:
        return Keys(secret, self.records.inner, self.clock)


async def test_a_stored_key_goes_before_the_environments() -> None:
    keys = Keys()
    assert await keys.service.key("gemini") == ENVIRONMENT_KEY
    await keys.service.set("gemini", KEY, by=ADA)
    assert await keys.service.key("gemini") == KEY
    assert await keys.service.key("a-booth") == "sk-booth"


async def test_a_key_that_is_set_nowhere_is_none() -> None:
    keys = Keys()
    assert await keys.service.key("openai") is None
    assert await keys.service.forget("openai", by=ADA) is False


async def test_forgetting_brings_the_environments_back() -> None:
    keys = Keys()
    await keys.service.set("gemini", KEY, by=ADA)
    assert await keys.service.key("gemini") == KEY
    assert await keys.service.forget("gemini", by=ADA) is True
    assert await keys.service.key("gemini") == ENVIRONMENT_KEY
    assert await keys.service.forget("gemini", by=ADA) is False


async def test_the_audit_log_tells_who_changed_which_key_and_not_the_key() -> None:
    keys = Keys()
    await keys.service.forget("gemini", by=ADA)  # none was stored: nothing to tell of
    await keys.service.set("gemini", KEY, by=ADA)
    await keys.service.forget("gemini", by=Actor("Grace"))
    assert [(entry.action, entry.actor, entry.address, entry.target, entry.detail) for entry in keys.audit.entries] == [
        (AuditAction.PROVIDER_KEY_CHANGED, "Ada", "192.0.2.1", "gemini", {}),
        (AuditAction.PROVIDER_KEY_REMOVED, "Grace", None, "gemini", {}),
    ]


async def test_what_is_stored_is_sealed_and_bound_to_its_provider() -> None:
    keys = Keys()
    await keys.service.set("gemini", KEY, by=ADA)
    stored = await keys.records.inner.get("gemini")
    assert KEY not in stored.sealed
    await keys.records.inner.change(
        KeyChange(provider_id="openai", secret=type(stored)(**{**_fields(stored), "provider_id": "openai"}))
    )
    with pytest.raises(NotConfigured):
        await keys.service.key("openai")


async def test_a_key_set_in_another_process_is_seen_after_a_second_and_not_read_before() -> None:
    keys = Keys()
    other = keys.other_process()
    assert await keys.service.key("gemini") == ENVIRONMENT_KEY
    await other.service.set("gemini", KEY, by=ADA)
    await keys.clock.advance(SECOND - MILLISECOND)
    assert await keys.service.key("gemini") == ENVIRONMENT_KEY
    assert keys.records.calls == ["get"]
    await keys.clock.advance(MILLISECOND)
    assert await keys.service.key("gemini") == KEY
    await other.service.forget("gemini", by=ADA)
    await keys.clock.advance(SECOND)
    assert await keys.service.key("gemini") == ENVIRONMENT_KEY


async def test_many_that_ask_at_once_cost_one_reading() -> None:
    keys = Keys()
    await keys.other_process().service.set("gemini", KEY, by=ADA)
    assert set(await asyncio.gather(*(keys.service.key("gemini") for _ in range(50)))) == {KEY}
    assert keys.records.calls == ["get"]
    assert keys.box.calls == ["open"]


async def test_a_key_that_stays_the_same_is_opened_once() -> None:
    keys = Keys()
    await keys.other_process().service.set("gemini", KEY, by=ADA)
    for _ in range(5):
        assert await keys.service.key("gemini") == KEY
        await keys.clock.advance(SECOND)
    assert keys.records.calls == ["get"] * 5
    assert keys.box.calls == ["open"]
    await keys.other_process().service.set("gemini", KEY + "-new", by=ADA)
    assert await keys.service.key("gemini") == KEY + "-new"


async def test_a_key_sealed_with_another_secret_says_what_to_do() -> None:
    keys = Keys()
    await keys.other_process("another secret, which is long enough as well").service.set("gemini", KEY, by=ADA)
    for _ in range(2):  # the second time from memory
        with pytest.raises(NotConfigured, match="PHOTOCHANGER_SECRET_KEY has changed") as refused:
            await keys.service.key("gemini")
        assert KEY not in refused.value.reason
    await keys.service.set("gemini", KEY, by=ADA)
    assert await keys.service.key("gemini") == KEY


async def test_a_secret_that_is_not_to_be_had_is_said_and_found_again() -> None:
    keys = Keys()
    await keys.service.set("gemini", KEY, by=ADA)
    keys.box.faults["open"] = SecretKeyUnavailable("The secret cannot be read.")
    with pytest.raises(NotConfigured, match=r"The secret cannot be read\."):
        await keys.service.key("gemini")
    keys.box.faults.clear()
    await keys.clock.advance(SECOND)
    assert await keys.service.key("gemini") == KEY


async def test_while_the_database_is_away_a_known_key_is_used_for_ten_minutes() -> None:
    keys = Keys()
    await keys.service.set("gemini", KEY, by=ADA)
    await keys.service.key("gemini")
    await keys.service.key("openai")
    keys.records.faults["get"] = QueueUnavailable("away")
    await keys.clock.advance(10 * MINUTE - MILLISECOND)
    assert await keys.service.key("gemini") == KEY
    assert await keys.service.key("openai") is None
    await keys.clock.advance(SECOND)
    with pytest.raises(QueueUnavailable):
        await keys.service.key("gemini")
    keys.records.faults.clear()
    assert await keys.service.key("gemini") == KEY


async def test_while_the_database_is_away_it_is_asked_once_a_second_at_most() -> None:
    keys = Keys()
    await keys.service.key("gemini")
    keys.records.faults["get"] = QueueUnavailable("away")
    await keys.clock.advance(SECOND)
    keys.records.calls.clear()
    await asyncio.gather(*(keys.service.key("gemini") for _ in range(20)))
    assert keys.records.calls == ["get"]
    await keys.clock.advance(SECOND)
    await keys.service.key("gemini")
    assert keys.records.calls == ["get", "get"]


async def test_an_outage_goes_through_where_nothing_is_known() -> None:
    keys = Keys()
    keys.records.faults["*"] = QueueUnavailable("away")
    for call in (
        keys.service.key("gemini"),
        keys.service.set("gemini", KEY, by=ADA),
        keys.service.forget("gemini", by=ADA),
        keys.service.states(),
    ):
        with pytest.raises(QueueUnavailable):
            await call


async def test_a_key_that_could_not_be_stored_is_not_used_and_the_known_one_still_is() -> None:
    keys = Keys()
    await keys.service.key("gemini")
    keys.records.faults["*"] = QueueUnavailable("away")
    with pytest.raises(QueueUnavailable):
        await keys.service.set("gemini", KEY, by=ADA)
    with pytest.raises(QueueUnavailable):
        await keys.service.forget("gemini", by=ADA)
    await keys.clock.advance(MINUTE)
    assert await keys.service.key("gemini") == ENVIRONMENT_KEY


async def test_states_tell_where_each_key_comes_from() -> None:
    keys = Keys()
    await keys.service.set("gemini", KEY, by=ADA)
    await keys.service.set("openai", KEY, by=Actor("Grace"))
    now = keys.clock.now()
    assert await keys.service.states() == {
        "a-booth": KeyState(source=KeySource.ENVIRONMENT),
        "gemini": KeyState(source=KeySource.STORED, changed_at=now, changed_by="Ada"),
        "openai": KeyState(source=KeySource.STORED, changed_at=now, changed_by="Grace"),
    }


@pytest.mark.parametrize("key", ["x", "x" * 4096, "user:pass word", "AIza_-~!" + '"'])
async def test_any_visible_text_can_be_a_key(key: str) -> None:
    keys = Keys()
    await keys.service.set("gemini", key, by=ADA)
    assert await keys.other_process().service.key("gemini") == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        "x" * 4097,
        "one\ntwo",
        "one\r\nX-Evil: 1",
        "tail\n",
        " head",
        "tail ",
        "tab\there",
        "nul\0",
        "kлюч",
        "\x7f",
    ],
    ids=ascii,
)
async def test_what_cannot_be_a_header_is_refused_and_not_repeated(key: str) -> None:
    keys = Keys()
    with pytest.raises(InvalidSettings) as refused:
        await keys.service.set("gemini", key, by=ADA)
    assert [error.field for error in refused.value.errors] == ["key"]
    assert keys.records.calls == []
    assert len(key.strip()) < 3 or key.strip() not in f"{refused.value.detail} {refused.value.errors}"


async def test_no_key_is_shown_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keys = Keys()
    await keys.service.set("gemini", KEY, by=ADA)
    await keys.service.key("gemini")
    shown = [repr(keys.service), str(keys.service), repr(await keys.service.states())]
    shown += [repr(known) for known in keys.service._known.values()]
    with pytest.raises(NotConfigured) as refused:
        await keys.other_process("another secret, which is long enough as well").service.key("gemini")
    shown += [repr(refused.value), refused.value.reason]
    for hidden in (KEY, ENVIRONMENT_KEY, SECRET, (await keys.records.inner.get("gemini")).sealed):
        assert hidden not in "\n".join(shown) + caplog.text


def _fields(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


async def test_a_key_that_is_a_json_document_is_kept_on_one_line() -> None:
    keys = Keys()
    document = {"type": "service_account", "private_key": "-----BEGIN\nabc\n-----END\n"}
    await keys.service.set("gemini", json.dumps(document, indent=2) + "\n", by=ADA)
    stored = await keys.service.key("gemini")
    assert stored is not None
    assert "\n" not in stored
    assert json.loads(stored) == document


@pytest.mark.parametrize("key", ["{\n", "{" * 5000, '{"a": "ü"}'])
async def test_what_only_begins_like_json_is_refused_as_any_key(key: str) -> None:
    with pytest.raises(InvalidSettings):
        await Keys().service.set("gemini", key, by=ADA)
