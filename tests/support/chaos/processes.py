"""Processes of PhotoChanger as a service manager runs them: started again when they end, with one log each."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from tests.support.chaos.pace import pause
from tests.support.chaos.report import tail
from tests.support.service import command

START_SECONDS = 400
"""Bounds a start on a machine that is busy with other things."""

_LOOK_SECONDS = 0.05
_AGAIN_SECONDS = 0.3


class ManagedProcess:
    """One process, and its successors.

    `unexpected` is called with a sentence and the last lines of the log when it ends though nothing ended it.
    """

    def __init__(
        self,
        name: str,
        arguments: tuple[str, ...],
        environ: Mapping[str, str],
        log: Path,
        *,
        ready: str,
        unexpected: Callable[..., None],
    ) -> None:
        self.name = name
        self.log = log
        self.killed_at: float | None = None
        self.starts = 0
        self.environ = dict(environ)
        self._arguments = arguments
        self._ready = ready
        self._unexpected = unexpected
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False
        self._busy = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    async def start(self) -> None:
        """Start it, and wait until it says that it is ready. It is started again until it succeeds."""
        async with self._busy:
            await self._start()

    async def kill(self, *also: psutil.Process) -> None:
        """`kill -9`, for these processes too, and a new start at once."""
        async with self._busy:
            assert self._process is not None
            for process in also:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.kill()
            self.killed_at = time.monotonic()
            await self._wait()
            await self._start()

    async def restart(self, *, within: float) -> None:
        """The stop signal, its end with exit code 0 in this time, and a new start."""
        async with self._busy:
            assert self._process is not None
            self._process.send_signal(signal.SIGTERM)
            await self._ended_by_signal(within)
            await self._start()

    async def freeze(self, seconds: float, *, pid: int | None = None) -> None:
        """SIGSTOP, and SIGCONT after this time; for another process of the service where `pid` names one."""
        async with self._busy:
            assert self._process is not None
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(self._process.pid if pid is None else pid)
                process.suspend()
                try:
                    await pause(seconds)
                finally:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.resume()

    async def keep(self) -> None:
        """Start it again whenever it ends by itself, until cancelled."""
        while True:
            await pause(_LOOK_SECONDS)
            if self._busy.locked() or self._process is None or self._process.poll() is None:
                continue
            async with self._busy:
                if self._process.poll() is not None:
                    self._unexpected(
                        f"{self.name} (start {self.starts}) ended by itself with code {self._process.returncode}"
                    )
                    await self._start()

    async def stop(self, *, within: float) -> None:
        """The stop signal and its end, at the end of the campaign."""
        async with self._busy:
            if self._process is not None and self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
                await self._ended_by_signal(within)

    def end(self) -> None:
        """End it, whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _report_end(self, text: str) -> None:
        self._unexpected(text, *tail(self.log))

    async def _ended_by_signal(self, within: float) -> None:
        assert self._process is not None
        try:
            code = await asyncio.to_thread(self._process.wait, within)
        except subprocess.TimeoutExpired:
            self._report_end(f"{self.name} (start {self.starts}) still ran {within:.0f} s after its stop signal")
            self._process.kill()
            await self._wait()
            return
        if code:
            self._report_end(f"{self.name} (start {self.starts}) ended with code {code} after its stop signal")

    async def _start(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            self.starts += 1
            offset = self.log.stat().st_size if self.log.exists() else 0
            with self.log.open("ab") as output:
                self._process = subprocess.Popen(  # noqa: ASYNC220 - a fork, for a moment
                    command(*self._arguments), env=self.environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output
                )
            while self._process.poll() is None and time.monotonic() < end:
                if self._ready in self._said(offset):
                    return
                await pause(_LOOK_SECONDS)
            if self._process.poll() is not None:
                self._report_end(f"{self.name} (start {self.starts}) could not start, code {self._process.returncode}")
                await pause(_AGAIN_SECONDS)
        raise AssertionError(f"{self.name} did not start: {self._said(0)[-2000:]}")

    def _said(self, offset: int) -> str:
        with self.log.open("rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")

    async def _wait(self) -> None:
        assert self._process is not None
        await asyncio.to_thread(self._process.wait)
