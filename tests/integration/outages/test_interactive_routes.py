"""The API waits for a database that is away for a moment: reads come back, and every change is made once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from photochanger import Settings, create_app
from photochanger.adapters.postgres import connection as connections
from photochanger.core.ports.accounts import PasswordHasher
from photochanger.entrypoints.http import patience

from tests.support.api_routes import filled, routes
from tests.support.fault_relay import FaultRelay
from tests.support.http_server import ADMIN_PASSWORD, PASSWORD, QuickHasher, running
from tests.support.plain_http import NO_TLS
from tests.support.service import HANG_SECONDS, rows

pytestmark = pytest.mark.anyio

FOR_EVER = timedelta(hours=1)
CREDENTIALS = {"username": "admin", "password": ADMIN_PASSWORD}
AUDITED = b"INSERT INTO photochanger.audit_log"


class Waits(logging.Handler):
    """Calls `then` when a call begins to wait for the database."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__(logging.INFO)
        self._then = then
        self.seen = 0

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("waiting for the database"):
            self.seen += 1
            self._then()


@contextmanager
def restored_once_waited_for(relay: FaultRelay) -> Iterator[Waits]:
    """The relay works again as soon as a call waits; at least one has to."""
    log = logging.getLogger("photochanger.queue")
    waits, level = Waits(relay.restore), log.level
    log.addHandler(waits)
    log.setLevel(logging.INFO)
    try:
        yield waits
    finally:
        log.removeHandler(waits)
        log.setLevel(level)
        relay.restore()
    assert waits.seen


@pytest.fixture
def relay(postgres_url: str) -> Iterator[FaultRelay]:
    with FaultRelay(postgres_url).running() as relay:
        yield relay


@pytest.fixture
async def client(
    tmp_path: Path, relay: FaultRelay, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """An administrator of a service behind the relay, who waits for ever."""
    monkeypatch.setattr(patience, "INTERACTIVE_PATIENCE", FOR_EVER)
    settings = Settings(
        home=tmp_path,
        database_url=relay.url(),
        ingest_password=PASSWORD,
        admin_username=CREDENTIALS["username"],
        admin_password=ADMIN_PASSWORD,
        workers=0,
    )
    app = create_app(settings, adapters={PasswordHasher: QuickHasher()})
    async with (
        app.lifespan(),
        running(app) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=NO_TLS, timeout=HANG_SECONDS) as client,
    ):
        token = (await client.post("/api/login", json=CREDENTIALS)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


async def test_a_right_login_waits_for_a_database_that_refuses_connections(
    client: httpx.AsyncClient, relay: FaultRelay
) -> None:
    relay.refuse()
    with restored_once_waited_for(relay):
        answer = await client.post("/api/login", json=CREDENTIALS)
    assert answer.status_code == 200, answer.text


async def test_a_right_login_waits_for_a_silent_database(
    client: httpx.AsyncClient, relay: FaultRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECT_TIMEOUT_SECONDS", 2)
    relay.freeze()
    with restored_once_waited_for(relay):
        answer = await client.post("/api/login", json=CREDENTIALS)
    assert answer.status_code == 200, answer.text


async def test_every_read_waits_for_the_database(client: httpx.AsyncClient, relay: FaultRelay) -> None:
    """All at once, while connections are refused; not the stream of events, which has no end."""
    paths = [filled(path) for _, method, path in routes() if method == "GET" and path.startswith("/api/")]
    paths.remove("/api/events")
    assert len(paths) > 25
    relay.refuse()
    with restored_once_waited_for(relay):
        answers = await asyncio.gather(*(client.get(path) for path in paths))
    assert [answer.url.path for answer in answers if answer.status_code >= 500] == []


async def test_a_read_whose_reply_was_lost_is_made_again(client: httpx.AsyncClient, relay: FaultRelay) -> None:
    for statement, path in [
        (b"FROM photochanger.admins", "/api/admins"),
        (b"FROM photochanger.audit_log", "/api/audit"),
    ]:
        before = relay.replies_cut
        relay.cut_replies(statement, times=2)
        answer = await client.get(path)
        assert (answer.status_code, relay.replies_cut) == (200, before + 2), answer.text


Send = Callable[[httpx.AsyncClient], Any]


async def _slot(client: httpx.AsyncClient) -> httpx.Response:
    slot = (await client.get("/api/slots/slot-001")).json()
    body = slot | {"name": "Changed"}
    return await client.put("/api/slots/slot-001", json=body, headers={"If-Match": slot["etag"]})


CHANGES: dict[str, Send] = {
    "login": lambda client: client.post("/api/login", json=CREDENTIALS),
    "admin_added": lambda client: client.post("/api/admins", json={"username": "grace", "role": "viewer"}),
    "ingest_key_added": lambda client: client.post("/api/ingest-keys", json={"name": "booth"}),
    "slot_changed": _slot,
    "settings_changed": lambda client: client.put("/api/settings", json={"sync_response_seconds": 31}),
    "webhook_changed": lambda client: client.put(
        "/api/slots/slot-001/webhook", json={"url": "https://example.com/hook"}
    ),
    "stats_reset": lambda client: client.post("/api/slots/slot-001/reset_stats"),
    "logout": lambda client: client.post("/api/logout"),
}


@pytest.mark.parametrize("action", CHANGES)
async def test_a_change_whose_reply_was_lost_is_made_once_and_confirmed(
    client: httpx.AsyncClient, relay: FaultRelay, postgres_url: str, action: str
) -> None:
    def made() -> int:
        query = "select count(*) from photochanger.audit_log where action = %s"
        return int(rows(postgres_url, query, action)[0][0])

    before, cut = made(), relay.replies_cut
    relay.cut_replies(AUDITED)
    answer = await CHANGES[action](client)
    assert answer.status_code in (200, 201, 204), answer.text
    assert (made(), relay.replies_cut) == (before + 1, cut + 1)


async def test_a_change_that_leaves_no_trace_is_reported_honestly(
    client: httpx.AsyncClient, relay: FaultRelay, postgres_url: str
) -> None:
    relay.cut_replies(b"INSERT INTO photochanger.password_failures")
    answer = await client.post("/api/login", json=CREDENTIALS | {"password": "wrong"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["code"] == "queue_unavailable"
    assert "may have been made" in answer.json()["detail"]
    assert {failures for (failures,) in rows(postgres_url, "select failures from photochanger.password_failures")} == {
        1
    }


async def test_probes_do_not_wait(client: httpx.AsyncClient, relay: FaultRelay) -> None:
    relay.refuse()
    answer = await client.get("/readyz")
    assert answer.status_code == 503


async def test_what_stays_away_is_answered_as_before(
    client: httpx.AsyncClient, relay: FaultRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "INTERACTIVE_PATIENCE", timedelta(milliseconds=1))
    relay.refuse()
    answer = await client.post("/api/login", json=CREDENTIALS)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["detail"] == "The database cannot be reached right now."
