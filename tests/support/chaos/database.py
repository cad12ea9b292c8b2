"""The PostgreSQL server below a service: its processes, and what may happen to them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import quote

import psutil
import psycopg
from photochanger.adapters.postgres import EmbeddedServer
from photochanger.core.domain.errors import QueueUnavailable

from tests.support.chaos.pace import pause, until

_RECOVERY_SECONDS = 180
_CONNECT_SECONDS = 5
_AGAIN_SECONDS = 0.2


class DatabaseServer:
    """The server of a data folder; `revive` where nothing else starts it again."""

    def __init__(self, folder: Path, database: str, *, revive: bool) -> None:
        self._folder = folder
        self._database = database
        self._revived: EmbeddedServer | None = None
        self._revive = revive

    def url(self, database: str | None = None) -> str:
        """A connection straight to the server, past any relay."""
        lines = (self._folder / "data" / "postmaster.pid").read_text().splitlines()
        passwords = quote(str((self._folder / "password").absolute()))
        return f"postgresql://photochanger@/{database or self._database}?passfile={passwords}&host={quote(lines[4])}"

    async def rows(self, query: LiteralString, *parameters: Any, database: str | None = None) -> list[tuple[Any, ...]]:
        """What a query finds, once the server answers."""

        async def ask() -> list[tuple[Any, ...]] | None:
            with contextlib.suppress(psycopg.OperationalError, OSError, IndexError):
                url = self.url(database)
                async with await psycopg.AsyncConnection.connect(
                    url, autocommit=True, connect_timeout=_CONNECT_SECONDS
                ) as connection:
                    done = await connection.execute(query, parameters or None)
                    return await done.fetchall() if done.description else []
            return None

        found = await _answered(ask)
        assert found is not None, "PostgreSQL never answered"
        return found

    def postmaster(self) -> psutil.Process:
        """The server's main process; psutil.NoSuchProcess, OSError where it does not run."""
        return psutil.Process(int((self._folder / "data" / "postmaster.pid").read_text().split()[0]))

    def backends(self) -> list[psutil.Process]:
        """The processes that serve PhotoChanger's connections."""
        with contextlib.suppress(psutil.Error, OSError, ValueError, IndexError):
            named = [(child, " ".join(child.cmdline())) for child in self.postmaster().children()]
            return [child for child, name in named if f" {self._database} " in f"{name} "]
        return []

    async def kill_postmaster(self, seconds: float) -> None:
        await self._end_postmaster(signal.SIGKILL, seconds)

    async def restart(self, seconds: float) -> None:
        """A fast shutdown, and a new start after this time."""
        await self._end_postmaster(signal.SIGINT, seconds)

    async def kill_backend(self, pick: float) -> None:
        """`kill -9` of one backend: the server ends all others and recovers."""
        if backends := self.backends():
            with contextlib.suppress(psutil.NoSuchProcess):
                backends[int(pick * len(backends))].kill()

    async def end_backends(self) -> None:
        await self.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()",
            self._database,
        )

    async def freeze(self, seconds: float) -> None:
        """No process of the server gets on for this time."""
        stopped = []
        try:
            with contextlib.suppress(psutil.Error, OSError, ValueError, IndexError):
                postmaster = self.postmaster()
                for process in (postmaster, *postmaster.children(recursive=True)):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.suspend()
                        stopped.append(process)
            await pause(seconds)
        finally:
            for process in stopped:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    async def be_read_only(self, seconds: float) -> None:
        """Every new transaction is read-only, as on a replica before its promotion."""
        try:
            await self._set_read_only("on")
            await pause(seconds)
        finally:
            await self._set_read_only("off")

    async def _set_read_only(self, value: LiteralString) -> None:
        # A session that is read-only itself may not change the setting back unless it says so.
        await self.rows("alter system set default_transaction_read_only = " + value, database="postgres")
        await self.rows("select pg_reload_conf()", database="postgres")

    async def _end_postmaster(self, how: signal.Signals, seconds: float) -> None:
        with contextlib.suppress(psutil.NoSuchProcess, OSError, ValueError, IndexError):
            process = self.postmaster()
            process.send_signal(how)
            await asyncio.to_thread(_await_end, process)
        await pause(seconds if self._revive else 0)
        if self._revive:
            await self._start_again()

    async def _start_again(self) -> None:
        end = asyncio.get_running_loop().time() + _RECOVERY_SECONDS
        while True:
            try:
                started = await asyncio.to_thread(EmbeddedServer.start, self._folder)
            except QueueUnavailable:  # processes of the killed server still hold its memory
                if asyncio.get_running_loop().time() > end:
                    raise
                await pause(_AGAIN_SECONDS)
                continue
            if self._revived is not None:
                await asyncio.to_thread(self._revived.close)
            self._revived = started
            return

    async def close(self) -> None:
        if self._revived is not None:
            await asyncio.to_thread(self._revived.close)
            self._revived = None


async def _answered(ask: Any) -> list[tuple[Any, ...]] | None:
    async def look() -> list[list[tuple[Any, ...]]]:
        found = await ask()
        return [] if found is None else [found]

    seen = await until(look, seconds=_RECOVERY_SECONDS)
    return seen[0] if seen else None


def _await_end(process: psutil.Process) -> None:
    """Wait for its end, and take it where it is a child of this process: until then its data look as if in use."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, 0)
    psutil.wait_procs([process], timeout=_RECOVERY_SECONDS)
