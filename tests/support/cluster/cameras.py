"""Cameras that send the demo's photos all the time, and send a photo again where it got no picture."""

from __future__ import annotations

import io
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple, Self
from uuid import uuid4

import httpx
from PIL import Image

from tests.support.evening import demo_photo
from tests.support.plain_http import NO_TLS
from tests.support.service import HANG_SECONDS, PASSWORD, eventually

SLOTS = ("slot-001", "slot-002", "slot-003", "slot-004")
_PHOTOS = ("portrait", "coffee", "cat", "pavilion")
_CAMERAS = 3
_GIVES_UP_SECONDS = 180.0
_AGAIN_SECONDS = 0.5


class Shot(NamedTuple):
    """One photo: when it was sent, how long its camera waited, how often it was sent, and why it has no picture."""

    began: float
    seconds: float
    tries: int
    problem: str


class Cameras:
    """Booths that each take the next photo when the last one is back, from the start of the block to its end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ended = threading.Event()
        self._numbers = itertools.count()
        self._pool = ThreadPoolExecutor(_CAMERAS)
        self.shots: list[Shot] = []

    def __enter__(self) -> Self:
        self._booths = [self._pool.submit(self._booth) for _ in range(_CAMERAS)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._pool.shutdown()
        for booth in self._booths:
            booth.result()

    def wait_for(self, count: int) -> list[Shot]:
        """Return the photos that were sent from now on and are back, once there are that many."""
        now = time.monotonic()
        return eventually(lambda: self._since(now, count), seconds=_GIVES_UP_SECONDS + HANG_SECONDS)

    def _since(self, moment: float, count: int) -> list[Shot]:
        found = [shot for shot in self.shots if shot.began >= moment]
        return found if len(found) >= count else []

    def _booth(self) -> None:
        with httpx.Client(verify=NO_TLS, timeout=HANG_SECONDS) as client:
            while not self._ended.is_set():
                self.shots.append(self._send(client, next(self._numbers)))

    def _send(self, client: httpx.Client, number: int) -> Shot:
        photo = _distinct(demo_photo(_PHOTOS[number % len(_PHOTOS)]), number)
        headers = {"Idempotency-Key": str(uuid4())}
        began, tries, problem = time.monotonic(), 0, "not sent"
        while time.monotonic() - began < _GIVES_UP_SECONDS:
            tries += 1
            try:
                answer = client.post(
                    f"{self._url}/ingest/{SLOTS[number % len(SLOTS)]}",
                    data={"password": PASSWORD},
                    files={"fileToUpload": ("photo.jpg", photo)},
                    headers=headers,
                )
            except httpx.HTTPError as error:
                problem = type(error).__name__
            else:
                problem = self._wrong(client, answer)
                if not problem:
                    break
            time.sleep(_AGAIN_SECONDS)
        return Shot(began, time.monotonic() - began, tries, problem)

    def _wrong(self, client: httpx.Client, answer: httpx.Response) -> str:
        """What is wrong with an answer; empty for a picture whose public link leads to the same bytes."""
        if answer.status_code != 200:
            return f"{answer.status_code} {answer.text[:200]}"
        try:
            with Image.open(io.BytesIO(answer.content)) as picture:
                picture.load()
            public = client.get(f"{self._url}/public/results/{answer.headers['x-job-id']}")
        except (OSError, httpx.HTTPError) as error:
            return type(error).__name__
        return "" if public.content == answer.content else f"the public link answers {public.status_code}"


def _distinct(jpeg: bytes, number: int) -> bytes:
    """The same photo with a comment that makes it another file."""
    comment = f"photo {number} {uuid4()}".encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + jpeg[2:]
