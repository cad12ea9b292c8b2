"""An upgrade without a pause: hosts of this version and of the next one on one database, with cameras that go on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.next_version import EVENT, INDEXED, SOURCE, make_next_version
from tests.support.retrying_proxy import RetryingProxy
from tests.support.service import Service, eventually, rows, serving
from tests.support.steady_cameras import SteadyCameras

ADMIN_PASSWORD = "a long administrator password"


class Balancer(Service):
    """The hosts behind their balancer, as one service; keeps what cameras got."""

    def __init__(self, proxy: RetryingProxy, host: Service) -> None:
        super().__init__(host.process, proxy.url, host.log, metrics=host.metrics)
        self._proxy = proxy
        self.answers: list[httpx.Response] = []
        self.send_to(host)

    def send(self, photo: bytes, slot_id: str = "slot-001", **headers: str) -> httpx.Response:
        answer = super().send(photo, slot_id, **headers)
        self.answers.append(answer)
        return answer

    def send_to(self, *hosts: Service) -> None:
        """Send new requests to these hosts in turn; return when no other host has a request."""
        ports = [port_of(host) for host in hosts]
        self._proxy.send_to(ports)
        eventually(lambda: self._proxy.busy() <= {*ports})


def port_of(host: Service) -> int:
    return httpx.URL(host.address).port or 0


class Studio:
    """A database and a media folder, and hosts of both versions on them."""

    def __init__(self, home: Path, url: str, next_version: Path) -> None:
        self.home, self.url = home, url
        self._launcher = ("env", f"PYTHONPATH={next_version}")
        self._settings = {
            "database_url": url,
            "secret_key": "the same key on every host of a cluster",
            "media_root": str(home / "media"),
            "admin_password": ADMIN_PASSWORD,
            "workers": "2",
        }
        self.versions: dict[str, str] = {}
        """The version that a host has, by the name of its worker and by its own."""

    @contextmanager
    def host(self, name: str, version: str) -> Iterator[Service]:
        launcher = self._launcher if version == "next" else ()
        with serving(self.home / name, launcher=launcher, **self._settings) as service:
            eventually(lambda: ready(service))
            pids = [worker.pid for worker in service.workers()]
            names = rows(self.url, "select name from photochanger.workers where pid = any(%s)", pids)
            assert names
            self.versions |= {worker: version for (worker,) in names}
            yield service

    def combinations(self) -> Counter[tuple[str, str]]:
        """How many photos were received and processed by which versions."""
        done = rows(
            self.url,
            "select source, log.detail ->> 'worker' from photochanger.jobs"
            " join photochanger.processing_logs as log on job_id = jobs.id and event = 'acquired'"
            " where finalized_at is not null",
        )
        return Counter(
            ("next" if source == SOURCE else "this", self.versions.get(worker, "")) for source, worker in done
        )


def ready(service: Service) -> bool:
    with service.client() as client:
        return client.get("/readyz").status_code == 200


def stop(service: Service) -> None:
    assert service.stop() == 0


@pytest.fixture(scope="module")
def next_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_next_version(tmp_path_factory.mktemp("next"))


def test_hosts_of_two_versions_serve_together(tmp_path: Path, postgres_url: str, next_version: Path) -> None:
    studio = Studio(tmp_path, postgres_url, next_version)
    with ExitStack() as hosts, RetryingProxy([]).running() as proxy:
        old = hosts.enter_context(studio.host("old", "this"))
        booth = Balancer(proxy, old)
        with SteadyCameras(booth, "slot-001", per_second=2) as cameras:
            cameras.go_on_for(1)
            new = hosts.enter_context(studio.host("new", "next"))  # migrates, and the old host goes on
            assert rows(postgres_url, "select version_num from photochanger.alembic_version") == [(INDEXED,)]
            booth.send_to(old, new)
            before = studio.combinations()
            eventually(lambda: every_way(studio.combinations() - before))
            eventually(lambda: ready(old) and ready(new))
            the_old_host_shows_everything(old)

            booth.send_to(new)
            stop(old)
            cameras.go_on_for(1)

            back = hosts.enter_context(studio.host("back", "this"))  # on the schema of the next version
            booth.send_to(back, new)
            before = studio.combinations()
            eventually(lambda: every_way(studio.combinations() - before))
            booth.send_to(back)
            stop(new)
            cameras.go_on_for(1)
        assert cameras.summary() == {"200": cameras.sent}
        assert proxy.retries == dict.fromkeys(proxy.retries, 0)
        every_picture_is_right(booth.answers, postgres_url)
        stop(back)


def every_way(done: Counter[tuple[str, str]]) -> bool:
    """Whether each version has received photos that each version has processed."""
    return all(done[received, processed] for received in ("this", "next") for processed in ("this", "next"))


def the_old_host_shows_everything(old: Service) -> None:
    """Its API, with values that its version does not know."""
    with old.client() as client:
        form = {"username": "admin", "password": ADMIN_PASSWORD}
        token = client.post("/api/login", json=form).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"

        def read(path: str) -> Any:
            answer = client.get(path)
            assert answer.status_code == 200, f"{path}: {answer.text}"
            return answer.json()

        jobs = read("/api/jobs?limit=100")["items"]
        assert {job["source"] for job in jobs} == {"ingest", SOURCE}
        of_next = next(job for job in jobs if job["source"] == SOURCE)
        assert EVENT in [entry["event"] for entry in read(f"/api/jobs/{of_next['job_id']}")["logs"]]
        for path in ("/api/results", "/api/overview", "/api/stats/global", "/api/stats/slot-001", "/api/audit"):
            assert read(path)


def every_picture_is_right(answers: list[httpx.Response], url: str) -> None:
    query = "select id::text, result #>> '{picture,file,sha256}' from photochanger.jobs"
    stored = dict(rows(url, query))
    assert len(answers) == len(stored)
    for answer in answers:
        assert hashlib.sha256(answer.content).hexdigest() == stored.pop(answer.headers["x-job-id"])
    states = rows(url, "select distinct state from photochanger.jobs")
    assert states == [("succeeded",)]
