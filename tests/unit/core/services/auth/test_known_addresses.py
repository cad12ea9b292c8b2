from datetime import timedelta

import pytest
from photochanger.adapters.memory.clock import FakeClock
from photochanger.core.services.auth.known_addresses import MAX_ADDRESSES, MAX_AGE, KnownAddresses


def test_an_address_is_known_after_it_authenticated() -> None:
    known = KnownAddresses(FakeClock())
    assert "192.0.2.1" not in known
    known.note("192.0.2.1")
    assert "192.0.2.1" in known
    assert "192.0.2.2" not in known


def test_hosts_of_one_ipv6_network_are_one() -> None:
    known = KnownAddresses(FakeClock())
    known.note("2001:db8::1")
    assert "2001:db8::ffff" in known
    assert "2001:db8:0:1::1" not in known


@pytest.mark.anyio
async def test_an_address_is_forgotten_after_a_day() -> None:
    clock = FakeClock()
    known = KnownAddresses(clock)
    known.note("192.0.2.1")
    await clock.advance(MAX_AGE + timedelta(seconds=1))
    assert "192.0.2.1" not in known


def test_the_oldest_address_makes_room() -> None:
    known = KnownAddresses(FakeClock())
    for number in range(MAX_ADDRESSES):
        known.note(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    known.note("10.0.0.0")  # the oldest one authenticates again
    known.note("192.0.2.1")
    assert "10.0.0.0" in known
    assert "10.0.0.1" not in known
