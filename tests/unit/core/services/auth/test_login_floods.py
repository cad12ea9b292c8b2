"""Floods of wrong passwords: right ones go through, and what stands before the slow hash is bounded."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photochanger.core.domain.accounts import ADMIN_DIGEST_BYTES, COMMAND_LINE
from photochanger.core.domain.errors import InvalidCredentials, TooManyAttempts

from tests.support.ingest_passwords import PASSWORD as INGEST_PASSWORD
from tests.support.ingest_passwords import CameraWorld, Gate, camera_world, restarted
from tests.support.logins import HERE, PASSWORD, THERE, Process, with_ada

pytestmark = pytest.mark.anyio

NOW = timedelta(0)


def likely_passwords(process: Process, count: int) -> list[str]:
    """Wrong passwords that the short digest of `ada` does not sort out."""
    hash = process.records.inner._admins["ada"].password_hash

    def digest(password: str) -> bytes:
        box: Any = process.passwords._box
        made: bytes = box.digest(f"{len(hash)} {hash} {password}", purpose="password digest")
        return made[:ADMIN_DIGEST_BYTES]

    wanted = digest(PASSWORD)
    found: list[str] = []
    number = 0
    while len(found) < count:
        number += 1
        if digest(f"guess {number}") == wanted:
            found.append(f"guess {number}")
    return found


async def start(process: Process, *args: str, address: str) -> asyncio.Task[str]:
    task = asyncio.ensure_future(process.login(*args, address=address))
    await process.clock.advance(NOW)
    return task


async def test_the_short_digest_sorts_out_nearly_all_wrong_passwords() -> None:
    process = await with_ada()
    await asyncio.gather(
        *(process.fail(password=f"guess {n}", address=f"10.0.{n // 250}.{n % 250}") for n in range(2000))
    )
    assert 0 < process.hasher.verified < 40
    assert len((await process.stored()).password_digest or "") < 20


async def test_a_likely_wrong_password_is_hashed_once_wherever_it_comes_from() -> None:
    process = await with_ada()
    (likely,) = likely_passwords(process, 1)
    for number in range(20):
        await process.fail(password=likely, address=f"192.0.2.{number}")
    assert process.hasher.verified == 1


async def test_a_right_login_comes_next_where_one_address_fills_the_line() -> None:
    process = await with_ada()
    gate = Gate(process.hasher)
    likely = likely_passwords(process, 8)
    flood = [await start(process, "ada", password, address=THERE) for password in likely]
    right = await start(process, "ada", PASSWORD, address=HERE)
    assert [type(task.exception()) for task in flood[5:]] == [TooManyAttempts] * 3  # more than its share
    gate.opened.set()
    await right
    answers = await asyncio.gather(*flood[:5], return_exceptions=True)
    assert {type(answer) for answer in answers} == {InvalidCredentials}
    assert gate.checked[:3] == [likely[0], likely[1], PASSWORD]


async def test_a_right_login_from_a_known_address_finds_a_place_in_a_full_line() -> None:
    process = await with_ada()
    await process.login(address=HERE)
    gate = Gate(process.hasher)
    likely = likely_passwords(process, 40)
    flood = [
        await start(process, "ada", password, address=f"198.51.100.{number}") for number, password in enumerate(likely)
    ]
    right = await start(process, "ada", PASSWORD, address=HERE)
    gate.opened.set()
    await right
    answers = await asyncio.gather(*flood, return_exceptions=True)
    assert {type(answer) for answer in answers} == {InvalidCredentials, TooManyAttempts}
    assert gate.checked[:2] == [likely[0], PASSWORD]


async def test_an_imported_password_gets_a_digest_at_its_first_login() -> None:
    process = await with_ada()
    await process.bring_along()
    await process.login()
    await process.fail(password="guess 1")
    await process.another().fail(password="guess 2")
    assert process.hasher.verified == 1
    stored = await process.stored()
    assert stored.password_digest is not None
    await process.admins.set_password("ada", "new password", by=COMMAND_LINE)
    assert (await process.stored()).password_digest not in (None, stored.password_digest)
    await process.login(password="new password")


async def test_the_digest_of_an_older_hash_does_not_shut_anybody_out() -> None:
    """Two processes of different versions may write a hash and leave the digest of the one before."""
    process = await with_ada()
    old = await process.stored()
    await process.bring_along(password="new password")
    await process.records.inner.renew_hash(
        "ada",
        hash=(await process.stored()).password_hash,
        digest=old.password_digest,
        expected_hash=(await process.stored()).password_hash,
    )
    await process.login(password="new password")


_addresses = st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1", "unknown"])
_passwords = st.sampled_from(["", "wrong", "another wrong one", "x" * 2000, "correct horses", "\ud800"])
_wrong = st.lists(st.tuples(_addresses, _passwords), max_size=40)


@given(before=_wrong, at_once=_wrong, address=_addresses, is_restarted=st.booleans())
@settings(max_examples=50, deadline=None)
def test_no_wrong_passwords_keep_a_camera_with_the_right_one_waiting(
    before: list[tuple[str, str]], at_once: list[tuple[str, str]], address: str, is_restarted: bool
) -> None:
    async def run() -> None:
        world: CameraWorld = await camera_world()
        gate = Gate(world.hasher)  # never opened: the slow hash answers nothing
        for other, password in before:
            await asyncio.gather(world.check(password, address=other), return_exceptions=True)
        if is_restarted:
            world = restarted(world)
            gate = Gate(world.hasher)
        flood = [asyncio.ensure_future(world.check(password, address=other)) for other, password in at_once]
        await world.check(INGEST_PASSWORD, address=address)
        await asyncio.gather(*flood, return_exceptions=True)
        await world.check(INGEST_PASSWORD, address=address)
        assert gate.checked == []

    asyncio.run(run())


@given(wrong=_wrong, address=_addresses)
@settings(max_examples=30, deadline=None)
def test_no_wrong_passwords_keep_an_administrator_out(wrong: list[tuple[str, str]], address: str) -> None:
    async def run() -> None:
        process = await with_ada()
        flood = [asyncio.ensure_future(process.login("ada", password, address=other)) for other, password in wrong]
        await process.login(address=address)
        await asyncio.gather(*flood, return_exceptions=True)
        await process.another().login(address=address)
        assert process.hasher.verified == 1

    asyncio.run(run())
