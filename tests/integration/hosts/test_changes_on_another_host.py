"""Two hosts on one database: what is changed on one counts on the other soon after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from photochanger.adapters.postgres import EmbeddedServer

from tests.support import photos
from tests.support.commands import run_command
from tests.support.postgres_server import fresh_database
from tests.support.service import PASSWORD, environment, eventually, serving
from tests.support.standins.server import reset
from tests.support.standins.studio import StudioStandIn

ADMIN_PASSWORD = "a long administrator password"
OTHER_PASSWORD = "another ingest password"
PHOTO = photos.jpeg(320, 240)


class Host:
    """One of the hosts, with an administrator who has signed in there."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def sign_in(self, username: str = "admin") -> dict[str, str]:
        """A new token of an administrator, as a header."""
        body = {"username": username, "password": ADMIN_PASSWORD}
        answer = self.client.post("/api/login", json=body)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put(self, path: str, body: dict[str, Any], **headers: str) -> None:
        answer = self.client.put(path, json=body, headers=headers)
        assert answer.status_code == 200, answer.text

    def change_slot(self, slot_id: str, **changes: Any) -> None:
        slot = self.get(f"/api/slots/{slot_id}")
        self.put(f"/api/slots/{slot_id}", slot | changes, **{"If-Match": slot["etag"]})

    def ingest(self, slot: str = "slot-001", *, password: str = PASSWORD, address: str | None = None) -> str:
        """Hand in a photo and do not wait for its picture: `202`, or status and code of the problem."""
        headers = {"Prefer": "respond-async"} | ({"X-Forwarded-For": address} if address else {})
        form = {"password": password}
        answer = self.client.post(f"/ingest/{slot}", data=form, files={"fileToUpload": PHOTO}, headers=headers)
        return f"{answer.status_code} {answer.json().get('code', '')}".strip()

    def answers(self, path: str, header: dict[str, str] | None = None) -> int:
        return self.client.get(path, headers=header).status_code


class Hosts:
    """Two hosts with one database, one media folder and one secret key."""

    def __init__(self, url: str, home: Path, studio: StudioStandIn, stack: ExitStack) -> None:
        self.home = home
        self.studio = studio
        self.settings = {
            "database_url": url,
            "secret_key": "the same key on every host of a cluster",
            "media_root": str(home / "media"),
            "admin_password": ADMIN_PASSWORD,
            "private_hosts": "127.0.0.1",
            "trusted_proxies": "127.0.0.1",
            "sync_response_seconds": "60",
            "max_active_jobs": "1000",  # nobody waits for the pictures of these tests
        }
        self.one = self._host("one", stack)
        self.two = self._host("two", stack)
        header = self.one.sign_in()
        self.one.client.headers.update(header)
        self.two.client.headers.update(header)

    def _host(self, name: str, stack: ExitStack) -> Host:
        service = stack.enter_context(serving(self.home / name, **self.settings, workers="1"))
        return Host(stack.enter_context(service.client()))

    def run(self, *arguments: str, stdin: str = "") -> None:
        """A command on a third host."""
        ended = run_command(*arguments, env=environment(self.home / "three", **self.settings), stdin=stdin)
        assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def hosts(postgres_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(postgres_server))
        studio = stack.enter_context(StudioStandIn().running_in_thread())
        yield Hosts(url, tmp_path_factory.mktemp("hosts"), studio, stack)


def becomes(look: Callable[[], Any], expected: Any) -> None:
    """Wait until it is that."""
    eventually(lambda: look() == expected)


def test_settings(hosts: Hosts) -> None:
    hosts.one.put("/api/settings", {"sync_response_seconds": 42, "max_upload_bytes": 1024})
    becomes(lambda: hosts.two.get("/api/settings")["sync_response_seconds"], 42)
    becomes(lambda: hosts.two.ingest(), "413 payload_too_large")
    hosts.two.put("/api/settings", {"max_upload_bytes": None})
    becomes(lambda: hosts.one.ingest(), "202")


def test_the_ingest_password(hosts: Hosts) -> None:
    hosts.one.put("/api/settings", {"ingest_password": OTHER_PASSWORD})
    becomes(lambda: hosts.two.ingest(password=OTHER_PASSWORD), "202")
    assert hosts.two.ingest(address="192.0.2.1") == "401 invalid_password"
    hosts.two.put("/api/settings", {"ingest_password": PASSWORD})
    becomes(lambda: hosts.one.ingest(), "202")


def test_slots(hosts: Hosts) -> None:
    hosts.one.change_slot("slot-002", active=False)
    becomes(lambda: hosts.two.ingest("slot-002"), "404 slot_disabled")
    hosts.two.change_slot("slot-002", active=True, name="Oil and canvas", ingest_password=OTHER_PASSWORD)
    becomes(lambda: hosts.one.ingest("slot-002", password=OTHER_PASSWORD), "202")
    becomes(lambda: hosts.one.ingest("by/oil-and-canvas", password=OTHER_PASSWORD), "202")
    becomes(lambda: hosts.one.ingest("slot-002", address="192.0.2.2"), "401 invalid_password")


