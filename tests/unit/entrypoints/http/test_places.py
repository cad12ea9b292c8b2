"""Places for connections: who gets one, whose is taken."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photochanger.adapters.memory import MemoryTelemetry
from photochanger.core.domain.connections import ConnectionEnd
from photochanger.entrypoints.http.connection.ends import LOG_SECONDS, ConnectionEnds
from photochanger.entrypoints.http.connection.limits import KEPT_FREE, ConnectionLimits, limits_for
from photochanger.entrypoints.http.connection.places import Places

KNOWN, PROXY = "192.0.2.1", "10.0.0.1"
LIMITS = ConnectionLimits(total=8, per_address=3, reserve=3)


class FakeConnection:
    def __init__(self, places: Places, address: str) -> None:
        self.was_cut = False
        self.refused = places.enter(self, address, 0.0)

    def cut(self) -> None:
        self.was_cut = True

    def check(self, now: float) -> None:
        """Nothing is late."""


@pytest.fixture
def places() -> Places:
    return Places(LIMITS, known={KNOWN}, shared={PROXY})


def busy(places: Places, address: str, count: int = 1) -> list[FakeConnection]:
    connections = [FakeConnection(places, address) for _ in range(count)]
    for connection in connections:
        places.works(connection)
    return connections


def test_an_address_has_its_share(places: Places) -> None:
    busy(places, "198.51.100.1", 3)
    assert FakeConnection(places, "198.51.100.1").refused is ConnectionEnd.TOO_MANY_OF_ADDRESS
    assert FakeConnection(places, "198.51.100.2").refused is None


def test_a_network_of_one_host_is_one_address(places: Places) -> None:
    for host in range(3):
        busy(places, f"2001:db8::{host:x}")
    assert FakeConnection(places, "2001:db8::ffff:1").refused is ConnectionEnd.TOO_MANY_OF_ADDRESS


def test_a_new_connection_takes_the_place_of_the_longest_waiting_one_of_its_address(places: Places) -> None:
    other = FakeConnection(places, "198.51.100.9")
    first, second, third = (FakeConnection(places, "198.51.100.1") for _ in range(3))
    places.works(first)
    places.waits(first)  # now the second has waited longest
    assert FakeConnection(places, "198.51.100.1").refused is None
    assert [one.was_cut for one in (other, first, second, third)] == [False, False, True, False]


def test_strangers_leave_the_reserve(places: Places) -> None:
    for number in range(5):
        busy(places, f"198.51.100.{number}")
    assert FakeConnection(places, "198.51.100.99").refused is ConnectionEnd.TOO_MANY
    for address in (KNOWN, PROXY, KNOWN):
        assert busy(places, address)[0].refused is None
    assert FakeConnection(places, KNOWN).refused is ConnectionEnd.TOO_MANY
    assert len(places) == 8


def test_known_addresses_and_proxies_have_no_share(places: Places) -> None:
    assert [one.refused for one in busy(places, KNOWN, 4) + busy(places, PROXY, 4)] == [None] * 8


def test_strangers_do_not_take_the_place_of_a_known_address_that_waits(places: Places) -> None:
    waiting = [FakeConnection(places, KNOWN) for _ in range(8)]
    assert FakeConnection(places, "198.51.100.1").refused is ConnectionEnd.TOO_MANY
    assert FakeConnection(places, KNOWN).refused is None
    assert [one.was_cut for one in waiting] == [True] + [False] * 7


def test_a_connection_becomes_known_when_its_address_has_authenticated() -> None:
    known: set[str] = set()
    places = Places(ConnectionLimits(total=2, per_address=9, reserve=1), known=known)
    camera = FakeConnection(places, KNOWN)
    places.works(camera)
    known.add(KNOWN)
    places.waits(camera)
    assert FakeConnection(places, "198.51.100.1").refused is ConnectionEnd.TOO_MANY
    assert not camera.was_cut


@given(st.lists(st.tuples(st.sampled_from(["enter", "works", "waits", "leave"]), st.integers(0, 5)), max_size=200))
def test_the_bounds_hold_whatever_happens(steps: list[tuple[str, int]]) -> None:
    places = Places(LIMITS, known={KNOWN}, shared={PROXY})
    addresses = [KNOWN, PROXY, "198.51.100.1", "198.51.100.1", "198.51.100.2", "198.51.100.3"]
    open_: dict[FakeConnection, str] = {}
    for step, number in steps:
        if step == "enter":
            connection = FakeConnection(places, addresses[number])
            if connection.refused is None:
                open_[connection] = addresses[number]
        elif open_:
            connection = [*open_][number % len(open_)]
            getattr(places, step)(connection)
            if step == "leave":
                del open_[connection]
        open_ = {one: address for one, address in open_.items() if not one.was_cut}
        assert len(places) == len(open_) <= LIMITS.total
        strangers = [address for address in open_.values() if address not in (KNOWN, PROXY)]
        assert len(strangers) <= LIMITS.total - LIMITS.reserve
        assert all(strangers.count(address) <= LIMITS.per_address for address in strangers)
        assert places.waiting <= len(places)


@pytest.mark.parametrize("open_files", [0, 256, 1024, 4096, 1024 * 1024])
def test_limits_leave_files_for_everything_else(open_files: int) -> None:
    limits = limits_for(open_files)
    assert 0 < limits.reserve < limits.total
    assert 0 < limits.per_address <= limits.total
    if open_files > 2 * KEPT_FREE:
        assert 2 * limits.total + KEPT_FREE <= open_files


def test_ends_are_counted_and_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = MemoryTelemetry()
    ends = ConnectionEnds(telemetry)
    with caplog.at_level(logging.WARNING):
        for second in range(150):
            ends.note(ConnectionEnd.SLOW_READER, float(second))
        ends.note(ConnectionEnd.TOO_MANY, 150.0)
        ends.log_due(120.0 + LOG_SECONDS)
        ends.log_due(1000.0)
    assert len(telemetry.of("connection_ended")) == 151
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "connections ended by the server: slow_reader (1)",
        "connections ended by the server: slow_reader (60)",
        "connections ended by the server: slow_reader (60)",
        "connections ended by the server: too_many (1)",
        "connections ended by the server: slow_reader (29)",
    ]
