"""A regular look at the servers of an external database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Set
from contextlib import AbstractAsyncContextManager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ....core.domain.errors import QueueUnavailable
from ..connection import Connector
from .connector import PrimaryConnector

_log = logging.getLogger("photochanger.postgres")

_PAUSE_SECONDS = 5.0

_WAITING_COMMITS = text("""
    select count(*) from pg_stat_activity
    where datname = current_database() and wait_event = 'SyncRep' and clock_timestamp() - state_change > interval '2 s'
""")


async def watch_servers(
    begin: Callable[[], AbstractAsyncContextManager[AsyncConnection]], connectors: Set[Connector | PrimaryConnector]
) -> None:
    """Follow the primary, and log how many commits wait for a standby that does not confirm them; until cancelled."""
    waited = 0
    while True:
        await asyncio.sleep(_PAUSE_SECONDS)
        try:
            for connector in connectors:
                if isinstance(connector, PrimaryConnector):
                    await connector.look_at_others()
            async with begin() as connection:
                waits = await connection.scalar(_WAITING_COMMITS) or 0
        except QueueUnavailable as error:
            _log.debug("the servers of the database cannot be looked at: %s", error.explanation)
            continue
        if waits and not waited:
            _log.error(
                "%d commits wait for a synchronous standby. Bring it back, or take it out of synchronous_standby_names",
                waits,
            )
        elif waited and not waits:
            _log.info("commits no longer wait for a synchronous standby")
        waited = waits
