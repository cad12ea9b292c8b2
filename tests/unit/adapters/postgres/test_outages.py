"""Errors of the database: which ones are waited for, which ones an operator must fix, and what is said of them."""

from __future__ import annotations

import psycopg
import pytest
from photochanger.adapters.postgres.outages import (
    DatabaseRefused,
    DatabaseUnavailable,
    is_outage,
    is_refusal,
    outage_of,
    reason_of,
    unavailable,
)
from photochanger.core.domain.errors import QueueUnavailable
from psycopg import errors
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

AWAY = [
    "08000", "08003", "08006", "08P01",  # the connection
    "25006", "25P02", "25P03",  # read-only after a failover
    "53000", "53100", "53200", "53300",  # out of resources
    "57014", "57P01", "57P02", "57P03", "57P05",  # ended, starting up
]  # fmt: skip
FAULTS = ["22001", "22P02", "23502", "23505", "42601", "42703", "42P01", "XX000"]


def failed(sqlstate: str) -> psycopg.Error:
    return errors.lookup(sqlstate)("what PostgreSQL says")


@pytest.mark.parametrize("sqlstate", AWAY)
def test_a_database_that_is_away_is_waited_for(sqlstate: str) -> None:
    error = failed(sqlstate)
    for seen in (error, DBAPIError("select 1", None, error)):
        assert is_outage(seen)
        assert not is_refusal(seen)
        with pytest.raises(QueueUnavailable), unavailable():
            raise seen


@pytest.mark.parametrize("sqlstate", FAULTS)
def test_a_fault_of_a_statement_is_raised_as_it_is(sqlstate: str) -> None:
    error = failed(sqlstate)
    with pytest.raises(type(error)), unavailable():
        raise error
    with pytest.raises(DBAPIError), unavailable():
        raise DBAPIError("select 1", None, error)


@pytest.mark.parametrize(
    "error",
    [psycopg.OperationalError("lost"), psycopg.InterfaceError("closed"), PoolTimeout("busy"), ConnectionRefusedError()],
)
def test_lost_connections_are_waited_for(error: Exception) -> None:
    with pytest.raises(DatabaseUnavailable) as raised, unavailable():
        raise error
    assert not isinstance(raised.value, DatabaseRefused)


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ('connection failed: FATAL:  database "photo" does not exist', True),
        ("connection failed: FATAL:  no such database: photo", True),
        ('connection failed: FATAL:  role "booth" does not exist', True),
        ('connection failed: FATAL:  password authentication failed for user "booth"', True),
        ("connection failed: fe_sendauth: no password supplied", True),
        ('connection failed: FATAL:  no pg_hba.conf entry for host "10.0.0.1"', True),
        ("connection failed: FATAL:  the database system is starting up", False),
        ("connection failed: FATAL:  sorry, too many clients already", False),
        ("connection is bad: connection to server on socket failed: No such file or directory", False),
        ('connection failed: Connection refused\nFATAL:  database "photo" does not exist', False),
        ("connection timeout expired", False),
    ],
)
def test_a_connection_that_fails_is_refused_or_away_by_its_words(words: str, refused: bool) -> None:
    error = psycopg.OperationalError(words)
    assert is_refusal(error) is refused
    assert isinstance(outage_of(error), DatabaseRefused) is refused


def test_rights_and_names_are_refusals_by_their_sqlstate() -> None:
    for sqlstate in ("28P01", "28000", "3D000", "42501"):
        assert is_refusal(failed(sqlstate))


def test_a_reason_is_one_line_and_never_quotes_the_url() -> None:
    assert reason_of(psycopg.OperationalError("one\n\ttwo " + "x" * 10_000)).startswith("one two x")
    assert len(reason_of(psycopg.OperationalError("x" * 10_000))) == 500
    with pytest.raises(psycopg.ProgrammingError) as quoted:
        psycopg.conninfo.conninfo_to_dict("postgresql://booth:secret@[::1/photo")
    assert "secret" in str(quoted.value)
    assert "secret" not in reason_of(quoted.value)
    assert "secret" not in str(outage_of(quoted.value).explanation)
