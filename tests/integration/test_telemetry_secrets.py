"""A whole evening with trouble of every kind: what logs, spans and figures tell of it, and nothing secret."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
from photochanger.adapters.postgres import Database, PostgresSlotRepository
from photochanger.core.domain.slots.slot import Route, RouteEntry, Slot

from tests.support import photos
from tests.support.collector import Collector, collecting, facts
from tests.support.plain_http import NO_TLS
from tests.support.service import PASSWORD, Service, eventually, serving
from tests.support.standins import gemini
from tests.support.standins.server import Answer, Received, StandInServer, json_answer

ADMIN_PASSWORD = "correct-horse-battery-staple"
WRONG_PASSWORD = "an-ingest-password-that-is-wrong"
STORED_KEY = "AIzaSyStored-gemini-0b7de1"
NEW_PASSWORD = "the-ingest-password-of-tomorrow"
HOOK_KEY = "key-in-the-address-of-the-hook"
SURVEY = "the-guests-own-answer"
SECRET_KEY = "a secret of this service that is long enough"
OPEN = "application/openmetrics-text"
PHOTO = photos.jpeg(320, 240)
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


class Receiver(StandInServer):
    """Takes every webhook."""

    def answer(self, request: Received) -> Answer:
        return Answer(204)


async def _asks_gemini_first(url: str, slot_id: str) -> None:
    entries = (RouteEntry("gemini", "image_edit", {"prompt": "Oil of {guest}"}), RouteEntry("local", "enhance"))
    async with Database(url) as database:
        slots = PostgresSlotRepository(database)
        version = (await slots.get(slot_id)).version
        route = Route(entries=entries, prompt_fields=("guest",))
        assert await slots.save(Slot(slot_id, slot_id, True, route), expected_version=version)


@contextlib.contextmanager
def opened(home: Path, url: str, collector: Collector) -> Iterator[tuple[Service, gemini.GeminiStandIn, Receiver]]:
    """A service that exports everything, with a provider and a receiver of webhooks beside it."""
    with (
        gemini.GeminiStandIn().running_in_thread() as stand_in,
        Receiver().running_in_thread() as receiver,
        serving(
            home,
            database_url=url,
            otlp_endpoint=collector.address,
            log_format="json",
            admin_username="admin",
            admin_password=ADMIN_PASSWORD,
            private_hosts="127.0.0.1",
            secret_key=SECRET_KEY,
            gemini_api_key=gemini.KEY,
            gemini_base_url=stand_in.url,
        ) as service,
    ):
        asyncio.run(_asks_gemini_first(url, "slot-005"))
        yield service, stand_in, receiver


def spend(service: Service, stand_in: gemini.GeminiStandIn, receiver: Receiver) -> dict[str, bytes]:
    """An evening with wrong passwords, a provider that fails, new keys and a webhook; what of it is secret."""
    with service.client() as client:
        wrong = {"username": "admin", "password": WRONG_PASSWORD}
        assert client.post("/api/login", json=wrong).status_code == 401
        right = {"username": "admin", "password": ADMIN_PASSWORD}
        token = client.post("/api/login", json=right).raise_for_status().json()["access_token"]
        assert client.get("/api/me", headers={"Authorization": f"Bearer {token}x"}).status_code == 401
        client.headers["Authorization"] = f"Bearer {token}"
        hook = client.put("/api/slots/slot-005/webhook", json={"url": f"{receiver.url}/ended?key={HOOK_KEY}"})
        hook_secret = hook.raise_for_status().json()["secret"]
        form = {"password": WRONG_PASSWORD, "guest": SURVEY}
        assert client.post("/ingest/slot-005", data=form, files={"fileToUpload": PHOTO}).status_code == 401
        echo = {
            "error": {"code": 400, "message": f"API key {gemini.KEY} is bad, {SURVEY}", "status": "INVALID_ARGUMENT"}
        }
        stand_in.script(json_answer(echo, status=400))
        form["password"] = PASSWORD
        sent = {"data": form, "files": {"fileToUpload": PHOTO}, "headers": {"traceparent": TRACEPARENT}}
        fallback = client.post("/ingest/slot-005", **sent).raise_for_status()
        later = service.send(photos.jpeg(321, 240), "slot-005", Prefer="respond-async").json()
        (job_token,) = parse_qs(urlsplit(later["status_url"]).query)["token"]
        eventually(lambda: client.get(later["status_url"]).raise_for_status().json()["state"] == "succeeded")
        changes = {"provider_keys": {"gemini": STORED_KEY}, "ingest_password": NEW_PASSWORD}
        assert client.put("/api/settings", json=changes).status_code == 200
        form["password"] = NEW_PASSWORD
        torn = client.post("/ingest/slot-005", data=form, files={"fileToUpload": PHOTO[:5000]})
        assert torn.status_code >= 400
    eventually(lambda: len(receiver.received) >= 2)
    given = {
        "ingest password": PASSWORD,
        "wrong password": WRONG_PASSWORD,
        "administrator's password": ADMIN_PASSWORD,
        "new password": NEW_PASSWORD,
        "key": gemini.KEY,
        "stored key": STORED_KEY,
        "secret key": SECRET_KEY,
        "key of the hook": HOOK_KEY,
        "guest's answer": SURVEY,
        "access token": token,
        "job token": job_token,
        "webhook secret": hook_secret,
        "webhook secret's core": hook_secret.removeprefix("whsec_"),
    }
    return {name: text.encode() for name, text in given.items()} | of_picture(PHOTO) | of_picture(fallback.content)


def of_picture(data: bytes) -> dict[str, bytes]:
    """Pieces of a picture, as they would look in a text that holds it."""
    piece = data[300:348]
    shown = {
        "raw": piece,
        "base64": base64.b64encode(piece),
        "hex": piece.hex().encode(),
        "repr": repr(piece[:16]).encode(),
    }
    return {f"picture {name} {len(data)}": text for name, text in shown.items()}


def test_nothing_secret_and_no_picture_is_in_any_log_line_span_or_figure(tmp_path: Path, postgres_url: str) -> None:
    with collecting() as collector:
        with opened(tmp_path, postgres_url, collector) as (service, stand_in, receiver):
            secrets = spend(service, stand_in, receiver)
            pages = [
                httpx.get(service.metrics, verify=NO_TLS, timeout=180, headers={"Accept": kind})
                for kind in ("text/plain", OPEN)
            ]
        told = {"log": service.log.read_bytes(), "export": b"".join(collector.bodies)}
    told |= {f"page {number}": page.content for number, page in enumerate(pages)}
    found = [(where, name) for where, text in told.items() for name, secret in secrets.items() if secret in text]
    assert found == []
    assert len(collector.named("POST /ingest/{slot_id}")) >= 4, "the whole evening was told"
    verdicts = {facts(call).get("photochanger.verdict") for call in collector.named("provider call")}
    assert {"rejected", "picture"} <= verdicts


def test_the_lines_of_a_jobs_way_have_its_ids_in_both_processes(tmp_path: Path, postgres_url: str) -> None:
    with serving(tmp_path, database_url=postgres_url, log_format="json") as service:
        headers = {"traceparent": TRACEPARENT, "X-Request-Id": "booth-7"}
        answer = service.send(PHOTO, **headers)
        assert service.stop() == 0
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    ids = {"job_id": answer.headers["x-job-id"], "slot_id": "slot-001", "trace_id": TRACE_ID}
    (answered,) = [line for line in lines if line["message"].startswith("ingest: success")]
    (called,) = [line for line in lines if line["message"].startswith("call 1 to local: picture")]
    assert answered | ids | {"request_id": "booth-7"} == answered
    assert called | ids == called
    assert "request_id" not in called
