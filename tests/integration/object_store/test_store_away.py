"""A service and two workers of their own while photos come in and their store is frozen, killed and started again."""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos
from tests.support.commands import run_command
from tests.support.seaweedfs import SeaweedServer
from tests.support.service import PASSWORD, Service, environment, eventually, rows, serving, set_slot, working

from .bucket import Bucket

SLOT = "slot-005"
SECRET_KEY = "a-secret-key-of-the-tests-that-is-long-enough"
LARGE = photos.noise(1500, 1300)
"""It is stored in parts."""

CAMERAS = 6


class Cameras:
    """Each sends one photo after the other; one that is refused because the store is away is sent again."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._numbers = itertools.count()
        self._stopped = threading.Event()
        self._counting = threading.Lock()
        self.answered = 0
        self.refused = 0

    @contextmanager
    def running(self) -> Iterator[list[Future[None]]]:
        """They stop at the end of the block, and their photos are answered."""
        with ThreadPoolExecutor(CAMERAS) as pool:
            try:
                yield (sending := [pool.submit(self._send_photos) for _ in range(CAMERAS)])
            finally:
                self._stopped.set()
        for camera in sending:
            camera.result()

    def more(self, photos: int = 2 * CAMERAS) -> None:
        """Return when so many further photos have got their pictures."""
        enough = self.answered + photos
        eventually(lambda: self.answered >= enough)

    def _send_photos(self) -> None:
        while not self._stopped.is_set():
            number = next(self._numbers)
            photo = LARGE + b"%d" % number if number % 5 == 0 else photos.jpeg(96 + number % 64, 64 + number // 64)
            while (answer := self._service.send(photo, SLOT)).status_code == 503:
                assert answer.json()["code"] == "storage_unavailable"
                with self._counting:
                    self.refused += 1
                threading.Event().wait(float(answer.headers["retry-after"]))
            require_picture(answer)
            with self._counting:
                self.answered += 1


def require_picture(answer: httpx.Response) -> None:
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-photochanger-outcome"] == "success"


def requests_come(bucket: Bucket, pattern: str, number: int) -> Callable[[], bool]:
    """Whether so many further requests have reached the store, or would have."""
    before = len(bucket.relay.requests)
    wanted = re.compile(pattern)
    return lambda: sum(bool(wanted.match(request)) for request in bucket.relay.requests[before:]) >= number


def test_every_photo_gets_its_picture_while_the_store_is_frozen_killed_and_started_again(
    tmp_path: Path, postgres_url: str, bucket: Bucket, seaweedfs: SeaweedServer
) -> None:
    settings = {"database_url": postgres_url, "secret_key": SECRET_KEY, **bucket.settings}
    log = tmp_path / "workers.log"
    with (
        log.open("a") as written,
        serving(tmp_path, "--workers", "0", **settings) as service,
        working(tmp_path, log=written, **settings),
        working(tmp_path, log=written, **settings),
    ):
        set_slot(postgres_url, SLOT, Route(entries=(RouteEntry("local", "stylize", {"look": "sketch"}),)))
        cameras = Cameras(service)
        with cameras.running():
            cameras.more()
            eventually(requests_come(bucket, "PUT .*partNumber=", 1))
            with seaweedfs.frozen():
                eventually(requests_come(bucket, "PUT |GET ", CAMERAS))
            cameras.more()
            eventually(requests_come(bucket, "PUT .*(payloads|results)", 1))
            seaweedfs.kill()
            try:
                eventually(requests_come(bucket, "PUT |GET ", 4 * CAMERAS))
            finally:
                seaweedfs.start()
            cameras.more()
        print(f"{cameras.answered} photos, {cameras.refused} times sent again")
        require_nothing_left(postgres_url, bucket, cameras.answered)
        require_swept(tmp_path, postgres_url, bucket, settings)
        require_no_secret(service.log.read_text() + log.read_text(), settings)


def require_nothing_left(url: str, bucket: Bucket, photos: int) -> None:
    ended = "select state, count(*), bool_and(finalized_at <= expires_at) from photochanger.jobs group by 1"
    assert rows(url, ended) == [("succeeded", photos, True)]
    eventually(lambda: len([key for key in bucket.names() if key.startswith("results/")]) == photos)


def require_swept(home: Path, url: str, bucket: Bucket, settings: dict[str, str]) -> None:
    """What writes left that the store interrupted goes with the next sweep, once it is five minutes old."""
    rows(url, "update photochanger.begun_files set begun_at = begun_at - interval '1 h' returning 1")
    swept = run_command("sweep", env=environment(home, **settings))
    assert swept.returncode == 0, swept.stderr
    assert {key for key in bucket.names() if not key.startswith(("results/", "previews/"))} == set()
    begun_twice = asyncio.run(bucket.remove_open_uploads())  # the answer to the first request was lost
    assert begun_twice <= CAMERAS
    assert asyncio.run(bucket.remove_open_uploads()) == 0


def require_no_secret(log: str, settings: dict[str, str]) -> None:
    secrets = [settings["s3_secret_access_key"], settings["secret_key"], PASSWORD, "X-Amz-", "AWS4-HMAC", "Signature="]
    assert [secret for secret in secrets if secret in log] == []
    assert "Traceback" not in log


@pytest.fixture(scope="module", autouse=True)
def large_photo_is_stored_in_parts() -> None:
    assert len(LARGE) > 5 * 1024 * 1024
