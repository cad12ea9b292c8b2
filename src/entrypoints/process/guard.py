"""The end of a process in bounded time, whatever its threads and its event loop do (ADR 46)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from types import FrameType, TracebackType
from typing import NoReturn, Self

from ...adapters.system_clock import SYSTEM_CLOCK
from ...core.domain.errors import ConfigurationError
from ..silence import TICK, Silence

_log = logging.getLogger("photochanger.process")

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

EXIT_LIMIT = timedelta(seconds=5)
"""How long a process whose work has ended may take to exit: Python waits for threads without a bound."""

_LAST_ACTS_LIMIT = timedelta(seconds=5)
"""How long the last acts of a forced end may take."""

_REPORT_LIMIT = timedelta(seconds=1)
"""How long its log line may take; standard error may be a pipe that nothing reads."""

_LAST_RESORT = timedelta(seconds=10)
"""How much later than the forced end the kernel ends a process in which no Python code can run."""

_FINISHED, _STOP = 0, 255  # on the pipe next to the numbers of signals, which are 1 to 64
_MAX_STACK_LINES = 12
_MILLISECOND = timedelta(milliseconds=1)


class ProcessGuard:
    """Takes the stop signals of this process and forces its end where it does not end by itself.

    - The first SIGTERM or SIGINT (or `stop`) calls the function given to `on_stop`; the block of `running` must have
      ended `grace` later. The second signal calls `hurry`, after which `hurry_grace` is left; the third one ends the
      process at once, with status 128 + its number.
    - A process that does not take `signals` ignores them: the one that started it stops it in another way.
    - Once that block has ended, the process must exit within EXIT_LIMIT.
    - While `watching`, the event loop must run at least once in every `hang_limit`.

    A thread of its own waits for all this. Signals reach it through a pipe that the interpreter's C handler writes to,
    so they arrive while the event loop or the main thread is blocked. Where nothing can run because a thread keeps
    Python's lock, an alarm of the kernel ends a process that is stopping, and one that is watched `by_kernel`.
    """

    def __init__(
        self,
        *,
        grace: timedelta,
        hang_limit: timedelta,
        hurry_grace: timedelta = timedelta(0),
        signals: bool = True,
    ) -> None:
        self._grace = grace
        self._hurry_grace = hurry_grace
        self._signals = signals
        self._hang_limit = hang_limit
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._lock = threading.Lock()
        self._on_stop: Callable[[], None] | None = None
        self._on_hurry: Callable[[], None] | None = None
        self._stopping = self._hurrying = self._finishing = False
        self._code = 0
        self._last_acts: list[Callable[[], None]] = []
        self._silence: Silence | None = None

    def __enter__(self) -> Self:
        """Take the signals from now on. Main thread only."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._handle)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="process guard", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish(error)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """A block with everything that the process does on its event loop."""
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)  # uvloop has set its own one for its run
        try:
            yield
        except BaseException as error:
            self._finish(error)
            raise
        self._finish(None)

    def on_stop(self, stop: Callable[[], None], *, hurry: Callable[[], None] | None = None) -> None:
        """Let the first stop signal call `stop` on the running event loop; immediately where it has arrived.

        The second one calls `hurry`. Without that function it ends the process.
        """
        loop = asyncio.get_running_loop()
        with self._lock:
            self._on_stop = lambda: _on_loop(loop, stop)
            if hurry is not None:
                self._on_hurry = lambda: _on_loop(loop, hurry)
            if self._stopping:
                stop()

    @contextlib.contextmanager
    def watching(self, *, alive: Callable[[], None] | None = None, by_kernel: bool = False) -> Iterator[None]:
        """A block in which the event loop must not be blocked for `hang_limit`: the process ends with status 1.

        `alive` is called at every tick of the loop.
        `by_kernel`: ends the process also where no Python code can run, after three times the limit. Not for processes
        that nothing replaces: a process that was only paused that long ends, too.
        """
        loop = asyncio.get_running_loop()
        alarm = 3 * self._hang_limit.total_seconds() if by_kernel else 0.0
        silence = Silence(SYSTEM_CLOCK.monotonic())
        handle: asyncio.TimerHandle | None = None

        def beat() -> None:
            nonlocal handle
            silence.broken(SYSTEM_CLOCK.monotonic())
            if alive is not None:
                alive()
            if alarm and not self._stopping:
                signal.setitimer(signal.ITIMER_REAL, alarm)
            handle = loop.call_later(TICK.total_seconds(), beat)

        beat()
        self._silence = silence
        try:
            yield
        finally:
            self._silence = None
            if handle is not None:
                handle.cancel()

    def at_forced_end(self, act: Callable[[], None]) -> None:
        """Add what is done where a stop is forced: in a thread of its own, and for a few seconds at most."""
        self._last_acts.append(act)

    def stop(self, code: int = 0) -> None:
        """Stop as after the first signal; safe from any thread. `code`: the exit status if the end must be forced."""
        self._code = code
        self._send(_STOP)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Python's own handler of a signal; it counts where the signal itself went to uvloop's pipe."""
        if self._signals:
            self._send(_STOP)

    def _finish(self, error: BaseException | None) -> None:
        self._code = _exit_status(error)
        self._send(_FINISHED)

    def _send(self, what: int) -> None:
        with contextlib.suppress(BlockingIOError):  # full of signals; the guard has enough to do
            os.write(self._write, bytes((what,)))

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        deadline: timedelta | None = None
        while True:
            pause = TICK if deadline is None else min(deadline - SYSTEM_CLOCK.monotonic(), TICK)
            if poll.poll(max(pause / _MILLISECOND, 0.0)):
                deadline = self._take(os.read(self._read, 1)[0], deadline)
            now, silence = SYSTEM_CLOCK.monotonic(), self._silence
            if deadline is not None and now >= deadline:
                self._force(self._code, f"{_unfinished()}; ending the process")
            if silence is not None and silence.duration(now) >= self._hang_limit and not self._stopping:
                limit = self._hang_limit.total_seconds()
                self._last_acts.clear()  # nothing was asked to stop: what depends on this process ends in its own way
                self._force(1, f"event loop blocked for {limit:g} s; ending the process\n{_main_stack()}")

    def _take(self, what: int, deadline: timedelta | None) -> timedelta | None:
        """Handle a signal or a command; returns by when the process must have ended."""
        now = SYSTEM_CLOCK.monotonic()
        if what == _FINISHED:
            was, self._finishing = self._finishing, True
            self._last_acts.clear()  # everything has been closed
            return deadline if was else now + EXIT_LIMIT
        if what != _STOP and not (self._signals and what in STOP_SIGNALS):
            return deadline  # a signal that is not ours to handle
        with self._lock:
            again, self._stopping = self._stopping, True
            on_stop = self._on_stop
        if again or self._finishing:
            return deadline if what == _STOP else self._insist(what, deadline)
        last_resort = self._grace + EXIT_LIMIT + _LAST_ACTS_LIMIT + _LAST_RESORT
        signal.setitimer(signal.ITIMER_REAL, last_resort.total_seconds())
        if on_stop is not None:
            on_stop()
        return now + self._grace

    def _insist(self, number: int, deadline: timedelta | None) -> timedelta | None:
        """Handle a further signal; returns by when the process must have ended."""
        if self._hurrying or self._on_hurry is None:
            self._force(128 + number, "a further stop signal; ending the process")
        self._hurrying = True
        self._on_hurry()
        end = SYSTEM_CLOCK.monotonic() + self._hurry_grace
        return end if deadline is None else min(deadline, end)

    def _force(self, code: int, reason: str) -> NoReturn:
        def report() -> None:
            _log.error("%s", reason)
            logging.shutdown()

        acts = [threading.Thread(target=act, name="last act", daemon=True) for act in (*self._last_acts, report)]
        with contextlib.suppress(RuntimeError):  # the interpreter starts no more threads
            for act in acts:
                act.start()
        end = SYSTEM_CLOCK.monotonic() + (_LAST_ACTS_LIMIT if self._last_acts else _REPORT_LIMIT)
        for act in acts:
            if act.is_alive():
                act.join(max((end - SYSTEM_CLOCK.monotonic()).total_seconds(), 0.0))
        os._exit(code)


def _on_loop(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left to stop
        loop.call_soon_threadsafe(stop)


def _exit_status(error: BaseException | None) -> int:
    """The status that the command line gives this end."""
    if error is None:
        return 0
    return 2 if isinstance(error, ConfigurationError) else 1


def _unfinished() -> str:
    """What still runs: names of threads, and where they are."""
    frames = sys._current_frames()
    guard = threading.get_ident()
    waiting = []
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if thread.ident != guard and not (thread.daemon or frame is None):
            code = frame.f_code
            waiting.append(f"{thread.name} in {code.co_name} ({code.co_filename}:{frame.f_lineno})")
    return "stopping takes too long, threads still run: " + ", ".join(waiting)


def _main_stack() -> str:
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    return "".join(traceback.format_stack(frame)[-_MAX_STACK_LINES:]) if frame is not None else ""
