"""Cameras that send photos all the time, and send a photo again where it had no answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Sequence
from functools import lru_cache
from random import Random

import msgspec
from PIL import Image

from tests.support import photos
from tests.support.chaos.exchange import PROMPT, Broken, HungUp, Manner, Refused, Reply, send_photo
from tests.support.chaos.pace import Slowness, pause

PICTURE_KINDS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")
GIVES_UP_SECONDS = 90.0
"""How long a camera goes on sending one photo. The time in which the service starts, and nothing listens, is extra."""

_STARTING_SECONDS = 600.0
"""How long it goes on at the most."""

_AGAIN_SECONDS = 0.3
_MAX_AGAIN_SECONDS = 3.0
_APART_SECONDS = 0.35
_BOOTHS = 16
"""Photos under way at most: a booth takes its next one when the last has its answer."""

_LATE_AGAIN_SECONDS = 0.5
_RETRIED = (408, 429, 500, 503)


class Try(msgspec.Struct, frozen=True):
    """One request for a photo, and how it ended."""

    started: float
    seconds: float
    end: str
    """`answered`, `refused`, `broken`, `left`, or `hung`: no answer while the camera waited."""

    status: int = 0
    code: str = ""
    job_id: str = ""
    sha256: str = ""
    text: str = ""

    def __str__(self) -> str:
        said = f"{self.status} {self.code}" if self.end == "answered" else self.end
        return f"{said} after {self.seconds:.2f} s {self.job_id} {self.text}".rstrip()


class Shot:
    """A photo with its key and all requests for it."""

    def __init__(self, name: str, slot_id: str, photo: bytes) -> None:
        self.name = name
        self.slot_id = slot_id
        self.photo = photo
        self.sha256 = hashlib.sha256(photo).hexdigest()
        self.tries: list[Try] = []

    @property
    def answer(self) -> Try | None:
        """The last request, where it was answered."""
        return self.tries[-1] if self.tries and self.tries[-1].end == "answered" else None

    @property
    def reached_at(self) -> float:
        """When the first request began that found the service listening."""
        return next((made.started for made in self.tries if made.end != "refused"), 0.0)

    @property
    def has_picture(self) -> bool:
        return self.answer is not None and self.answer.status == 200

    def __str__(self) -> str:
        return f"{self.name} to {self.slot_id}: " + "; ".join(map(str, self.tries))


class Cameras:
    """Sends distinct photos with keys to slots drawn by the seed; `bound` is when a request counts as hung.

    On a slow machine a camera is more patient.
    """

    def __init__(
        self,
        port: int,
        slots: Sequence[str],
        *,
        seed: str,
        bound: float,
        slowness: Slowness,
        rescued: Sequence[str] = (),
    ) -> None:
        self.shots: list[Shot] = []
        self._port = port
        self._slots = slots
        self._rescued = rescued
        self._seed = seed
        self._bound = bound
        self._slowness = slowness
        self._dice = Random(f"cameras {seed}")
        self._manners: list[Manner] = []
        self._booths = asyncio.Semaphore(_BOOTHS)

    def behave(self, manners: Sequence[Manner]) -> None:
        """The next photos are sent in these manners, one each."""
        self._manners += manners

    async def shoot(self, ending: asyncio.Event) -> None:
        """Send photos until `ending` is set; returns when each has its answer, or its camera has given up."""
        async with asyncio.TaskGroup() as tasks:
            while not ending.is_set():
                await self._booths.acquire()
                shot = self._next()
                self.shots.append(shot)
                manner = self._manners.pop() if self._manners else PROMPT
                tasks.create_task(self._insist(shot, manner)).add_done_callback(lambda task: self._booths.release())
                await pause(self._dice.uniform(0.5, 1.5) * _APART_SECONDS)

    async def _insist(self, shot: Shot, manner: Manner) -> None:
        left, give_up_at = GIVES_UP_SECONDS, time.monotonic() + _STARTING_SECONDS
        asks_late = shot.slot_id in self._rescued
        while True:
            made, again_in = await self._try(shot, manner)
            shot.tries.append(made)
            manner = PROMPT
            if made.status == 504 and asks_late:
                asks_late = False
                again_in = _LATE_AGAIN_SECONDS
            elif made.end == "hung" or (made.end == "answered" and made.status not in _RETRIED):
                return
            if made.end != "refused":
                left -= (made.seconds + again_in) / self._slowness.now
            if left <= 0 or time.monotonic() > give_up_at:
                return
            await pause(again_in)

    async def _try(self, shot: Shot, manner: Manner) -> tuple[Try, float]:
        started = time.monotonic()

        def ended(end: str, reply: Reply | None = None, text: str = "") -> Try:
            seconds = time.monotonic() - started
            if reply is None:
                return Try(started, seconds, end, text=text)
            problem = _problem(reply)
            job_id = reply.headers.get("x-job-id", "") or str(problem.get("job_id") or "")
            code = str(problem.get("code", ""))
            if reply.status != 200:
                return Try(started, seconds, end, reply.status, code, job_id, text=str(problem.get("detail", ""))[:200])
            whole = reply.body.startswith(PICTURE_KINDS)
            checksum = hashlib.sha256(reply.body).hexdigest()
            return Try(started, seconds, end, 200, "" if whole else "no picture", job_id, checksum)

        try:
            reply = await send_photo(
                self._port,
                shot.slot_id,
                shot.photo,
                key=f"key-{shot.name}",
                fields={"shot": shot.name},
                manner=manner,
                patience=self._bound + manner.sending_seconds,
            )
        except Refused as error:
            return ended("refused", text=str(error)[:60]), _AGAIN_SECONDS
        except Broken as error:
            return ended("broken", text=str(error)[:60]), _AGAIN_SECONDS
        except HungUp:
            return ended("left"), 0.0
        except TimeoutError:
            return ended("hung"), 0.0
        asked = reply.headers.get("retry-after", "")
        again_in = float(asked) if asked.isdigit() else _AGAIN_SECONDS
        return ended("answered", reply), min(max(again_in, _AGAIN_SECONDS), _MAX_AGAIN_SECONDS)

    def _next(self) -> Shot:
        number = len(self.shots) + 1
        return Shot(f"{self._seed}-{number}", self._dice.choice(self._slots), _photo(f"{self._seed}-{number}"))


def _problem(reply: Reply) -> dict[str, object]:
    if "json" not in reply.headers.get("content-type", ""):
        return {}
    try:
        found = json.loads(reply.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _photo(name: str) -> bytes:
    """A small photo that no other name has."""
    tint = hashlib.sha256(name.encode()).digest()
    picture = _base().copy()
    for place, value in enumerate(tint):
        picture.paste(
            (value, tint[-1 - place], 128), (place % 8 * 16, place // 8 * 16, place % 8 * 16 + 8, place // 8 * 16 + 8)
        )
    return photos.encoded(picture, "JPEG", quality=85)


@lru_cache(maxsize=1)
def _base() -> Image.Image:
    return photos.scene(160, 120)