def test_galleries(hosts: Hosts) -> None:
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert hosts.two.answers("/public/gallery/slot-003") == 404
    hosts.one.change_slot("slot-003", gallery_open_until=until)
    becomes(lambda: hosts.two.answers("/public/gallery/slot-003"), 200)
    hosts.one.change_slot("slot-003", gallery_open_until=None)
    becomes(lambda: hosts.two.answers("/public/gallery/slot-003"), 404)


def test_ingest_keys(hosts: Hosts) -> None:
    added = hosts.one.client.post("/api/ingest-keys", json={"name": "Booth 1"})
    assert added.status_code == 201, added.text
    key = added.json()["key"]
    becomes(lambda: hosts.two.ingest(password=key), "202")
    assert hosts.one.client.delete(f"/api/ingest-keys/{added.json()['id']}").status_code == 204
    becomes(lambda: hosts.two.ingest(password=key, address="192.0.2.3"), "401 invalid_password")


def test_signing_out(hosts: Hosts) -> None:
    header = hosts.one.sign_in()
    others = [hosts.one.sign_in(), hosts.two.sign_in()]
    assert hosts.two.answers("/api/me", header) == 200
    assert hosts.one.client.post("/api/logout", headers=header).status_code == 204
    becomes(lambda: hosts.two.answers("/api/me", header), 401)
    assert [hosts.two.answers("/api/me", other) for other in others] == [200, 200]


def test_administrators(hosts: Hosts) -> None:
    hosts.run("admin", "add", "ada", stdin=ADMIN_PASSWORD)
    headers = [hosts.one.sign_in("ada"), hosts.two.sign_in("ada")]
    assert hosts.two.answers("/api/me", headers[0]) == 200, "another host has signed it"
    everywhere = hosts.one.client.post("/api/logout?everywhere=true", headers=headers[0])
    assert everywhere.status_code == 204
    becomes(lambda: [hosts.two.answers("/api/me", header) for header in headers], [401, 401])
    again = hosts.two.sign_in("ada")
    hosts.run("admin", "disable", "ada")
    becomes(lambda: [host.answers("/api/me", again) for host in (hosts.one, hosts.two)], [401, 401])


def test_a_signing_key_that_was_replaced(hosts: Hosts) -> None:
    header = hosts.one.sign_in()
    hosts.run("admin", "rotate-key")
    for host in (hosts.one, hosts.two):
        assert host.answers("/api/me", header) == 200
        assert host.answers("/api/me", hosts.one.sign_in()) == 200
        assert host.answers("/api/me", hosts.two.sign_in()) == 200


def provider(host: Host, name: str = "http") -> Any:
    return next(one for one in host.get("/api/providers")["items"] if one["id"] == name)


def test_keys_and_limits_of_providers(hosts: Hosts) -> None:
    hosts.one.put(
        "/api/settings", {"provider_keys": {"gemini": "a-key"}, "provider_limits": {"gemini": {"per_day": 5}}}
    )
    becomes(lambda: provider(hosts.two, "gemini")["key"]["state"], "stored")
    becomes(lambda: provider(hosts.two, "gemini")["limits"]["per_day"], 5)


def test_the_breaker_of_a_provider(hosts: Hosts) -> None:
    hosts.studio.script(*[reset] * 500)
    route = [{"provider_id": "http", "operation_id": "image_edit", "settings": {"url": f"{hosts.studio.url}/render"}}]
    hosts.one.change_slot("slot-004", route=route, active=True)
    becomes(lambda: hosts.two.ingest("slot-004"), "202")
    for host in (hosts.one, hosts.two) * 3:
        host.ingest("slot-004")
    for host in (hosts.one, hosts.two):
        eventually(lambda host=host: (provider(host)["standing"] or {}).get("breaker", "closed") != "closed")
    for job in hosts.one.get("/api/jobs?slot_id=slot-004")["items"]:  # else they are tried for the whole window
        assert hosts.two.client.post(f"/api/jobs/{job['job_id']}/cancel").status_code in (200, 202, 409)


def test_wrong_passwords_are_counted_over_all_hosts(hosts: Hosts) -> None:
    for number in range(10):
        host = (hosts.one, hosts.two)[number % 2]
        assert host.ingest(password="wrong password", address="192.0.2.9") == "401 invalid_password"
    for host in (hosts.one, hosts.two):
        becomes(lambda host=host: host.ingest(password="wrong password", address="192.0.2.9"), "429 too_many_attempts")
        assert host.ingest(address="192.0.2.9") == "202", "a right password is never refused"
