"""A photo that is sent again after a hang-up which nobody has noted: to another host, or while the database is away."""

from __future__ import annotations

import hashlib
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from photochanger.adapters.postgres import EmbeddedServer
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos
from tests.support.fault_relay import FaultRelay
from tests.support.http_server import form, head
from tests.support.postgres_server import fresh_database
from tests.support.service import PASSWORD, Service, eventually, rows, serving, set_slot
from tests.support.standins.server import Held
from tests.support.standins.studio import StudioStandIn

SLOT = "slot-005"
WAITING = "waiting for the database: "
TRIES = 5
"""Until a host says within five seconds that its client waits. One that does not is taken for one whose client left."""


class Hosts:
    """Two hosts on one database and one media folder; the first reaches its database through a relay, and has no
    workers."""

    def __init__(self, url: str, studio: StudioStandIn, relay: FaultRelay, home: Path, stack: ExitStack) -> None:
        self.url = url
        self.studio = studio
        self.relay = relay
        settings = {
            "media_root": str(home / "media"),
            "secret_key": "the same key on every host of a cluster",
            "private_hosts": "127.0.0.1",
        }
        first = settings | {"database_url": relay.url()}
        self.first = stack.enter_context(serving(home / "first", "--workers", "0", **first))
        self.second = stack.enter_context(serving(home / "second", **settings | {"database_url": url}))
        set_slot(url, SLOT, Route(entries=(RouteEntry("http", "image_edit", {"url": f"{studio.url}/render"}),)))
        self.cameras = stack.enter_context(ThreadPoolExecutor(4))

    def begin(self, photo: bytes, held: Held) -> socket.socket:
        """A camera that sends a photo to the first host, and waits; its call to the provider is `held`."""
        self.studio.script(held)
        host, port = self.first.address.removeprefix("http://").split(":")
        camera = socket.create_connection((host, int(port)))
        body = form(photo, password=PASSWORD)
        camera.sendall(head(SLOT, len(body)).replace(b"Host: booth", b"Host: 127.0.0.1") + body)
        eventually(lambda: held.has_begun)
        return camera

    def send(self, service: Service, photo: bytes) -> Future[httpx.Response]:
        return self.cameras.submit(service.send, photo, SLOT)

    def jobs(self, photo: bytes) -> list[tuple[str, str]]:
        """The jobs of a photo, with their states."""
        query = "select id::text, state from photochanger.jobs where sha256 = %s"
        return rows(self.url, query, hashlib.sha256(photo).hexdigest())

    def has_joined(self, photo: bytes) -> bool:
        """Whether a request has joined the job of another one with this photo."""
        query = "select from photochanger.processing_logs where event = 'joined' and job_id::text = %s"
        return any(rows(self.url, query, job_id) for job_id, _ in self.jobs(photo))

    def has_asked(self) -> bool:
        """Whether a host has asked for the client of a job, and nobody has confirmed that it waits."""
        return rows(self.url, "select count(*) from photochanger.jobs where asked_at is not null") == [(1,)]

    def require_one(self, photo: bytes, resend: Future[httpx.Response]) -> None:
        """The photo that came again has the picture of the only job."""
        answer = resend.result()
        assert answer.status_code == 200, answer.text
        assert self.jobs(photo) == [(answer.headers["x-job-id"], "succeeded")]


@pytest.fixture(scope="module")
def hosts(postgres_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    home = tmp_path_factory.mktemp("hosts")
    with (
        fresh_database(postgres_server) as url,
        StudioStandIn().running_in_thread() as studio,
        FaultRelay(url).running() as relay,
        ExitStack() as stack,
    ):
        yield Hosts(url, studio, relay, home, stack)


def test_a_hang_up_that_its_host_has_not_noted_is_found_out_by_asking(hosts: Hosts) -> None:
    photo, held = photos.jpeg(101, 64), Held()
    camera = hosts.begin(photo, held)
    hosts.first.process.send_signal(signal.SIGSTOP)
    try:
        camera.close()
        resend = hosts.send(hosts.second, photo)
        eventually(hosts.has_asked)
        held.release()
        hosts.require_one(photo, resend)
    finally:
        hosts.first.process.send_signal(signal.SIGCONT)


def test_the_same_photo_of_two_cameras_that_both_wait_is_two_jobs(hosts: Hosts) -> None:
    for number in range(TRIES):
        photo, first, second = photos.jpeg(102, 64 + number), Held(), Held()
        with hosts.begin(photo, first) as camera:
            hosts.studio.script(second)
            other = hosts.send(hosts.second, photo)
            eventually(lambda photo=photo, second=second: second.has_begun or hosts.has_joined(photo))
            first.release()
            second.release()
            assert other.result().status_code == 200
            assert camera.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
        if second.has_begun:
            break
        hosts.studio.forget_scripts()
    assert [state for _, state in hosts.jobs(photo)] == ["succeeded", "succeeded"]


def test_a_hang_up_during_an_outage_is_noted_when_the_database_is_back(hosts: Hosts) -> None:
    photo, held = photos.jpeg(103, 64), Held()
    camera = hosts.begin(photo, held)
    waits_before = hosts.first.log.read_text().count(WAITING)
    hosts.relay.refuse()
    camera.close()
    resend = hosts.send(hosts.first, photo)
    eventually(lambda: hosts.first.log.read_text().count(WAITING) >= waits_before + 2)
    hosts.relay.restore()
    held.release()
    hosts.require_one(photo, resend)


def test_the_photo_of_a_host_that_was_killed_joins_its_job_on_another_one(hosts: Hosts) -> None:
    photo, held = photos.jpeg(104, 64), Held()
    camera = hosts.begin(photo, held)
    hosts.first.kill()
    camera.close()
    resend = hosts.send(hosts.second, photo)
    eventually(hosts.has_asked)
    held.release()
    hosts.require_one(photo, resend)
