"""Twice as many photos as the workers can make, on real processes: nothing is paid for that gives nobody a picture."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import httpx
from photochanger.adapters.postgres import EmbeddedServer
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos
from tests.support.postgres_server import fresh_database
from tests.support.service import eventually, serving, set_slot
from tests.support.standins.server import taking
from tests.support.standins.studio import StudioStandIn

PHOTO = photos.jpeg(320, 240)
SLOT = "slot-005"
WORKERS, CALL_SECONDS, WINDOW_SECONDS = 4, 2.0, 10
GUESTS = 56
SCALES = (1, 2, 6)
"""How many times longer calls and windows are, until what the machine adds to a job is little beside them."""

TOLERATED = 0.1
"""The share that a machine costs on which a job now and then takes a second longer than a call."""


class Rush(NamedTuple):
    """What the guests were answered, and how many calls were paid for."""

    answers: list[httpx.Response]
    calls: int

    def of(self, status: int) -> list[httpx.Response]:
        return [answer for answer in self.answers if answer.status_code == status]

    def is_fair(self) -> bool:
        """Whether nearly every call gave a picture, and nearly every photo without one was refused at once."""
        pictures, refused, late = (len(self.of(status)) for status in (200, 429, 504))
        nearly_all = pictures >= (1 - TOLERATED) * self.calls and late <= TOLERATED * GUESTS
        return nearly_all and pictures + refused + late == GUESTS and pictures >= 2 * WORKERS and refused > 0


def rush(home: Path, url: str, *, scale: int) -> Rush:
    """GUESTS come within half of the time that the workers need for them."""
    settings = {
        "database_url": url,
        "workers": str(WORKERS),
        "sync_response_seconds": str(WINDOW_SECONDS * scale),
        "private_hosts": "127.0.0.1",
    }
    call, pause = CALL_SECONDS * scale, CALL_SECONDS * scale / WORKERS / 2
    with StudioStandIn().running_in_thread() as studio, serving(home, **settings) as service:
        set_slot(url, SLOT, Route(entries=(RouteEntry("http", "image_edit", {"url": f"{studio.url}/render"}),)))
        studio.script(*[taking(call)] * 2 * GUESTS)
        with service.client() as client:
            eventually(lambda: client.get("/readyz").status_code == 200)
        first = service.send(PHOTO, SLOT)
        if first.status_code != 200:
            return Rush([first], len(studio.calls()))
        started = time.monotonic()

        def send(number: int) -> httpx.Response:
            threading.Event().wait(max(started + number * pause - time.monotonic(), 0))
            return service.send(PHOTO, SLOT)

        with ThreadPoolExecutor(GUESTS) as guests:
            answers = [*guests.map(send, range(GUESTS))]
        return Rush(answers, len(studio.calls()) - 1)


def test_twice_the_load_is_refused_in_time_and_every_call_gives_a_picture(
    tmp_path: Path, postgres_server: EmbeddedServer
) -> None:
    for scale in SCALES:
        with fresh_database(postgres_server) as url:
            seen = rush(tmp_path / str(scale), url, scale=scale)
        if seen.is_fair():
            break
    assert seen.is_fair(), ([answer.status_code for answer in seen.answers], seen.calls)
    for answer in seen.of(429):
        assert answer.json()["code"] == "queue_full"
        retry_after = answer.json()["retry_after"]
        assert 1 <= int(answer.headers["Retry-After"]) == retry_after <= WINDOW_SECONDS * scale
