"""Keyed digests of passwords: decisive for their hash and secret, silent about everything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photochanger.adapters.memory import FakeClock
from photochanger.adapters.security import AesSecretBox
from photochanger.core.domain.accounts import ADMIN_DIGEST_BYTES, INGEST_DIGEST_BYTES
from photochanger.core.ports.secrets import SecretKeyUnavailable
from photochanger.core.services.support.passwords import Passwords

from tests.support.world import CountingHasher, FaultInjector

pytestmark = pytest.mark.anyio

HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"


def passwords(secret: str = "a" * 40) -> Passwords:
    return Passwords(CountingHasher(), AesSecretBox(lambda: secret))


async def test_the_digest_tells_right_from_wrong() -> None:
    made = await passwords().digest("open sesame", HASH, size_bytes=INGEST_DIGEST_BYTES)
    assert made is not None
    assert await passwords().check("open sesame", HASH, made) is True
    for wrong in ("", "open sesame ", "Open sesame", "\ud800", "x" * 100_000):
        assert await passwords().check(wrong, HASH, made) is False
    assert "sesame" not in made


@pytest.mark.parametrize(
    "digest",
    [None, "", "v1", "v1.", "v1..", "v2.{marker}.{kept}", "v1.{marker}.", "v1.{kept}.{marker}", "é.ü.\u20ac", "." * 50],
)
async def test_what_is_no_digest_of_the_hash_decides_nothing(digest: str | None) -> None:
    made = await passwords().digest("open sesame", HASH, size_bytes=INGEST_DIGEST_BYTES)
    assert made is not None
    _, marker, kept = made.split(".")
    broken = digest and digest.format(marker=marker, kept=kept)
    assert await passwords().check("open sesame", HASH, broken) is None


async def test_another_hash_or_secret_decides_nothing() -> None:
    made = await passwords().digest("open sesame", HASH, size_bytes=INGEST_DIGEST_BYTES)
    assert await passwords().check("open sesame", HASH + "x", made) is None
    assert await passwords("b" * 40).check("open sesame", HASH, made) is None


async def test_equal_passwords_have_different_digests() -> None:
    one = await passwords().digest("open sesame", HASH, size_bytes=INGEST_DIGEST_BYTES)
    other = await passwords().digest("open sesame", HASH + "x", size_bytes=INGEST_DIGEST_BYTES)
    assert one is not None
    assert other is not None
    assert not {*one.split(".")[1:]} & {*other.split(".")[1:]}


@given(text=st.text(max_size=50), other=st.text(max_size=50))
async def test_any_text_is_right_or_wrong(text: str, other: str) -> None:
    made = await passwords().digest(text, HASH, size_bytes=INGEST_DIGEST_BYTES)
    assert await passwords().check(text, HASH, made) is True
    assert await passwords().check(other, HASH, made) is (other == text)


async def test_a_short_digest_holds_one_byte_of_the_password() -> None:
    made = await passwords().digest("open sesame", HASH, size_bytes=ADMIN_DIGEST_BYTES)
    assert made is not None
    assert len(made.split(".")[2]) == 2
    one = passwords()
    verdicts = [await one.check(f"guess {number}", HASH, made) for number in range(1000)]
    assert 0 < verdicts.count(True) < 20
    assert await one.check("open sesame", HASH, made) is True


async def test_without_the_secret_there_is_no_digest_and_the_reason_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = await passwords().digest("open sesame", HASH, size_bytes=INGEST_DIGEST_BYTES)
    box: Any = FaultInjector(AesSecretBox(lambda: "a" * 40))
    one = Passwords(CountingHasher(), box)
    box.faults["digest"] = SecretKeyUnavailable("Cannot read secret.key.")
    stored = await one.make("open sesame", at=FakeClock().now(), by="ada")
    assert stored.digest is None
    assert await one.check("open sesame", HASH, made) is None
    assert not one.matches_now("open sesame", stored)
    assert caplog.text.count("Cannot read secret.key.") == 1
    box.faults.clear()
    assert await one.check("open sesame", HASH, made) is True


async def test_a_stored_password_shows_nothing() -> None:
    one = passwords()
    stored = await one.make("open sesame", at=FakeClock().now(), by="ada")
    assert one.matches_now("open sesame", stored)
    assert not one.matches_now("wrong", stored)
    assert stored.digest is not None
    for hidden in (stored.hash, stored.digest, "sesame"):
        assert hidden not in repr(stored)
