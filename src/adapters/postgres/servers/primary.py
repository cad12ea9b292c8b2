"""Which server is the primary: the one that accepts writes and has the newest timeline.

A promotion begins a timeline with a higher number. A primary that was replaced and comes back accepts writes as well,
on its old timeline: what is written there is lost (ADR 81).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence

import msgspec
import psycopg

from ....core.ports.database import DatabaseServer, ServerRole
from ..outages import DatabaseRefused, DatabaseUnavailable, reason_of
from .addresses import Server

_log = logging.getLogger("photochanger.postgres")

_GRACE_SECONDS = 1.0
"""How long the other servers may take to answer once one has answered that it accepts writes."""

_PAUSE_SECONDS = 0.25
"""Time between two looks while no server accepts writes."""

_READ_ONLY = "pg_is_in_recovery() or current_setting('transaction_read_only')::boolean"
_STATE = f"""
    select {_READ_ONLY}, system_identifier,
        case when not pg_is_in_recovery() then left(pg_walfile_name(pg_current_wal_lsn()), 8) end
    from pg_control_system()
"""
_STATE_WITHOUT_TIMELINE = f"select {_READ_ONLY}, 0, null"
"""For servers that do not have those functions, or not for this role."""

Open = Callable[[Server], Awaitable[psycopg.AsyncConnection[object]]]


class ServerState(msgspec.Struct, frozen=True):
    """What a server has answered."""

    server: Server
    accepts_writes: bool
    system: int
    """Number of the data that all copies have in common; 0 where unknown."""

    timeline: int
    """0 where unknown."""


class Failure(msgspec.Struct, frozen=True):
    """Why a server could not be asked."""

    server: Server
    reason: str
    is_refusal: bool


class PrimaryFinder:
    """Finds the primary among servers and remembers it. `open` makes a connection to one of them."""

    def __init__(self, servers: Sequence[Server], open: Open) -> None:
        self._servers = servers
        self._open = open
        self._primary: ServerState | None = None
        self._last: Server | None = None
        self._newest: dict[int, int] = {}
        self._replaced: set[Server] = set()
        self._looking = asyncio.Lock()
        self._not_before = 0.0

    async def primary(self) -> Server:
        """The primary as last seen. DatabaseUnavailable where no server accepts writes, DatabaseRefused."""
        async with self._looking:
            if self._primary is None:
                loop = asyncio.get_running_loop()
                await asyncio.sleep(max(self._not_before - loop.time(), 0))
                self._not_before = loop.time() + _PAUSE_SECONDS
                states, failures = await self._ask(self._servers)
                self._choose(states, failures)
            assert self._primary is not None
            return self._primary.server

    def lose(self) -> None:
        """Look at all servers before the next answer: a connection to the primary was lost, or none could be made."""
        self._primary = None

    async def look_at_others(self) -> None:
        """Ask the other servers whether one of them has become the primary. Nothing to do while none is known."""
        async with self._looking:
            if (known := self._primary) is None:
                return
            states, _ = await self._ask([server for server in self._servers if server != known.server])
            if self._primary is known:
                self._choose([known, *states], [])

    async def roles(self) -> list[DatabaseServer]:
        """All servers as they are now, in their order."""
        async with self._looking:
            states, failures = await self._ask(self._servers)
            with contextlib.suppress(DatabaseUnavailable):
                self._choose(states, failures)
        found = {state.server.name: (self._role(state), "") for state in states}
        found |= {failure.server.name: (ServerRole.AWAY, failure.reason) for failure in failures}
        silent = (ServerRole.AWAY, "no answer in time")
        return [DatabaseServer(server.name, *found.get(server.name, silent)) for server in self._servers]

    def _role(self, state: ServerState) -> ServerRole:
        if not state.accepts_writes:
            return ServerRole.STANDBY
        is_chosen = self._primary is not None and self._primary.server == state.server
        return ServerRole.PRIMARY if is_chosen else ServerRole.REPLACED

    def _choose(self, states: Collection[ServerState], failures: Collection[Failure]) -> None:
        primaries = [state for state in states if state.accepts_writes]
        for state in primaries:
            self._newest[state.system] = max(state.timeline, self._newest.get(state.system, 0))
        newest = [state for state in primaries if state.timeline == self._newest[state.system]]
        self._warn(primaries, newest)
        if not newest:
            refused = not states and all(failure.is_refusal for failure in failures)
            says = [f"{failure.server.name}: {failure.reason}" for failure in failures]
            says += [f"{one.server.name}: {'was replaced' if one.accepts_writes else 'is read-only'}" for one in states]
            raise (DatabaseRefused if refused else DatabaseUnavailable)(f"no server accepts writes: {'; '.join(says)}")
        self._primary = chosen = newest[0]
        if self._last not in (None, chosen.server):
            _log.warning("database server %s is the primary now (timeline %d)", chosen.server.name, chosen.timeline)
        self._last = chosen.server

    def _warn(self, primaries: Collection[ServerState], newest: Sequence[ServerState]) -> None:
        """Log once which servers must not accept writes."""
        chosen = newest[:1]
        wrong = {state.server for state in primaries if state not in chosen}
        for state in primaries:
            if state.server in wrong and state.server not in self._replaced:
                _log.error(
                    "database server %s accepts writes on timeline %d, but was replaced by %s; it is not used. Stop it "
                    "and make it a standby",
                    state.server.name,
                    state.timeline,
                    chosen[0].server.name if chosen else f"one with timeline {self._newest[state.system]}",
                )
        self._replaced = wrong

    async def _ask(self, servers: Sequence[Server]) -> tuple[list[ServerState], list[Failure]]:
        """The states of servers in their order, and why the others could not be asked.

        One that is silent is not waited for long where another one accepts writes.
        """
        states: dict[Server, ServerState] = {}
        failures: list[Failure] = []
        loop = asyncio.get_running_loop()

        async def ask(server: Server) -> None:
            try:
                state = states[server] = await self._state(server)
            except DatabaseUnavailable as error:
                failures.append(Failure(server, _shortened(error.reason), isinstance(error, DatabaseRefused)))
                return
            if state.accepts_writes and limit.when() is None:
                limit.reschedule(loop.time() + _GRACE_SECONDS)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
                for server in servers:
                    group.create_task(ask(server), name=f"state of database server {server.name}")
        return [states[server] for server in servers if server in states], failures

    async def _state(self, server: Server) -> ServerState:
        """DatabaseUnavailable, DatabaseRefused."""
        connection = await self._open(server)
        try:
            try:
                cursor = await connection.execute(_STATE)
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction, psycopg.NotSupportedError):
                cursor = await connection.execute(_STATE_WITHOUT_TIMELINE)
            row = await cursor.fetchone()
        except (psycopg.Error, OSError) as error:
            raise DatabaseUnavailable(reason_of(error)) from error
        finally:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()
        assert isinstance(row, tuple)
        read_only, system, timeline = row
        return ServerState(server, not read_only, int(system), int(timeline or "0", 16))


def _shortened(reason: str) -> str:
    """What libpq says of a connection, without the server, which is named beside it."""
    return reason.rpartition(" failed: ")[2].partition(" Is the server running")[0]
