"""The relay that other tests break connections with does what it says."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import psycopg
import pytest

from tests.support.fault_relay import Direction, FaultRelay
from tests.support.service import HANG_SECONDS, eventually, rows


@pytest.fixture
def relay(postgres_url: str) -> Iterator[FaultRelay]:
    with FaultRelay(postgres_url).running() as relay:
        yield relay


def test_statements_pass_and_connections_are_counted(relay: FaultRelay) -> None:
    for _ in range(2):
        with psycopg.connect(relay.url()) as connection:
            assert connection.execute("select current_database()").fetchone() == (
                relay.url().rpartition("/")[2].split("?")[0],
            )
            assert relay.open == 1
        eventually(lambda: relay.open == 0)
    assert relay.accepted == 2


def test_a_cut_breaks_what_is_open_and_nothing_else(relay: FaultRelay) -> None:
    with psycopg.connect(relay.url()) as connection:
        relay.cut()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    with psycopg.connect(relay.url()) as connection:
        connection.execute("select 1")


def test_the_server_hears_of_a_client_that_was_killed(relay: FaultRelay, postgres_url: str) -> None:
    with psycopg.connect(relay.url()) as connection, open(os.devnull) as nothing:
        alive = f"select pid from pg_stat_activity where pid = {connection.info.backend_pid}"
        assert rows(postgres_url, alive)
        with socket.socket(fileno=os.dup(connection.fileno())) as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The socket is closed with a reset, as that of a process which had not read everything.
        os.dup2(nothing.fileno(), connection.fileno())
        eventually(lambda: not rows(postgres_url, alive))
        connection.pgconn.finish()


def test_a_reply_is_cut_after_its_statement_was_committed(relay: FaultRelay, postgres_url: str) -> None:
    with psycopg.connect(relay.url(), autocommit=True) as connection:
        connection.execute("create table noted (n int)")
        for number in range(8):  # from the sixth on the statement is a prepared one, named by its number only
            connection.execute("insert into noted values (%s)", [number])
        relay.cut_replies(b"into noted")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("insert into noted values (%s)", [8])
    assert relay.replies_cut == 1
    assert rows(postgres_url, "select count(*) from noted") == [(9,)]
    with psycopg.connect(relay.url(), autocommit=True) as connection:
        connection.execute("insert into noted values (9)")


def test_a_reply_is_cut_after_the_transaction_of_its_statement(relay: FaultRelay, postgres_url: str) -> None:
    with psycopg.connect(relay.url()) as connection:
        connection.execute("create table noted (n int)")
        connection.commit()
        relay.cut_replies(b"into noted")
        with pytest.raises(psycopg.OperationalError), connection.transaction():
            connection.execute("insert into noted values (1)")
    assert rows(postgres_url, "select count(*) from noted") == [(1,)]


def test_refused_and_rejected_connections_say_so(relay: FaultRelay) -> None:
    relay.refuse()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(relay.url())
    relay.restore()
    relay.reject("53300", "sorry, too many clients already")
    with pytest.raises(psycopg.OperationalError, match="sorry, too many clients already"):
        psycopg.connect(relay.url())
    relay.restore()
    psycopg.connect(relay.url()).close()


def test_frozen_bytes_arrive_later_and_swallowed_ones_never(relay: FaultRelay) -> None:
    with ThreadPoolExecutor() as threads, psycopg.connect(relay.url()) as connection:
        relay.freeze(Direction.TO_CLIENT)
        answer = threads.submit(connection.execute, "select 1")
        assert not wait([answer], timeout=0.1).done
        relay.restore()
        assert answer.result(HANG_SECONDS).fetchone() == (1,)
        relay.swallow()
        answer = threads.submit(connection.execute, "select 1")
        with pytest.raises(psycopg.OperationalError, match="timeout"):
            psycopg.connect(relay.url(), connect_timeout=2)
        relay.restore()
        psycopg.connect(relay.url()).close()
        assert not answer.done()
        relay.cut()
        with pytest.raises(psycopg.OperationalError):
            answer.result(HANG_SECONDS)
