"""Two PostgreSQL servers below two hosts: a primary freezes or dies under load, and its standby is promoted."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos
from tests.support.commands import run_command
from tests.support.postgres_pair import PASSWORD, PostgresPair, running_pair, stopped_data
from tests.support.service import Service, environment, eventually, serving, set_slot, working
from tests.support.standins.behaviours import Held
from tests.support.standins.studio import StudioStandIn
from tests.support.steady_cameras import SteadyCameras

SLOT, STUDIO_SLOT = "slot-005", "slot-006"
ADMIN = {"username": "admin", "password": "a long administrator password"}
JOBS = "select state, count(*) from photochanger.jobs group by state order by state"
OURS = "select {} from pg_stat_activity where usename = 'photochanger'"
USABLE = OURS.format("count(*)") + " and state <> 'active'"
"""Connections through which a host could still write. The server keeps those whose commit waits for a standby, or for
another commit that does, also without a client."""


class Hosts:
    """A host with `serve` and one with `worker`, on one pair of servers and one media folder."""

    def __init__(self, pair: PostgresPair, studio: StudioStandIn, home: Path, stack: ExitStack) -> None:
        self.pair = pair
        self.studio = studio
        self.urls = (pair.url(), pair.keywords())
        self.pictures = 0
        """How many photos have become pictures."""

        self.settings = {
            "database_url": self.urls[0],
            "media_root": str(home / "media"),
            "secret_key": "k" * 32,
            "admin_password": ADMIN["password"],
            "private_hosts": "127.0.0.1",
        }
        self._home = home
        self.service: Service = stack.enter_context(serving(home / "serve", **self.settings, workers="1"))
        second = self.settings | {"database_url": self.urls[1]}
        stack.enter_context(working(home / "worker", **second, workers="1"))
        set_slot(self.urls[0], SLOT, Route(entries=(RouteEntry("local", "stylize", {"look": "sketch"}),)))
        edit = RouteEntry("http", "image_edit", {"url": f"{studio.url}/edit", "prompt": "Paint it."})
        set_slot(self.urls[0], STUDIO_SLOT, Route(entries=(edit,)))
        with self.service.client() as client:
            signed_in = client.post("/api/login", json=ADMIN)
        self._token = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}

    def log(self) -> str:
        return self.service.log.read_text()

    def note_pictures(self, cameras: SteadyCameras) -> None:
        """Every photo was answered with its picture."""
        print(cameras.summary(), f"longest {max(shot.seconds for shot in cameras.shots()):.1f} s", flush=True)
        assert {*cameras.summary()} == {"200"}
        self.pictures += cameras.sent

    def require_every_job(self) -> None:
        """The primary has every job that was answered, and the administrator's session."""
        assert self.pair.primary.rows(JOBS) == [("succeeded", self.pictures)]
        with self.service.client() as client:
            assert client.get("/api/me", headers=self._token).status_code == 200

    def run(self, *arguments: str, url: str, status: int = 0) -> str:
        """What a command on a third host says, which ends with this status."""
        settings = self.settings | {"database_url": url}
        ended = run_command(*arguments, env=environment(self._home / "third", **settings))
        said = ended.stdout + ended.stderr
        assert ended.returncode == status, said
        assert PASSWORD not in said
        return said


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    with ExitStack() as stack:
        data = stack.enter_context(stopped_data())
        pair = stack.enter_context(running_pair(data, synchronous=True))
        studio = stack.enter_context(StudioStandIn().running_in_thread())
        yield Hosts(pair, studio, tmp_path, stack)


def test_no_failover_costs_a_photo(hosts: Hosts) -> None:
    """One scenario, because servers and hosts start for longer than each part of it takes."""
    photos_wait_while_the_synchronous_standby_is_missing(hosts)
    a_frozen_primary_is_left_when_its_standby_is_promoted(hosts)
    a_killed_primary_loses_no_acknowledged_job(hosts)
    without_synchronous_replication_a_lost_job_is_enqueued_again(hosts)


def photos_wait_while_the_synchronous_standby_is_missing(hosts: Hosts) -> None:
    pair = hosts.pair
    pair.standby.stop()
    with SteadyCameras(hosts.service, SLOT, per_second=1) as cameras:
        eventually(lambda: "commits wait for a synchronous standby" in hosts.log())
        pair.standby.start()
    hosts.note_pictures(cameras)
    hosts.require_every_job()


def a_frozen_primary_is_left_when_its_standby_is_promoted(hosts: Hosts) -> None:
    old, new = hosts.pair.primary, hosts.pair.standby
    with SteadyCameras(hosts.service, SLOT, per_second=2) as cameras:
        cameras.go_on_for(1)
        old.freeze()
        cameras.go_on_for(1)
        new.promote()
        old.resume()  # a second primary, that nothing has stopped
    hosts.note_pictures(cameras)
    eventually(lambda: old.rows(USABLE) == [(0,)])

    before = old.rows(JOBS)
    with SteadyCameras(hosts.service, SLOT, per_second=2) as cameras:
        new.rows(OURS.format("pg_terminate_backend(pid)"))
        cameras.go_on_for(1)
    hosts.note_pictures(cameras)
    assert "accepts writes on timeline 1, but was replaced by" in hosts.log()
    the_commands_find_the_primary(hosts)
    assert old.rows(JOBS) == before
    hosts.pair.change_places()
    hosts.require_every_job()


def the_commands_find_the_primary(hosts: Hosts) -> None:
    old, new = (f"127.0.0.1:{server.port}" for server in (hosts.pair.primary, hosts.pair.standby))
    for number, url in enumerate(hosts.urls):
        said = hosts.run("doctor", url=url, status=1)
        assert "ok   database: works" in said
        assert f"FIX  database servers: {old} replaced, {new} primary" in said
        hosts.run("migrate", url=url)
        hosts.run("backup", str(hosts.service.log.with_name(f"{number}.tar")), url=url)


def a_killed_primary_loses_no_acknowledged_job(hosts: Hosts) -> None:
    pair = hosts.pair
    pair.primary.require_standby()
    pair.wait_until_streaming("sync")
    with SteadyCameras(hosts.service, SLOT) as cameras:
        cameras.go_on_for(1)
        pair.primary.kill()
        cameras.go_on_for(1)
        pair.standby.promote()
        cameras.go_on_for(1)
    hosts.note_pictures(cameras)
    pair.change_places()
    hosts.require_every_job()


def without_synchronous_replication_a_lost_job_is_enqueued_again(hosts: Hosts) -> None:
    pair = hosts.pair
    held = Held()
    hosts.studio.script(held)
    pair.standby.stop()
    with ThreadPoolExecutor() as cameras:
        sent = cameras.submit(hosts.service.send, photos.jpeg(120, 90), STUDIO_SLOT)
        eventually(lambda: held.has_begun)
        pair.primary.kill()
        pair.standby.start()
        pair.standby.promote()
        eventually(lambda: "was lost by the database" in hosts.log())
        held.release()
        assert sent.result().status_code == 200
    hosts.pictures += 1
    pair.primary, pair.standby = pair.standby, pair.primary
    hosts.require_every_job()
