"""Keys that tokens are signed with: made once, sealed, replaced without ending a session unless that is wanted."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.memory import FakeClock, memory_adapters
from photochanger.adapters.security import AesSecretBox
from photochanger.core.domain.accounts import COMMAND_LINE, TOKEN_LIFE
from photochanger.core.domain.audit import AuditAction
from photochanger.core.domain.errors import InvalidToken, QueueUnavailable
from photochanger.core.ports.repositories.audit_log import AuditLog
from photochanger.core.ports.secrets import SecretKeyUnavailable, SigningKeyRepository
from photochanger.core.services.auth.signing_keys import SigningKeys

from tests.support.world import SECOND, FaultInjector

pytestmark = pytest.mark.anyio

SECRET = "the secret of this service, which is long enough"
OTHER_SECRET = "another secret, which is long enough as well"
MILLISECOND = timedelta(milliseconds=1)


class Process:
    """A process with its keys; `another` is one more on the same database."""

    def __init__(self, secret: str = SECRET, *, of: Process | None = None) -> None:
        self.clock: FakeClock = of.clock if of else FakeClock()
        adapters: Any = of.adapters if of else memory_adapters(self.clock)
        self.adapters = adapters
        self.records: Any = FaultInjector(adapters[SigningKeyRepository])
        self.audit = adapters[AuditLog]
        self.box: Any = FaultInjector(AesSecretBox(lambda: secret))
        self.keys = SigningKeys(self.records, self.box, self.clock)

    def another(self, secret: str = SECRET) -> Process:
        return Process(secret, of=self)

    async def stored(self) -> set[str]:
        """The ids of all keys."""
        return {key.id for key in await self.records.inner.all()}

    async def refuses(self, key_id: str) -> None:
        with pytest.raises(InvalidToken):
            await self.keys.secret(key_id)


async def test_the_first_key_is_made_when_it_is_needed_and_then_kept() -> None:
    process = Process()
    assert await process.stored() == set()
    key_id, secret = await process.keys.current()
    assert await process.stored() == {key_id}
    assert len(key_id) == 8
    assert int(key_id, 16) >= 0
    assert len(secret) == 32
    assert await process.keys.current() == (key_id, secret)
    assert await process.keys.secret(key_id) == secret
    assert await process.another().keys.current() == (key_id, secret)
    assert await process.stored() == {key_id}


async def test_two_services_have_different_keys() -> None:
    assert await Process().keys.current() != await Process().keys.current()


async def test_processes_that_make_the_first_key_together_agree_on_one() -> None:
    process = Process()
    others = [process.another() for _ in range(5)]
    asked = [one.keys.current() for one in (process, *others) for _ in range(3)]
    assert len(set(await asyncio.gather(*asked))) == 1
    assert len(await process.stored()) == 1


async def test_what_is_stored_is_sealed_and_bound_to_its_id() -> None:
    process = Process()
    key_id, secret = await process.keys.current()
    (stored,) = await process.records.inner.all()
    assert secret.hex() not in stored.sealed
    assert process.box.open(stored.sealed, purpose=f"signing key {key_id}") == secret.hex()


async def test_keys_are_read_once_a_second_and_opened_once() -> None:
    process = Process()
    await process.keys.current()
    other = process.another()
    for _ in range(5):
        for _ in range(20):
            await other.keys.current()
        await other.clock.advance(SECOND)
    assert other.records.calls == ["all"] * 5
    assert other.box.calls == ["open"]


async def test_after_a_rotation_new_tokens_get_a_new_key_and_old_ones_verify_until_they_have_ended() -> None:
    process = Process()
    old_id, old = await process.keys.current()
    new_id = await process.keys.rotate(by=COMMAND_LINE)
    assert new_id != old_id
    assert (await process.keys.current())[0] == new_id
    assert await process.keys.secret(old_id) == old
    await process.clock.advance(TOKEN_LIFE - MILLISECOND)
    assert await process.keys.secret(old_id) == old
    await process.clock.advance(MILLISECOND)
    await process.refuses(old_id)
    assert await process.stored() == {new_id, old_id}
    await process.keys.rotate(by=COMMAND_LINE)
    assert old_id not in await process.stored()
    assert new_id in await process.stored()


async def test_a_rotation_is_seen_by_other_processes_within_a_second() -> None:
    process = Process()
    other = process.another()
    old_id, _ = await process.keys.current()
    await other.keys.current()
    new_id = await process.keys.rotate(by=COMMAND_LINE)
    assert (await other.keys.current())[0] == old_id
    await process.clock.advance(SECOND)
    assert (await other.keys.current())[0] == new_id


async def test_a_token_with_a_key_made_a_moment_ago_elsewhere_is_verified() -> None:
    process = Process()
    other = process.another()
    await process.keys.current()
    await other.keys.current()
    await process.keys.rotate(by=COMMAND_LINE)
    key_id, secret = await process.keys.current()
    assert await other.keys.secret(key_id) == secret


async def test_made_up_key_ids_cost_four_questions_a_second_at_most() -> None:
    process = Process()
    await process.keys.current()
    process.records.calls.clear()
    for _ in range(10):
        for number in range(20):
            await process.refuses(f"{number:08x}")
        await process.clock.advance(SECOND / 10)
    assert len(process.records.calls) <= 4


async def test_revoking_forgets_every_older_key() -> None:
    process = Process()
    first, _ = await process.keys.current()
    second = await process.keys.rotate(by=COMMAND_LINE)
    third = await process.keys.revoke(by=COMMAND_LINE)
    assert await process.stored() == {third}
    for key_id in (first, second):
        await process.refuses(key_id)
    assert (await process.keys.current())[0] == third


async def test_revoked_keys_hold_nowhere_after_a_second() -> None:
    process = Process()
    other = process.another()
    key_id, _ = await process.keys.current()
    await other.keys.secret(key_id)
    await process.keys.revoke(by=COMMAND_LINE)
    await process.clock.advance(SECOND)
    await other.refuses(key_id)


async def test_rotations_are_in_the_audit_log_and_the_first_key_is_not() -> None:
    process = Process()
    await process.keys.current()
    rotated = await process.keys.rotate(by=COMMAND_LINE)
    revoked = await process.keys.revoke(by=COMMAND_LINE)
    assert [(entry.action, entry.actor, entry.target, entry.detail) for entry in process.audit.entries] == [
        (AuditAction.SIGNING_KEY_ROTATED, "command line", rotated, {}),
        (AuditAction.SIGNING_KEY_ROTATED, "command line", revoked, {"revoked": True}),
    ]


async def test_a_key_that_cannot_be_opened_is_replaced_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    process = Process()
    lost, _ = await process.keys.current()
    other = process.another(OTHER_SECRET)
    await asyncio.gather(*(other.keys.current() for _ in range(5)))
    key_id, secret = await other.keys.current()
    assert await process.stored() == {key_id, lost}
    assert await other.keys.secret(key_id) == secret
    await other.refuses(lost)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert lost in warnings[0]
    assert "PHOTOCHANGER_SECRET_KEY has changed" in warnings[1]
    (entry,) = process.audit.entries
    assert (entry.actor, entry.target, entry.detail) == (
        "service",
        key_id,
        {"reason": "key_unreadable"},
    )


async def test_a_secret_that_is_not_to_be_had_is_said_and_nothing_is_made() -> None:
    process = Process()
    process.box.faults["*"] = SecretKeyUnavailable("The secret cannot be read.")
    with pytest.raises(SecretKeyUnavailable):
        await process.keys.current()
    assert await process.stored() == set()
    process.box.faults.clear()
    key_id, _ = await process.keys.current()
    other = process.another()
    other.box.faults["open"] = SecretKeyUnavailable("The secret cannot be read.")
    with pytest.raises(SecretKeyUnavailable):
        await other.keys.secret(key_id)
    assert await process.stored() == {key_id}


async def test_an_outage_is_raised() -> None:
    process = Process()
    process.records.faults["*"] = QueueUnavailable("away")
    for call in (
        process.keys.current(),
        process.keys.secret("0a1b2c3d"),
        process.keys.rotate(by=COMMAND_LINE),
        process.keys.revoke(by=COMMAND_LINE),
    ):
        with pytest.raises(QueueUnavailable):
            await call


async def test_no_secret_is_shown_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    process = Process()
    _, secret = await process.keys.current()
    await process.another(OTHER_SECRET).keys.current()
    snapshot = await process.keys._keys.get()
    shown = f"{process.keys!r} {snapshot!r} {process.audit.entries!r} {caplog.text}"
    assert secret.hex() not in shown
    assert repr(secret) not in shown
