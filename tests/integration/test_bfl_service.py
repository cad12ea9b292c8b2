"""The whole service with the provider `bfl`: pictures, refusals, and work that goes on when its worker is killed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import httpx
import pytest
from photochanger.adapters.postgres import EmbeddedServer
from photochanger.core.domain.slots.slot import Route, RouteEntry
from PIL import Image

from tests.support import photos
from tests.support.postgres_server import fresh_database
from tests.support.service import Service, eventually, rows, serving, set_slot
from tests.support.standins.bfl import KEY, BflStandIn

SLOT, WITH_FALLBACK = "slot-005", "slot-006"
BFL = RouteEntry("bfl", "image_edit", {"prompt": "An oil painting", "seed": 7})
LOCAL = RouteEntry("local", "stylize", {"look": "oil"})
PHOTO = photos.jpeg(3000, 2000)


class Stage(NamedTuple):
    """A running service, its database, and the stand-in of BFL."""

    service: Service
    url: str
    bfl: BflStandIn

    def attempts(self, answer: httpx.Response) -> list[tuple[str, str]]:
        """The calls of this answer's job so far and how they ended; the log is written behind the guest's back."""
        query = """
            select detail->>'provider', detail->>'classification' from photochanger.processing_logs
            where job_id = %s and event = 'attempt' order by at, id
        """
        return [(provider, verdict) for provider, verdict in rows(self.url, query, answer.headers["x-job-id"])]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, postgres_server: EmbeddedServer) -> Iterator[Stage]:
    with fresh_database(postgres_server) as url, BflStandIn().running_in_thread() as bfl:
        bfl.min_poll_seconds = 0.3
        settings = {"bfl_api_key": KEY, "bfl_base_url": bfl.url, "private_hosts": "127.0.0.1", "database_url": url}
        with serving(tmp_path_factory.mktemp("service"), **settings) as service:
            set_slot(url, SLOT, Route(entries=(BFL,)))
            set_slot(url, WITH_FALLBACK, Route(entries=(BFL, LOCAL)))
            yield Stage(service, url, bfl)
        assert bfl.refused == []


@pytest.fixture
def stage(running: Stage) -> Stage:
    running.bfl.works.clear()
    running.bfl.pending_polls = 1
    running.bfl.pictures.fetched.clear()
    return running


def picture_of(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    picture = Image.open(io.BytesIO(answer.content))
    picture.load()
    return picture


def test_a_large_photo_is_billed_as_one_megapixel_and_becomes_a_picture(stage: Stage) -> None:
    answer = stage.service.send(PHOTO, SLOT)
    assert picture_of(answer).size == (96, 64)
    (work,) = stage.bfl.works.values()
    (sent,) = work.pictures
    width, height = photos.pixels(sent).size
    assert 1_000_000 < width * height <= 1024 * 1024
    assert (work.cost, work.fields["seed"], work.ready) == (4.5, 7, 1)
    assert list(stage.bfl.pictures.fetched.values()) == [1]
    reference = f'{{"polling_url":"{stage.bfl.polling_url("task-0")}","cost":4.5}}'
    query = "select provider_job_reference from photochanger.jobs where id = %s"
    assert rows(stage.url, query, answer.headers["x-job-id"]) == [(reference,)]
    eventually(lambda: stage.attempts(answer) == [("bfl", "picture")])


def test_refusals_end_the_entry_at_once_and_never_open_the_breaker(stage: Stage) -> None:
    for number in range(6):  # more than open the breaker
        name = ("Request Moderated", "Content Moderated")[number % 2]
        stage.bfl.script(stage.bfl.state(name), call="poll")
        answer = stage.service.send(PHOTO, SLOT)
        assert (answer.status_code, answer.json()["code"]) == (502, "provider_failed")
    stage.bfl.script(stage.bfl.state("Content Moderated"), call="poll")
    rescued = stage.service.send(PHOTO, WITH_FALLBACK)
    assert picture_of(rescued).size
    eventually(lambda: stage.attempts(rescued) == [("bfl", "rejected"), ("local", "picture")])
    assert picture_of(stage.service.send(PHOTO, SLOT)).size == (96, 64)
    assert len(stage.bfl.works) == 8, "one call each, none tried again and none kept from the service"


def test_work_of_a_killed_worker_is_gone_on_with_and_not_paid_twice(stage: Stage) -> None:
    before = len(stage.bfl.calls("submit")), len(stage.bfl.calls("poll"))
    stage.bfl.pending_polls = 10**6
    with ThreadPoolExecutor(1) as cameras:
        sent = cameras.submit(stage.service.send, PHOTO, SLOT)
        eventually(lambda: len(stage.bfl.calls("poll")) > before[1])
        for worker in stage.service.workers():
            worker.kill()
        stage.bfl.pending_polls = 0
        answer = sent.result()
    assert picture_of(answer).size == (96, 64)
    assert len(stage.bfl.calls("submit")) == before[0] + 1
    query = "select attempt from photochanger.jobs where id = %s"
    assert rows(stage.url, query, answer.headers["x-job-id"]) == [(2,)]
