"""A worker process stands still for longer than its lease lasts while a provider call is under way (`kill -STOP`)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import pytest
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos
from tests.support.service import Service, eventually, rows, serving, set_slot, working
from tests.support.standins.server import Held
from tests.support.standins.studio import StudioStandIn

SLOT = "slot-005"


class Studio(NamedTuple):
    """A service with two workers of their own, and an image service that holds two calls."""

    service: Service
    url: str
    media: Path
    calls: StudioStandIn
    first: Held
    second: Held

    def worker(self) -> psutil.Process:
        """The process that has the job."""
        (name,) = eventually(lambda: rows(self.url, "select worker from photochanger.jobs where worker is not null"))[0]
        return psutil.Process(int(name.rsplit("-", 2)[1]))

    def results(self) -> list[Path]:
        folder = self.media / "results"
        return list(folder.iterdir()) if folder.exists() else []

    def attempts(self) -> list[tuple[int, str]]:
        """How the calls of each attempt ended, by the processing log."""
        query = (
            "select (detail ->> 'attempt')::int, detail ->> 'classification' from photochanger.processing_logs"
            " where event = 'attempt' order by 1, 2"
        )
        return rows(self.url, query)  # type: ignore[return-value]

    def require_nothing_doubled(self, answer: httpx.Response) -> None:
        """One end, one picture, two attempts and two calls in the books, and nothing is left."""
        assert answer.status_code == 200, answer.text
        assert rows(self.url, "select state, attempt from photochanger.jobs") == [("succeeded", 2)]
        events = (
            "select event, count(*) from photochanger.processing_logs where event <> 'attempt' group by 1 order by 1"
        )
        assert rows(self.url, events) == [("acquired", 2), ("finalized", 1), ("received", 1)]
        eventually(lambda: len(self.results()) == 1)
        assert self.results()[0].read_bytes() == answer.content
        assert eventually(lambda: not list((self.media / "payloads").iterdir()))
        entered = "select attempt, call from photochanger.call_costs order by attempt"
        assert rows(self.url, entered) == [(1, 1), (2, 1)]
        assert len(self.calls.calls()) == 2
        health = rows(
            self.url, "select (usage -> 'failures')::int from photochanger.provider_usage where provider_id = 'http'"
        )
        assert health in ([], [(0,)]), "that a worker stood still is no failure of the provider"


@pytest.fixture
def studio(tmp_path: Path, postgres_url: str) -> Iterator[Studio]:
    first, second = Held(), Held()
    settings = {"database_url": postgres_url, "private_hosts": "127.0.0.1"}
    with (
        StudioStandIn().running_in_thread() as calls,
        serving(tmp_path, "--workers", "0", **settings) as service,
        working(tmp_path, **settings),
        working(tmp_path, **settings),
    ):
        calls.script(first, second)
        set_slot(postgres_url, SLOT, Route(entries=(RouteEntry("http", "image_edit", {"url": f"{calls.url}/render"}),)))
        try:
            yield Studio(service, postgres_url, tmp_path / "media", calls, first, second)
        finally:
            first.release()
            second.release()


@contextmanager
def frozen(process: psutil.Process) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@contextmanager
def sent(service: Service) -> Iterator[Future[httpx.Response]]:
    with ThreadPoolExecutor(1) as camera:
        yield camera.submit(service.send, photos.jpeg(96, 64), SLOT)


def test_another_worker_makes_the_picture_and_the_first_one_notices_after_it(studio: Studio) -> None:
    """The frozen worker goes on when the job has ended, and its call is answered after that."""
    with sent(studio.service) as answer:
        eventually(lambda: studio.first.has_begun)
        one = studio.worker()
        with frozen(one):
            eventually(lambda: studio.second.has_begun)
            assert studio.worker() != one
            studio.second.release()
            answer.result()
        studio.first.release()
    assert eventually(lambda: len(studio.attempts()) == 2)
    studio.require_nothing_doubled(answer.result())
    assert studio.service.send(photos.jpeg(97, 64), SLOT).status_code == 200
    assert one.is_running()


def test_the_first_worker_goes_on_while_another_one_has_the_job(studio: Studio) -> None:
    """Its call has been answered meanwhile: it comes first, but the job is no longer its own."""
    with sent(studio.service) as answer:
        eventually(lambda: studio.first.has_begun)
        one = studio.worker()
        with frozen(one):
            eventually(lambda: studio.second.has_begun)
            studio.first.release()
        eventually(lambda: [attempt for attempt, _ in studio.attempts()] == [1])
        assert not answer.done()
        studio.second.release()
    eventually(lambda: len(studio.attempts()) == 2)
    studio.require_nothing_doubled(answer.result())
    assert studio.attempts()[1] == (2, "picture")
    assert one.is_running()


def test_a_worker_that_is_alone_goes_on_with_its_job(tmp_path: Path, postgres_url: str) -> None:
    """Its lease ran out while it stood still. It takes no job a second time that it is working on."""
    held = Held()
    settings = {"database_url": postgres_url, "private_hosts": "127.0.0.1"}
    with (
        StudioStandIn().running_in_thread() as calls,
        serving(tmp_path, "--workers", "0", **settings) as service,
        working(tmp_path, **settings),
    ):
        calls.script(held)
        set_slot(postgres_url, SLOT, Route(entries=(RouteEntry("http", "image_edit", {"url": f"{calls.url}/render"}),)))
        one = Studio(service, postgres_url, tmp_path / "media", calls, held, held)
        try:
            with sent(service) as answer:
                eventually(lambda: held.has_begun)
                with frozen(one.worker()):
                    expired = (
                        "select count(*) from photochanger.jobs where lease_until < clock_timestamp() - interval '3 s'"
                    )
                    eventually(lambda: rows(postgres_url, expired) == [(1,)])
                renewed = "select count(*) from photochanger.jobs where lease_until > clock_timestamp()"
                eventually(lambda: rows(postgres_url, renewed) == [(1,)])
                held.release()
                assert answer.result().status_code == 200
        finally:
            held.release()
        assert rows(postgres_url, "select state, attempt from photochanger.jobs") == [("succeeded", 1)]
        assert len(calls.calls()) == 1
