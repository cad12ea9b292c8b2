"""The database goes away for seconds while four photos a second come in: each of them becomes a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil
import psycopg
import pytest
from photochanger.adapters.postgres import EmbeddedServer, migrate
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support.fault_relay import FaultRelay
from tests.support.service import eventually, has_ended, rows, serving, set_slot
from tests.support.steady_cameras import SteadyCameras

SLOT = "slot-005"


class Days(NamedTuple):
    """A database of its own behind a relay."""

    folder: Path
    url: str
    relay: FaultRelay


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    folder = tmp_path_factory.mktemp("outages")
    server = EmbeddedServer.start(folder / "database")
    try:
        server.ensure_database("outages")
        migrate(server.url("outages"))
        with FaultRelay(server.url("outages")).running() as relay:
            yield Days(folder, server.url("outages"), relay)
    finally:
        server.close()


@contextmanager
def read_only(days: Days) -> Iterator[None]:
    """As after a failover: each transaction that writes is refused."""
    statement = "alter system set default_transaction_read_only = {}; select pg_reload_conf()"
    with psycopg.connect(days.url, autocommit=True) as connection:
        try:
            for part in statement.format("on").split(";"):
                connection.execute(part)
            yield
        finally:
            connection.execute("set default_transaction_read_only = off")
            for part in statement.format("off").split(";"):
                connection.execute(part)


def killed_backends(days: Days) -> None:
    with psycopg.connect(days.url, autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name <> ''")


@contextmanager
def killed_server(days: Days) -> Iterator[None]:
    """`kill -9` for the server, which is started again at the end of the block."""
    postmaster = psutil.Process(int((days.folder / "database/data/postmaster.pid").read_text().split()[0]))
    postmaster.kill()
    eventually(lambda: has_ended(postmaster))
    yield
    EmbeddedServer.start(days.folder / "database").close()


@contextmanager
def broken(days: Days, fault: Callable[[], None]) -> Iterator[None]:
    fault()
    yield
    days.relay.restore()


@contextmanager
def at_once(fault: Callable[[], None]) -> Iterator[None]:
    fault()
    yield


def test_no_photo_is_refused_while_its_window_lasts(days: Days) -> None:
    relay = days.relay
    outages = {
        "backends killed": (partial(at_once, partial(killed_backends, days)), 0.5),
        "connections reset": (partial(at_once, relay.cut), 0.5),
        "read-only": (partial(read_only, days), 3.0),
        "refused": (partial(broken, days, relay.refuse), 1.5),
        "too many clients": (partial(broken, days, partial(relay.reject, "53300", "sorry, too many clients")), 1.0),
        "silent": (partial(broken, days, relay.swallow), 7.0),
        "server killed": (partial(killed_server, days), 2.0),
    }
    found: dict[str, dict[str, int]] = {}
    with serving(days.folder / "home", database_url=relay.url()) as service:
        set_slot(days.url, SLOT, Route(entries=(RouteEntry("local", "stylize", {"look": "sketch"}),)))
        (worker,) = eventually(service.workers)
        for name, (outage, seconds) in outages.items():
            with SteadyCameras(service, SLOT) as cameras:
                cameras.go_on_for(0.5)
                with outage():
                    cameras.go_on_for(seconds)
                cameras.go_on_for(1)
            found[name] = cameras.summary()
            print(name, found[name], f"longest {max(shot.seconds for shot in cameras.shots()):.1f} s", flush=True)
        assert {name: {*answers} for name, answers in found.items()} == {name: {"200"} for name in outages}
        assert service.workers() == [worker], "no outage ends a worker"
        assert service.stop() == 0
    failed = rows(days.url, "select count(*) from photochanger.jobs where state <> 'succeeded'")
    assert failed == [(0,)]
