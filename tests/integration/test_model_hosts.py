"""The whole service over HTTP with stand-ins of fal and Replicate behind it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from msgspec import Struct
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos
from tests.support.service import Service, eventually, rows, serving, set_slot
from tests.support.standins import fal, replicate
from tests.support.standins.fal import FalStandIn
from tests.support.standins.replicate import ReplicateStandIn

FAL, REPLICATE, REFUSED = (f"slot-{number:03d}" for number in range(5, 8))
PROMPT = {"prompt": "An oil painting"}
LARGE = photos.jpeg(1000, 800, quality=97, grain=20.0)
"""A photo that Replicate is not sent inside of a request."""

ENTRIES = {name: RouteEntry(name, "image_edit", PROMPT) for name in ("fal", "replicate")}


class Stage(Struct):
    """A running service, the database behind it, and the stand-ins that it asks."""

    service: Service
    url: str
    fal: FalStandIn
    replicate: ReplicateStandIn


@contextlib.contextmanager
def staged(home: Path, url: str) -> Iterator[Stage]:
    with FalStandIn().running_in_thread() as at_fal, ReplicateStandIn().running_in_thread() as at_replicate:
        at_fal.seconds = at_replicate.seconds = 3600  # the window of these tests
        configured = {
            "database_url": url,
            "private_hosts": "127.0.0.1",
            "fal_api_key": fal.KEY,
            "fal_base_url": at_fal.url,
            "replicate_api_key": replicate.KEY,
            "replicate_base_url": at_replicate.base_url,
        }
        with serving(home, **configured) as service:
            set_slot(url, FAL, Route(entries=(ENTRIES["fal"],)))
            set_slot(url, REPLICATE, Route(entries=(ENTRIES["replicate"],)))
            local = RouteEntry("local", "enhance")
            set_slot(url, REFUSED, Route(entries=(ENTRIES["fal"], ENTRIES["replicate"], local)))
            yield Stage(service, url, at_fal, at_replicate)


def size_of(answer: httpx.Response) -> tuple[int, int]:
    """The size of the picture that came back, decoded whole."""
    assert answer.status_code == 200, answer.text
    return photos.pixels(answer.content).size


def test_hosts_of_models_get_small_upright_photos_and_refusals_open_no_breaker(
    tmp_path: Path, postgres_url: str
) -> None:
    with staged(tmp_path, postgres_url) as stage:
        camera = photos.located("JPEG", 2400, 1600, orientation=6)
        assert size_of(stage.service.send(camera, FAL)) == (96, 64)
        assert size_of(stage.service.send(camera, REPLICATE)) == (96, 64)
        assert size_of(stage.service.send(LARGE, REPLICATE)) == (96, 64)
        for stand_in in (stage.fal, stage.replicate, stage.fal.delivery, stage.replicate.delivery):
            assert stand_in.refused == []
        eventually(lambda: stage.replicate.files == {})
        assert len(stage.replicate.calls("upload")) == len(stage.replicate.deleted) == 1

        stage.fal.script(*[fal.policy()] * 6, call="result")
        stage.replicate.changes = {"status": "failed", "error": "flagged as sensitive (E005)"}
        stage.fal.steps = stage.replicate.steps = 0
        with ThreadPoolExecutor(6) as cameras:
            for answer in cameras.map(stage.service.send, [photos.jpeg(160, 120)] * 6, [REFUSED] * 6):
                assert size_of(answer) == (160, 120)
        verdicts = "select distinct detail->>'provider', detail->>'classification' from photochanger.processing_logs"
        refused = f"{verdicts} where event = 'attempt' and detail->>'classification' = 'rejected' order by 1"
        eventually(lambda: rows(stage.url, refused) == [("fal", "rejected"), ("replicate", "rejected")])
        opened = "select count(*) from photochanger.provider_usage where usage->>'open_until' is not null"
        assert rows(stage.url, opened) == [(0,)]
        assert size_of(stage.service.send(camera, FAL)) == (96, 64)


def test_a_worker_killed_in_the_middle_is_followed_by_one_that_goes_on(tmp_path: Path, postgres_url: str) -> None:
    with staged(tmp_path, postgres_url) as stage, ThreadPoolExecutor(2) as cameras:
        stage.fal.steps = stage.replicate.steps = 10**6
        answers = [cameras.submit(stage.service.send, LARGE, slot) for slot in (FAL, REPLICATE)]
        eventually(lambda: stage.fal.calls("status") and stage.replicate.calls("get"))
        for worker in stage.service.workers():
            worker.kill()
        stage.fal.end()
        stage.replicate.end()
        assert [size_of(answer.result()) for answer in answers] == [(96, 64), (96, 64)]
        (first,), (second,) = stage.fal.works, stage.replicate.works
        saved = rows(stage.url, "select attempt, provider_job_reference from photochanger.jobs order by created_at")
        assert sorted(attempt for attempt, _ in saved) == [2, 2]
        assert all(any(id in reference for _, reference in saved) for id in (first, second))
        for stand_in in (stage.fal, stage.replicate, stage.fal.delivery, stage.replicate.delivery):
            assert stand_in.refused == []
        eventually(lambda: stage.replicate.files == {})
        assert len(stage.replicate.deleted) == 1
