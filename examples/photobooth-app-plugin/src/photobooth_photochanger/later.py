"""Work in the background, a few pieces at once: each is tried until it is done, or trying again is no use."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Lock

from .service import NoPicture

_log = logging.getLogger(__name__)

AT_ONCE = 2
MAX_WAITING = 100
MAX_TRIES = 6


class Later:
    """Does pieces of work: functions that raise NoPicture. `given_up` is called with the last error of a piece."""

    def __init__(self, given_up: Callable[[NoPicture], None]) -> None:
        self._given_up = given_up
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="photochanger")
        self._stopped = Event()
        self._lock = Lock()
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """How many pieces of work are not done."""
        return self._waiting

    def add(self, work: Callable[[], None]) -> None:
        """Add a piece of work; where too many wait already it is given up."""
        with self._lock:
            is_full = self._waiting >= MAX_WAITING
            self._waiting += not is_full
        if is_full:
            self._given_up(NoPicture(f"{MAX_WAITING} photos wait for their pictures already"))
            return
        self._threads.submit(self._do, work).add_done_callback(self._done)

    def stop(self) -> None:
        """Give up what waits, and return when nothing is under way. Who owns the calls must end them before."""
        self._stopped.set()
        self._threads.shutdown(cancel_futures=True)

    def _do(self, work: Callable[[], None]) -> None:
        for number in range(1, MAX_TRIES + 1):
            try:
                return work()
            except NoPicture as problem:
                pause = problem.retry_seconds
                if pause is None or number == MAX_TRIES or self._stopped.wait(pause):
                    self._given_up(problem)
                    return None
        return None

    def _done(self, piece: Future[None]) -> None:
        with self._lock:
            self._waiting -= 1
        if piece.cancelled():
            self._given_up(NoPicture("the booth stops"))
        elif (error := piece.exception()) is not None:
            _log.error("a photo failed in the background", exc_info=error)
