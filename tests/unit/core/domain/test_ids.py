"""Ids and tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

from photochanger.core.domain.ids import new_id, new_secret

NOW = datetime(2026, 5, 1, 12, 0, 0, 123000, tzinfo=UTC)


def test_an_id_is_a_uuid_of_version_7() -> None:
    made = new_id(NOW)
    assert made.version == 7
    assert made.variant == RFC_4122


def test_an_id_begins_with_its_milliseconds() -> None:
    assert new_id(NOW).int >> 80 == int(NOW.timestamp() * 1000)


def test_later_ids_sort_behind_earlier_ones_as_numbers_and_as_text() -> None:
    ids = [new_id(NOW + timedelta(milliseconds=number)) for number in range(1000)]
    assert ids == sorted(ids)
    assert [*map(str, ids)] == sorted(map(str, ids))


def test_ids_of_one_moment_differ() -> None:
    assert len({new_id(NOW) for _ in range(10_000)}) == 10_000


def test_all_74_random_bits_are_used() -> None:
    ones, zeros = 0, 0
    for _ in range(200):
        value = new_id(NOW).int
        ones |= value
        zeros |= ~value
    random_bits = (0xFFF << 64) | ((1 << 62) - 1)
    assert ones & random_bits == random_bits
    assert zeros & random_bits == random_bits


def test_a_secret_is_safe_in_an_url_and_carries_128_bits() -> None:
    secret = new_secret()
    assert len(secret) == 22
    assert set(secret) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert new_secret() != secret
