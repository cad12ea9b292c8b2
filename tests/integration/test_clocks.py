"""Real processes whose wall clocks are wrong: jobs follow the database's clock, and the difference is reported."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos
from tests.support.clock_shim import ClockShim
from tests.support.plain_http import NO_TLS
from tests.support.service import (
    HANG_SECONDS,
    LONG_WINDOW,
    Service,
    command,
    environment,
    eventually,
    rows,
    serving,
    set_slot,
    working,
)
from tests.support.standins.server import Held
from tests.support.standins.studio import StudioStandIn

PHOTO = photos.jpeg(320, 240)
SLOT = "slot-005"
SETTINGS = {"private_hosts": "127.0.0.1"}
OFFSETS = [2 * LONG_WINDOW, -2 * LONG_WINDOW, timedelta(days=2)]
"""More than the sync window, which no machine is too slow for."""

SET_TO = timedelta(hours=5)
"""Where a clock is set while its process works."""

TOLERANCE_SECONDS = 60
"""A difference is measured over a connection, which takes long on a machine that is busy or pauses."""


@pytest.fixture
def studio() -> Iterator[StudioStandIn]:
    """An image service whose calls a test can hold."""
    with StudioStandIn().running_in_thread() as running:
        yield running


def use_studio(url: str, studio: StudioStandIn) -> None:
    set_slot(url, SLOT, Route(entries=(RouteEntry("http", "image_edit", {"url": f"{studio.url}/render"}),)))


def offset(address: str, process: str) -> float:
    """How far the metrics say that the clock of a process is ahead."""
    text = httpx.get(address, verify=NO_TLS, timeout=HANG_SECONDS).text
    found = re.search(rf'photochanger_clock_offset_seconds{{process="{process}"}} (\S+)', text)
    return math.nan if found is None else float(found[1])


def is_set(seconds: float) -> bool:
    """Whether a clock is as far ahead as the test has set it."""
    return abs(seconds - SET_TO.total_seconds()) < TOLERANCE_SECONDS


def all_get_their_pictures(service: Service, url: str) -> None:
    """Send photos at the same time; each job is made at once, and its moments are in the right order."""
    with ThreadPoolExecutor(4) as cameras:
        answers = list(cameras.map(lambda _: service.send(PHOTO, SLOT), range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4, answers[0].text[:300]
    strange = """
        select id, created_at, acquired_at, finalized_at, now() from photochanger.jobs
        where attempt <> 1 or finalized_at is null
            or created_at - acquired_at > %s or acquired_at - finalized_at > %s
            or abs(extract(epoch from now() - finalized_at)) > 600
    """
    tolerance = timedelta(seconds=TOLERANCE_SECONDS)
    assert rows(url, strange, tolerance, tolerance) == []


@pytest.mark.parametrize("ahead", OFFSETS, ids=str)
def test_a_worker_whose_clock_is_wrong_makes_all_pictures(
    ahead: timedelta, tmp_path: Path, postgres_url: str, studio: StudioStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ClockShim(tmp_path, ahead, only="worker").environ.items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "home"
    with (
        serving(home, "--workers", "0", database_url=postgres_url, **SETTINGS) as service,
        working(home, database_url=postgres_url, **SETTINGS) as worker_metrics,
    ):
        seconds = ahead.total_seconds()
        assert eventually(lambda: abs(offset(worker_metrics, "worker") - seconds) < TOLERANCE_SECONDS)
        assert eventually(lambda: abs(offset(service.metrics, "serve")) < TOLERANCE_SECONDS)
        reported = eventually(lambda: rows(postgres_url, "select clock_ahead_seconds from photochanger.workers"))
        assert reported == [(pytest.approx(seconds, abs=TOLERANCE_SECONDS),)], "in the status of all hosts"
        use_studio(postgres_url, studio)
        all_get_their_pictures(service, postgres_url)


def test_a_service_whose_clock_is_wrong_or_is_set_while_it_works(
    tmp_path: Path, postgres_url: str, studio: StudioStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = ClockShim(tmp_path, -2 * LONG_WINDOW)
    for name, value in shim.environ.items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "home"
    with serving(home, database_url=postgres_url, **SETTINGS) as service, ThreadPoolExecutor(1) as cameras:
        use_studio(postgres_url, studio)
        all_get_their_pictures(service, postgres_url)
        held = Held()
        studio.script(held)
        answer = cameras.submit(service.send, PHOTO, SLOT)
        eventually(lambda: len(studio.calls()) == 5)
        shim.set(SET_TO)
        for process in ("serve", "worker"):
            assert eventually(lambda process=process: is_set(offset(service.metrics, process)))
        held.release()
        assert answer.result().status_code == 200
        all_get_their_pictures(service, postgres_url)
        noted = re.findall(r"(\S+) s ahead of the database's", service.log.read_text())
        assert any(is_set(float(seconds)) for seconds in noted)
        done = subprocess.run(
            command("doctor"),
            env=environment(home, database_url=postgres_url, **SETTINGS),
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )
        advice = re.search(r"FIX  clock: (\S+) s ahead of the database's; the difference is corrected", done.stdout)
        assert advice is not None, done.stdout
        assert is_set(float(advice[1]))
        assert service.stop() == 0
