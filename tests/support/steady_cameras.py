"""Cameras that send photos at a steady pace while something goes wrong, and what each of them got."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple, Self

import httpx

from tests.support import photos
from tests.support.service import HANG_SECONDS, Service


class Shot(NamedTuple):
    """One photo: its answer, and how long the camera waited for it."""

    status: int
    code: str
    seconds: float


class SteadyCameras:
    """Sends `per_second` different photos from the start of the block to its end, then waits for all answers."""

    def __init__(self, service: Service, slot_id: str, *, per_second: float = 4.0) -> None:
        self._service = service
        self._slot_id = slot_id
        self._pause = 1 / per_second
        self._stopped = threading.Event()
        self._numbers = itertools.count()
        self._pool = ThreadPoolExecutor(256)
        self._sent: list[Future[Shot]] = []
        self._thread = threading.Thread(target=self._send, name="cameras")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._pool.shutdown()

    @property
    def sent(self) -> int:
        """How many photos are on their way or answered."""
        return len(self._sent)

    def go_on_for(self, seconds: float) -> None:
        """Return when that many seconds' worth of further photos has been sent."""
        enough = self.sent + round(seconds / self._pause)
        while self.sent < enough:
            time.sleep(self._pause / 4)

    def shots(self) -> list[Shot]:
        """What the cameras got; after the block."""
        return [future.result() for future in self._sent]

    def summary(self) -> dict[str, int]:
        """How many answers of each kind; after the block."""
        return dict(Counter(f"{shot.status} {shot.code}".strip() for shot in self.shots()))

    def _send(self) -> None:
        while not self._stopped.wait(self._pause):
            number = next(self._numbers)
            photo = photos.jpeg(96 + number % 64, 64 + number // 64)
            self._sent.append(self._pool.submit(self._shoot, photo))

    def _shoot(self, photo: bytes) -> Shot:
        began = time.monotonic()
        try:
            answer = self._service.send(photo, self._slot_id)
        except httpx.HTTPError as error:
            return Shot(0, type(error).__name__, time.monotonic() - began)
        code = "" if answer.status_code == 200 else answer.json().get("code", "")
        assert time.monotonic() - began < HANG_SECONDS
        return Shot(answer.status_code, code, time.monotonic() - began)
