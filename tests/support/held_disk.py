"""A disk that does not answer, for tests of what waits for it and of who waits for them.

The wait is made endless by a synchronous standby that does not exist: what must be durable does not return, and what
need not be does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from photochanger.adapters.postgres import EmbeddedServer, migrate

from tests.support.service import eventually

_WAITING = "select pid from pg_stat_activity where wait_event = 'SyncRep' and datname = current_database()"
GLOBAL_LOCKS = """
    select locktype from pg_locks where granted
        and (locktype = 'advisory' or (locktype = 'object' and classid = 'pg_database'::regclass and objid = 0))
"""
"""Those of every database: advisory ones, and that of NOTIFY. A process that begins locks the entry of its database."""


class Disk:
    """A database whose durable commits do not return before `release`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._watcher = psycopg.connect(url, autocommit=True)
        self._calls: list[tuple[threading.Thread, psycopg.Connection[Any]]] = []

    def hold(self) -> None:
        self._set_standby("nobody")

    def release(self) -> None:
        self._set_standby("")

    def _set_standby(self, name: str) -> None:
        self._watcher.execute(f"alter system set synchronous_standby_names = '{name}'")
        self._watcher.execute("select pg_reload_conf()")
        eventually(lambda: self.read("show synchronous_standby_names") == [name])

    def read(self, query: str) -> list[Any]:
        return [value for (value, *_) in self._watcher.execute(query)]

    def waiting(self) -> list[int]:
        return self.read(_WAITING)

    def durable(self, statement: str, **parameters: Any) -> psycopg.Connection[Any]:
        """Run a statement whose commit waits for the disk; returns once it does."""
        before = len(self.waiting())
        connection = psycopg.connect(self.url, autocommit=True)

        def run() -> None:
            try:
                connection.execute(statement, parameters)
            except psycopg.OperationalError:
                """Its connection was ended."""

        call = threading.Thread(target=run)
        call.start()
        self._calls.append((call, connection))
        eventually(lambda: len(self.waiting()) == before + 1)
        return connection

    def close(self) -> None:
        self.release()
        for call, connection in self._calls:
            call.join(60)
            assert not call.is_alive()
            connection.close()
        self._watcher.close()


@contextmanager
def held_disk(server: EmbeddedServer, name: str) -> Iterator[Disk]:
    server.ensure_database(name)
    migrate(server.url(name))
    disk = Disk(server.url(name))
    disk.hold()
    try:
        yield disk
    finally:
        disk.close()
