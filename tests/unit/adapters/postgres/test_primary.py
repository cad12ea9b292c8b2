"""Which of several servers is used: the newest primary, whatever came back or is silent beside it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import psycopg
import pytest
from photochanger.adapters.postgres.outages import DatabaseRefused, DatabaseUnavailable
from photochanger.adapters.postgres.servers.addresses import Server, servers_of
from photochanger.adapters.postgres.servers.primary import PrimaryFinder
from photochanger.core.ports.database import ServerRole
from psycopg.conninfo import conninfo_to_dict

pytestmark = pytest.mark.anyio

ONE, TWO, THREE = servers = tuple(Server(f"db{number}:5432", f"host=db{number}") for number in (1, 2, 3))
SYSTEM = 7_000


class Servers:
    """What each server answers: read-only and timeline, an error, or nothing (None)."""

    def __init__(self) -> None:
        self.answers: dict[Server, tuple[bool, int] | Exception | None] = {}
        self.asked: list[Server] = []
        self.systems: dict[Server, int] = {}
        self.finder = PrimaryFinder(servers, self.open)

    async def open(self, server: Server) -> Any:
        self.asked.append(server)
        match self.answers[server]:
            case None:
                return await asyncio.get_running_loop().create_future()
            case Exception() as error:
                raise error
            case read_only, timeline:
                return Connection((read_only, self.systems.get(server, SYSTEM), f"{timeline:08X}"))

    async def primary(self) -> Server:
        self.finder.lose()
        return await self.finder.primary()


class Connection:
    """A connection whose server answers with a row."""

    def __init__(self, row: tuple[bool, int, str | None], *, knows_timeline: bool = True) -> None:
        self._row = row
        self._knows_timeline = knows_timeline

    async def execute(self, query: str) -> Connection:
        if not self._knows_timeline and "pg_control_system" in query:
            raise psycopg.errors.InsufficientPrivilege("permission denied for function pg_control_system")
        return self

    async def fetchone(self) -> tuple[bool, int, str | None]:
        return self._row

    async def close(self) -> None:
        """Nothing was held."""


PRIMARY, STANDBY, PROMOTED = (False, 1), (True, 1), (False, 2)
AWAY = DatabaseUnavailable(
    'connection failed: connection to server at "db1", port 5432 failed: Connection refused Is the server running on '
    "that host and accepting TCP/IP connections?"
)


async def test_the_primary_is_found_wherever_it_is_in_the_list() -> None:
    all = Servers()
    all.answers = {ONE: STANDBY, TWO: AWAY, THREE: PRIMARY}
    assert await all.primary() == THREE


async def test_the_primary_is_remembered_until_it_is_lost() -> None:
    all = Servers()
    all.answers = {ONE: PRIMARY, TWO: STANDBY, THREE: STANDBY}
    assert [await all.finder.primary() for _ in range(3)] == [ONE] * 3
    assert sorted(server.name for server in all.asked) == [server.name for server in servers]


async def test_a_silent_server_is_not_waited_for_where_another_accepts_writes() -> None:
    all = Servers()
    all.answers = {ONE: None, TWO: PROMOTED, THREE: STANDBY}
    assert await all.primary() == TWO


async def test_a_primary_that_was_replaced_and_comes_back_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    all = Servers()
    all.answers = {ONE: PRIMARY, TWO: STANDBY, THREE: AWAY}
    assert await all.primary() == ONE
    all.answers = {ONE: AWAY, TWO: PROMOTED, THREE: AWAY}
    assert await all.primary() == TWO
    all.answers[ONE] = PRIMARY
    for _ in range(2):
        assert await all.primary() == TWO
    (error,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "db1:5432 accepts writes on timeline 1, but was replaced by db2:5432" in error
    all.answers[TWO] = AWAY
    with pytest.raises(DatabaseUnavailable) as away:
        await all.primary()
    assert "db1:5432: was replaced" in away.value.reason


async def test_a_process_that_starts_beside_two_primaries_takes_the_newer_one() -> None:
    all = Servers()
    all.answers = {ONE: PRIMARY, TWO: PROMOTED, THREE: STANDBY}
    assert await all.primary() == TWO


async def test_a_look_at_the_others_finds_a_promotion_that_broke_no_connection() -> None:
    all = Servers()
    all.answers = {ONE: PRIMARY, TWO: STANDBY, THREE: STANDBY}
    assert await all.primary() == ONE
    await all.finder.look_at_others()
    assert await all.finder.primary() == ONE
    all.answers[TWO] = PROMOTED
    all.asked.clear()
    await all.finder.look_at_others()
    assert ONE not in all.asked
    assert await all.finder.primary() == TWO


async def test_timelines_of_other_data_are_not_compared() -> None:
    all = Servers()
    all.answers = {ONE: (False, 5), TWO: AWAY, THREE: AWAY}
    assert await all.primary() == ONE
    all.answers = {ONE: AWAY, TWO: (False, 1), THREE: AWAY}
    all.systems[TWO] = SYSTEM + 1
    assert await all.primary() == TWO


async def test_a_server_that_keeps_its_timeline_to_itself_can_be_used() -> None:
    async def open(server: Server) -> Any:
        return Connection((server != TWO, 0, None), knows_timeline=False)

    assert await PrimaryFinder(servers, open).primary() == TWO


async def test_each_server_is_shown_as_what_it_is() -> None:
    all = Servers()
    all.answers = {ONE: PRIMARY, TWO: PROMOTED, THREE: AWAY}
    shown = [(server.name, server.role, server.reason) for server in await all.finder.roles()]
    assert shown == [
        ("db1:5432", ServerRole.REPLACED, ""),
        ("db2:5432", ServerRole.PRIMARY, ""),
        ("db3:5432", ServerRole.AWAY, "Connection refused"),
    ]
    all.answers = {ONE: None, TWO: PROMOTED, THREE: STANDBY}
    assert [server.role for server in await all.finder.roles()] == [
        ServerRole.AWAY,
        ServerRole.PRIMARY,
        ServerRole.STANDBY,
    ]


async def test_without_a_primary_it_is_said_what_each_server_is() -> None:
    all = Servers()
    all.answers = {ONE: AWAY, TWO: STANDBY, THREE: DatabaseRefused("password authentication failed")}
    with pytest.raises(DatabaseUnavailable) as error:
        await all.primary()
    assert type(error.value) is DatabaseUnavailable, "the standby may be promoted"
    assert error.value.reason == (
        "no server accepts writes: db1:5432: Connection refused; db3:5432: password authentication failed; "
        "db2:5432: is read-only"
    )
    all.answers = dict.fromkeys(servers, DatabaseRefused("password authentication failed"))
    with pytest.raises(DatabaseRefused):
        await all.primary()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s%2Fcret@db1:5433,db2:5434/photos?sslmode=require",
        "host=db1,db2 port=5433,5434 dbname=photos user=me password='s/cret' sslmode=require",
        "host=db1,db2 port=5433,5434 dbname=photos user=me password=s/cret target_session_attrs=read-write "
        "sslmode=require load_balance_hosts=random",
    ],
)
def test_each_server_of_a_url_can_be_connected_to_alone(url: str) -> None:
    found = servers_of(url)
    assert [server.name for server in found] == ["db1:5433", "db2:5434"]
    assert conninfo_to_dict(found[1].conninfo) == {
        "host": "db2",
        "port": "5434",
        "dbname": "photos",
        "user": "me",
        "password": "s/cret",
        "sslmode": "require",
        "target_session_attrs": "any",
        "load_balance_hosts": "disable",
    }
    assert "s/cret" not in repr(found)


def test_one_port_is_that_of_all_and_none_is_the_usual_one() -> None:
    assert [server.name for server in servers_of("host=db1,db2 port=6000")] == ["db1:6000", "db2:6000"]
    assert [server.name for server in servers_of("postgresql://db1,[::1]:6000/photos")] == ["db1:5432", "::1:6000"]
    assert [server.name for server in servers_of("hostaddr=10.0.0.1,10.0.0.2")] == ["10.0.0.1:5432", "10.0.0.2:5432"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db1/photos",
        "postgresql:///photos?host=/run/postgresql",
        "host=db1,db2 target_session_attrs=standby",
        "host=db1,db2 port=1,2,3",
        "host=db1,db2 hostaddr=10.0.0.1",
        "host=db1,db2 no-such-keyword=1",
    ],
)
def test_what_names_no_choice_of_primaries_is_left_to_libpq(url: str) -> None:
    assert servers_of(url) == ()
