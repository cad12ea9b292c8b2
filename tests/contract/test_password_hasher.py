"""The PasswordHasher contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import bcrypt
import pytest
from photochanger.adapters.security import Argon2PasswordHasher
from pwdlib.hashers.argon2 import Argon2Hasher

pytestmark = pytest.mark.anyio

WEAK = Argon2Hasher(time_cost=1, memory_cost=1024, parallelism=1)


@pytest.fixture
async def hasher(anyio_backend: str) -> AsyncIterator[Argon2PasswordHasher]:
    hasher = Argon2PasswordHasher()
    yield hasher
    await hasher.close()


async def test_a_password_matches_its_hash_and_no_other_does(hasher: Argon2PasswordHasher) -> None:
    made = await hasher.hash("Hochzeit 2026 ü")
    assert await hasher.verify("Hochzeit 2026 ü", made)
    for wrong in ("Hochzeit 2026 u", "Hochzeit 2026 ü ", "", made):
        assert not await hasher.verify(wrong, made)


async def test_a_hash_is_argon2id_and_does_not_contain_the_password(hasher: Argon2PasswordHasher) -> None:
    made = await hasher.hash("secret")
    assert made.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert "secret" not in made


@pytest.mark.parametrize("odd", ["", "\ud800", "a\0b", "x" * 100_000], ids=["empty", "half a pair", "NUL", "long"])
async def test_any_text_can_be_a_password(hasher: Argon2PasswordHasher, odd: str) -> None:
    made = await hasher.hash(odd)
    assert await hasher.verify(odd, made)
    assert not await hasher.verify(odd + "x", made)


async def test_each_hash_has_a_salt_of_its_own(hasher: Argon2PasswordHasher) -> None:
    assert len(set(await asyncio.gather(*(hasher.hash("same") for _ in range(3))))) == 3


async def test_a_hash_with_weaker_parameters_still_verifies_and_is_outdated(hasher: Argon2PasswordHasher) -> None:
    old = WEAK.hash("secret")
    assert await hasher.verify("secret", old)
    assert not await hasher.verify("Secret", old)
    assert hasher.is_outdated(old)
    assert not hasher.is_outdated(await hasher.hash("secret"))


# Made with other programs: the vectors of bcrypt's reference implementation, and what PHP's password_hash writes.
@pytest.mark.parametrize(
    ("password", "brought_along"),
    [
        ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"),
        ("rasmuslerdorf", "$2y$07$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTpOq"),
        ("Grüße ✓", bcrypt.hashpw("Grüße ✓".encode(), bcrypt.gensalt(4)).decode()),
        ("x" * 72, bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()),
        ("a\0b", bcrypt.hashpw(b"a\0b", bcrypt.gensalt(4)).decode()),
    ],
    ids=["reference", "reference, empty", "PHP", "not ASCII", "longest", "NUL"],
)
async def test_a_hash_of_bcrypt_that_was_brought_along_verifies_and_is_outdated(
    hasher: Argon2PasswordHasher, password: str, brought_along: str
) -> None:
    assert await hasher.verify(password, brought_along)
    for wrong in (password + "x", password[:-1] + "y", "\ud800", brought_along, "x" * 100_000):
        assert not await hasher.verify(wrong, brought_along)
    assert hasher.is_outdated(brought_along)


@pytest.mark.parametrize(
    "broken", ["", "plain text", "$argon2id$", "$argon2id$v=19$m=65536,t=3,p=4", "$2b$12$x", f"$2b$99${'a' * 53}"]
)
async def test_what_is_no_hash_matches_nothing_and_is_outdated(hasher: Argon2PasswordHasher, broken: str) -> None:
    assert not await hasher.verify("secret", broken)
    assert not await hasher.verify("", broken)
    assert hasher.is_outdated(broken)


async def test_the_event_loop_goes_on_while_a_hash_is_made(hasher: Argon2PasswordHasher) -> None:
    work = asyncio.create_task(hasher.hash("secret"))
    turns = 0
    while not work.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 2
