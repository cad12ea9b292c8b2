"""A whole PhotoChanger as operators run it, in processes of its own, and a camera that talks to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, TypeVar

import httpx
import msgspec
import psutil
import psycopg
from photochanger.adapters.postgres import Database, EmbeddedServer, PostgresSlotRepository
from photochanger.core.domain.slots.slot import Route, Slot
from psycopg.types.json import Jsonb

from tests.support.plain_http import NO_TLS

PASSWORD = "a-test-password"

HANG_SECONDS = 180
"""Bounds a test that would wait for ever; no test depends on how soon something happens."""

LONG_WINDOW = timedelta(hours=1)
"""A sync window that no machine is too slow for. The configuration takes a minute at most, the core any length."""

_T = TypeVar("_T")


def eventually(look: Callable[[], _T], *, seconds: float = HANG_SECONDS) -> _T:
    """What `look` returns once that is true; the test fails when it never is. Looks often, waits for nothing else."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, f"never came true: {seen!r}"
        time.sleep(0.02)
    return seen


def has_ended(process: psutil.Process) -> bool:
    """Whether a process has ended, also where its parent has not noticed yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it was noticed in between
        return True


class Service:
    """A running `photochanger serve`."""

    def __init__(self, process: subprocess.Popen[str], address: str, log: Path, *, metrics: str) -> None:
        self.process = process
        self.address = address
        self.metrics = metrics
        """The address of its metrics."""

        self.log = log

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, verify=NO_TLS, timeout=HANG_SECONDS)

    def send(self, photo: bytes, slot_id: str = "slot-001", **headers: str) -> httpx.Response:
        """Hand in a photo as a camera does."""
        with self.client() as client:
            form = {"password": PASSWORD}
            return client.post(f"/ingest/{slot_id}", data=form, files={"fileToUpload": photo}, headers=headers)

    def workers(self) -> list[psutil.Process]:
        """The worker processes of this service. What a worker starts has its command line for a moment, too."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if "worker" in child.cmdline():
                        found.append(child)
        return found

    def kill(self) -> None:
        """`kill -9` for the service and its workers at once."""
        workers = self.workers()
        self.process.kill()
        for worker in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
        self.process.wait(HANG_SECONDS)

    def stop(self) -> int:
        """The stop signal; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(HANG_SECONDS)


def environment(home: Path, **settings: str) -> dict[str, str]:
    """The environment of a process of PhotoChanger with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PHOTOCHANGER_")}
    named = {f"PHOTOCHANGER_{name.upper()}": value for name, value in settings.items()}
    return {**kept, "PHOTOCHANGER_HOME": str(home), "PHOTOCHANGER_INGEST_PASSWORD": PASSWORD, **named}


def command(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "photochanger", *arguments)


@contextlib.contextmanager
def working(home: Path, *, log: IO[str] | None = None, **settings: str) -> Iterator[str]:
    """A worker of its own; yields the address of its figures, and ends it by the stop signal."""
    process = subprocess.Popen(
        command("worker"),
        env=environment(home, metrics_port="0", **settings),
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield next(line for line in process.stdout if "Metrics are at" in line).split()[-1]
    finally:
        process.terminate()
        assert process.wait(HANG_SECONDS) == 0


@contextlib.contextmanager
def serving(home: Path, *arguments: str, launcher: tuple[str, ...] = (), **settings: str) -> Iterator[Service]:
    """A service on a free port, stopped at the end if the test has not done so.

    `launcher` is a command that becomes the service once it has set what holds for it.
    A database that is given has been migrated. The window is LONG_WINDOW, unless the test sets one; that of an embedded
    database is changed once the service runs, which notices within a second.
    """
    home.mkdir(parents=True, exist_ok=True)
    if "database_url" in settings and "sync_response_seconds" not in settings:
        set_window(settings["database_url"], LONG_WINDOW)
    log = home / "service.log"
    with log.open("a") as output:
        process = subprocess.Popen(
            (*launcher, *command("serve", *arguments)),
            env=environment(home, **{"port": "0", "metrics_port": "0"} | settings),
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
    try:
        assert process.stdout is not None
        said = dict[str, str]()
        for line in process.stdout:
            start, _, end = line.rstrip().rpartition(" ")
            said[start] = end
            if start == "PhotoChanger listens on":
                break
        assert "PhotoChanger listens on" in said, log.read_text()[-3000:]
        if not {"database_url", "sync_response_seconds"} & settings.keys():
            with EmbeddedServer.start(home / "postgres") as server:
                set_window(server.url("photochanger"), LONG_WINDOW)
        yield Service(process, said["PhotoChanger listens on"], log, metrics=said["Metrics are at"])
    finally:
        if process.poll() is None:  # with its stop signal, so that nothing that it started outlives it
            process.terminate()
            process.wait(HANG_SECONDS)
        if process.stdout is not None:
            process.stdout.close()
    written = log.read_text()
    assert "Fatal Python error" not in written, "a process of the service did not end as it should"
    assert "never retrieved" not in written, "a task of the service ended with an error that nothing looked at"


def set_window(url: str, window: timedelta) -> None:
    """Let every job from now on have this sync window, also one longer than an administrator may set."""
    stored = msgspec.to_builtins({"sync_response": window})
    with psycopg.connect(url, autocommit=True) as connection:
        changed = connection.execute("update photochanger.app_settings set settings = settings || %s", (Jsonb(stored),))
        assert changed.rowcount == 1


def set_slot(url: str, slot_id: str, route: Route) -> None:
    """Give a slot this route, as an administrator does."""

    async def save() -> None:
        async with Database(url) as database:
            slots = PostgresSlotRepository(database)
            version = (await slots.get(slot_id)).version
            assert await slots.save(Slot(slot_id, slot_id, True, route), expected_version=version)

    asyncio.run(save())


def rows(url: str, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """What a query finds."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query, parameters).fetchall()


def job_states(url: str) -> list[str]:
    """The states of all jobs, oldest first."""
    return [state for (state,) in rows(url, "select state from photochanger.jobs order by created_at")]
