"""The two forms in which the service runs: with a database of its own, and with workers and database apart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from random import SystemRandom

import psutil
from photochanger.adapters.postgres import EmbeddedServer, migrate

from tests.support.chaos.database import DatabaseServer
from tests.support.chaos.exchange import HOST
from tests.support.chaos.pace import pause
from tests.support.chaos.processes import ManagedProcess
from tests.support.clock_shim import ClockShim
from tests.support.fault_relay import FaultRelay
from tests.support.ports import bound_to
from tests.support.service import environment

WINDOW = timedelta(seconds=10)
ADMIN = {"username": "admin", "password": "correct horse battery staple"}
DATABASE = "photochanger"

SHIM = Path(__file__).with_name("shim")
"""In the PYTHONPATH of every process: the disk that can be full or read-only."""

_PORTS = (20_000, 32_000)
_WORKERS = 2
_LISTENS, _WORKS = "PhotoChanger listens on", "Metrics are at"


_KEY = "the secret key of all processes of a chaos run"


class Disk:
    """The disk below a media folder, as the processes see it through the shim."""

    def __init__(self, flag: Path, media: Path) -> None:
        self.environ = {"CHAOS_DISK": str(flag), "CHAOS_DISK_ROOT": str(media)}
        self._flag = flag

    async def be(self, mood: str, seconds: float) -> None:
        """`full` or `read-only` for this time."""
        self._flag.write_text(mood)
        try:
            await pause(seconds)
        finally:
            self._flag.unlink()


class Form:
    """A running service: its processes, database, disk, and the relay before the database where there is one."""

    def __init__(self, name: str, home: Path, *, unexpected: Callable[..., None]) -> None:
        self.name = name
        self.home = home
        self.media = home / "media"
        self.place = _free_place()
        self.port: int = self.place.getsockname()[1]
        self.disk = Disk(home / "disk", self.media)
        self.relay: FaultRelay | None = None
        self.clocks: list[ClockShim] = []
        self.workers: list[ManagedProcess] = []
        self.service: ManagedProcess
        self.database: DatabaseServer
        self._unexpected = unexpected

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    def environ(self, **settings: str) -> dict[str, str]:
        """The environment of every process of this form."""
        common = {
            "secret_key": _KEY,
            "private_hosts": HOST,
            "admin_password": ADMIN["password"],
            "sync_response_seconds": f"{WINDOW.total_seconds():.0f}",
            "media_root": str(self.media),
            "metrics_port": "0",
            "port": str(self.port),
            "min_free_bytes": "0",
        }
        path = os.pathsep.join([str(SHIM), *filter(None, [os.environ.get("PYTHONPATH")])])
        return {
            **environment(self.home, **common, **settings),
            **self.disk.environ,
            "PYTHONPATH": path,
        }

    def process(
        self, name: str, *arguments: str, ready: str, environ: dict[str, str], clock: ClockShim | None = None
    ) -> ManagedProcess:
        if clock is not None:
            shim = clock.environ
            environ = {**environ, **shim, "PYTHONPATH": os.pathsep.join([str(SHIM), shim["PYTHONPATH"]])}
        log = self.home / f"{name}.log"
        return ManagedProcess(name, arguments, environ, log, ready=ready, unexpected=self._unexpected)

    @property
    def managed(self) -> list[ManagedProcess]:
        return [self.service, *self.workers]

    def worker_processes(self) -> list[psutil.Process]:
        """Worker processes, wherever they belong to."""
        found = []
        for pid in filter(None, (worker.pid for worker in self.workers)):
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
        with contextlib.suppress(psutil.NoSuchProcess):
            if self.service.pid is not None:
                for child in psutil.Process(self.service.pid).children():
                    with contextlib.suppress(psutil.Error):
                        if "worker" in child.cmdline():
                            found.append(child)
        return found

    def processes(self) -> dict[str, list[psutil.Process]]:
        """All processes of the service by their role; those of PostgreSQL are left out."""
        found: dict[str, list[psutil.Process]] = {}
        for managed in self.managed:
            with contextlib.suppress(psutil.NoSuchProcess):
                if managed.pid is not None:
                    top = psutil.Process(managed.pid)
                    for process in (top, *top.children(recursive=True)):
                        with contextlib.suppress(psutil.Error):
                            if (role := _role(process, top)) is not None:
                                found.setdefault(role, []).append(process)
        return found

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Started, kept running, and stopped at the end by the stop signal."""
        try:
            await asyncio.gather(*(managed.start() for managed in self.managed))
            keeping = [asyncio.ensure_future(managed.keep()) for managed in self.managed]
            try:
                yield
            finally:
                for each in keeping:
                    each.cancel()
                await asyncio.gather(*keeping, return_exceptions=True)
            within = WINDOW.total_seconds() * 2 + 30
            await asyncio.gather(*(managed.stop(within=within) for managed in self.managed))
        finally:
            for managed in self.managed:
                managed.end()
            await self.database.close()


@contextlib.contextmanager
def embedded_form(home: Path, *, unexpected: Callable[..., None]) -> Iterator[Form]:
    """`photochanger serve` with its own PostgreSQL and its own worker process."""
    home.mkdir(mode=0o700, parents=True)
    form = Form("embedded", home, unexpected=unexpected)
    form.database = DatabaseServer(home / "postgres", DATABASE, revive=False)
    form.service = form.process("serve", "serve", ready=_LISTENS, environ=form.environ())
    try:
        yield form
    finally:
        form.place.close()
        with contextlib.suppress(Exception), EmbeddedServer.start(home / "postgres"):
            pass  # the last one to leave stops it, also where the service was killed


@contextlib.contextmanager
def split_form(home: Path, *, unexpected: Callable[..., None]) -> Iterator[Form]:
    """`serve --workers 0` and worker processes, on an external PostgreSQL behind a relay that fails at will."""
    home.mkdir(mode=0o700, parents=True)
    form = Form("split", home, unexpected=unexpected)
    with form.place, EmbeddedServer.start(home / "external") as server, _free_place() as of_relay:
        server.ensure_database(DATABASE)
        migrate(server.url(DATABASE))
        form.database = DatabaseServer(home / "external", DATABASE, revive=True)
        with FaultRelay(server.url(DATABASE), port=of_relay.getsockname()[1]).running() as relay:
            form.relay = relay
            environ = form.environ(database_url=relay.url(DATABASE))
            form.service = form.process("serve", "serve", "--workers", "0", ready=_LISTENS, environ=environ)
            for number in range(_WORKERS):
                clock = ClockShim(home / f"clock-{number}")
                form.clocks.append(clock)
                name = f"worker-{number + 1}"
                form.workers.append(form.process(name, "worker", ready=_WORKS, environ=environ, clock=clock))
            yield form


def _role(process: psutil.Process, top: psutil.Process) -> str | None:
    if process.name().startswith("postgres"):
        return None
    words = process.cmdline()
    return next((word for word in ("serve", "worker") if word in words), f"child of {top.name()}")


def _free_place() -> socket.socket:
    """A port that no outgoing connection gets, kept until it is closed: one where nothing listens for a while may
    otherwise be taken, or connect to itself."""
    dice = SystemRandom()
    while True:
        with contextlib.suppress(OSError):
            port = dice.randrange(*_PORTS)
            with socket.socket() as probe:  # which cannot be bound where another run keeps this port
                probe.bind((HOST, port))
            return bound_to(port)
