"""Connections to the primary of a database with several servers."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import psycopg

from ....core.ports.database import DatabaseServer
from ..connection import PROBE_SECONDS, USUAL, BoundedConnection, Connector, Limits
from ..outages import DatabaseUnavailable
from .addresses import Server, servers_of
from .primary import PrimaryFinder

_log = logging.getLogger("photochanger.postgres")


class PrimaryConnector:
    """Opens connections to the primary, and ends those that lead to another server."""

    def __init__(self, servers: tuple[Server, ...]) -> None:
        self._connectors = {server: Connector(server.conninfo) for server in servers}
        self._finder = PrimaryFinder(servers, self._open_briefly)
        self._opened: dict[BoundedConnection, Server] = {}

    async def open(self, *, autocommit: bool, limits: Limits = USUAL) -> BoundedConnection:
        """As `Connector.open`, to the primary. DatabaseUnavailable, DatabaseRefused."""
        if lost := [connection for connection in self._opened if connection.closed]:
            for connection in lost:
                del self._opened[connection]
            self._finder.lose()
        server = await self._finder.primary()
        self._end_connections_to_others(server)
        try:
            connection = await self._connectors[server].open(autocommit=autocommit, limits=limits)
        except DatabaseUnavailable:
            self._finder.lose()
            raise
        self._opened[connection] = server
        return connection

    async def primary(self) -> Server:
        """The primary as last seen. DatabaseUnavailable, DatabaseRefused."""
        return await self._finder.primary()

    async def roles(self) -> list[DatabaseServer]:
        """All servers as they are now."""
        return await self._finder.roles()

    async def look_at_others(self) -> None:
        """Move to another server where that has become the primary. DatabaseUnavailable."""
        await self._finder.look_at_others()
        self._end_connections_to_others(await self._finder.primary())

    def _end_connections_to_others(self, primary: Server) -> None:
        """A server that was replaced may come back, with connections that have been idle meanwhile."""
        for connection, server in self._opened.items():
            if server != primary and not connection.closed:
                _log.info("connection to database server %s ended; %s is the primary", server.name, primary.name)
                connection.shut_down()

    async def _open_briefly(self, server: Server) -> psycopg.AsyncConnection[Any]:
        connection = await self._connectors[server].open(autocommit=True)
        connection.reply_within = PROBE_SECONDS
        return connection


def connector_for(url: str) -> Connector | PrimaryConnector:
    """What opens connections to the database with this URL."""
    servers = servers_of(url)
    return PrimaryConnector(servers) if servers else Connector(url)


def primary_url(url: str) -> str:
    """The URL itself, or that of the primary alone where it names several servers; for commands.

    Must be called outside of an event loop. DatabaseUnavailable, DatabaseRefused.
    """
    if not (servers := servers_of(url)):
        return url
    return asyncio.run(PrimaryConnector(servers).primary()).conninfo
