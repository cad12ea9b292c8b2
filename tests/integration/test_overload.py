"""Twice as many photos as the workers can make, on real processes: nothing is paid for that gives nobody a picture."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos
from tests.support.service import serving, set_slot
from tests.support.standins.server import taking
from tests.support.standins.studio import StudioStandIn

PHOTO = photos.jpeg(320, 240)
SLOT = "slot-005"
WORKERS, CALL_SECONDS, WINDOW_SECONDS = 4, 2.0, 10
GUESTS = 56
PAUSE = CALL_SECONDS / WORKERS / 2
"""Between two photos: half of what the workers need for one."""

TOLERATED = 0.1
"""The share that a machine costs on which a job now and then takes a second longer than a call."""


def test_twice_the_load_is_refused_in_time_and_every_call_gives_a_picture(tmp_path: Path, postgres_url: str) -> None:
    settings = {
        "database_url": postgres_url,
        "workers": str(WORKERS),
        "sync_response_seconds": str(WINDOW_SECONDS),
        "private_hosts": "127.0.0.1",
    }
    with StudioStandIn().running_in_thread() as studio, serving(tmp_path, **settings) as service:
        set_slot(
            postgres_url, SLOT, Route(entries=(RouteEntry("http", "image_edit", {"url": f"{studio.url}/render"}),))
        )
        studio.script(*[taking(CALL_SECONDS)] * 2 * GUESTS)
        assert service.send(PHOTO, SLOT).status_code == 200
        started = time.monotonic()

        def send(number: int) -> httpx.Response:
            threading.Event().wait(max(started + number * PAUSE - time.monotonic(), 0))
            return service.send(PHOTO, SLOT)

        with ThreadPoolExecutor(GUESTS) as guests:
            answers = [*guests.map(send, range(GUESTS))]
    pictures = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    late = [answer for answer in answers if answer.status_code == 504]
    calls = len(studio.calls()) - 1
    assert len(pictures) + len(refused) + len(late) == GUESTS
    assert len(pictures) >= (1 - TOLERATED) * calls
    assert len(pictures) >= 2 * WORKERS
    assert len(late) <= TOLERATED * GUESTS
    assert refused
    for answer in refused:
        assert answer.json()["code"] == "queue_full"
        assert 1 <= int(answer.headers["Retry-After"]) == answer.json()["retry_after"] <= WINDOW_SECONDS
