"""The whole service over HTTP with stand-ins of the image services behind it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from photochanger.adapters.postgres import Database, PostgresTemplateRepository
from photochanger.core.domain.media import MediaKind, TemplateMedia
from photochanger.core.domain.slots.slot import FailureAnswer, Route, RouteEntry, TemplateBinding
from PIL import Image

from tests.support import photos
from tests.support.builders import stored_file
from tests.support.plain_http import NO_TLS
from tests.support.relay import Relay
from tests.support.service import Service, eventually, rows, serving, set_slot, set_window
from tests.support.standins import gemini, openai, turbotext
from tests.support.standins.server import (
    Answer,
    Behaviour,
    Held,
    answering,
    drip,
    empty,
    hang,
    html,
    reset,
    reset_midway,
    truncated,
)
from tests.support.standins.studio import StudioStandIn

ONE, FALLBACK, OPENAI, TURBOTEXT, STUDIO = (f"slot-{number:03d}" for number in range(5, 10))
WINDOWS_SECONDS = (10, 20, 40, 80)
LONGER_WINDOWS_SECONDS = (20, 60, 160)
GEMINI = RouteEntry("gemini", "image_edit", {"prompt": "An oil painting of {guest}"})
LOCAL = RouteEntry("local", "stylize", {"look": "oil"})


def add_template(url: str, template_id: UUID) -> None:
    """Let a file of the media store be a template."""
    template = TemplateMedia(
        id=template_id,
        file=stored_file(MediaKind.TEMPLATES, str(template_id)),
        mime="image/png",
        width=80,
        height=80,
        name="A style",
        created_at=datetime.now(UTC),
        created_by="ada",
    )

    async def add() -> None:
        async with Database(url) as database:
            await PostgresTemplateRepository(database).add(template)

    asyncio.run(add())


def picture_of(answer: httpx.Response) -> Image.Image:
    """The picture that came back, decoded whole."""
    assert answer.status_code == 200, answer.text
    picture = Image.open(io.BytesIO(answer.content))
    picture.load()
    return picture


def attempts(url: str, answer: httpx.Response) -> list[tuple[str, str]]:
    """Who was asked for this answer, and how that ended. The log is written behind the guest's back."""
    query = """
        select detail->>'provider', detail->>'classification' from photochanger.processing_logs
        where job_id = %s and event = 'attempt' order by at, id
    """
    seen: list[tuple[str, str]] = []

    def last_is_there() -> bool:
        seen[:] = [(provider, verdict) for provider, verdict in rows(url, query, answer.headers["x-job-id"])]
        return bool(seen) and (answer.status_code != 200 or any(verdict == "picture" for _, verdict in seen))

    eventually(last_is_there)
    return seen


class Stage:
    """A running service, its database, and the stand-ins that it asks."""

    def __init__(self, service: Service, url: str, **services: Any) -> None:
        self.service = service
        self.url = url
        self.gemini: gemini.GeminiStandIn = services["gemini"]
        self.openai: openai.OpenAIStandIn = services["openai"]
        self.turbotext: turbotext.TurbotextStandIn = services["turbotext"]
        self.studio: StudioStandIn = services["studio"]


@contextlib.contextmanager
def staged(home: Path, url: str, **settings: str) -> Iterator[Stage]:
    with contextlib.ExitStack() as stack:
        services = {
            "gemini": gemini.GeminiStandIn(),
            "openai": openai.OpenAIStandIn(),
            "turbotext": turbotext.TurbotextStandIn(),
            "studio": StudioStandIn(),
        }
        for stand_in in services.values():
            stack.enter_context(stand_in.running_in_thread())
        relay = stack.enter_context(Relay().running())
        configured = {
            "database_url": url,
            "workers": "16",
            "public_base_url": relay.url,
            "private_hosts": "127.0.0.1",
            "gemini_api_key": gemini.KEY,
            "gemini_base_url": services["gemini"].url,
            "openai_api_key": openai.KEY,
            "openai_base_url": f"{services['openai'].url}/v1",
            "turbotext_api_key": turbotext.KEY,
            "turbotext_base_url": services["turbotext"].url,
        }
        service = stack.enter_context(serving(home, **configured | settings))
        relay.target = service.address
        set_slot(url, ONE, Route(entries=(GEMINI,), prompt_fields=("guest",)))
        set_slot(url, FALLBACK, Route(entries=(GEMINI, LOCAL)))
        set_slot(url, OPENAI, Route(entries=(RouteEntry("openai", "image_edit", {"prompt": "Noir"}),)))
        set_slot(url, TURBOTEXT, Route(entries=(RouteEntry("turbotext", "image_edit", {"prompt": "Нуар"}),)))
        studio = RouteEntry("http", "image_edit", {"url": f"{services['studio'].url}/render"})
        set_slot(url, STUDIO, Route(entries=(studio,)))
        yield Stage(service, url, **services)


@pytest.fixture
def stage(tmp_path: Path, postgres_url: str) -> Iterator[Stage]:
    with staged(tmp_path, postgres_url) as stage:
        yield stage


PHOTO = photos.jpeg(320, 240)


def test_every_service_makes_its_picture_and_was_asked_rightly(stage: Stage) -> None:
    assert picture_of(stage.service.send(PHOTO, ONE)).size == (96, 64)
    assert picture_of(stage.service.send(PHOTO, OPENAI)).size
    stage.turbotext.script(turbotext.fetch_pictures, call="create")
    assert picture_of(stage.service.send(PHOTO, TURBOTEXT)).size == (64, 48)
    assert picture_of(stage.service.send(PHOTO, STUDIO)).size == (320, 240)
    for stand_in in (stage.gemini, stage.openai, stage.turbotext, stage.studio):
        assert stand_in.refused == []
    # The links that Turbotext fetched by end with their job, behind the guest's back.
    ((_, fields),) = stage.turbotext.queued.values()
    eventually(lambda: httpx.get(fields["url"], verify=NO_TLS, timeout=180).status_code == 410)
    left = "select count(*) from photochanger.media_objects where removed_at is null"
    eventually(lambda: rows(stage.url, left) == [(0,)])


def test_what_a_guest_wrote_gets_into_the_prompt(stage: Stage) -> None:
    with stage.service.client() as client:
        form = {"password": "a-test-password", "guest": "Ada\n{model} Lovelace"}
        picture_of(client.post(f"/ingest/{ONE}", data=form, files={"fileToUpload": PHOTO}))
    (call,) = stage.gemini.calls()
    assert "An oil painting of Ada (model) Lovelace" in call.body.decode()


BEHAVIOURS: dict[str, Behaviour | Answer] = {
    "NO_IMAGE": gemini.without_content("NO_IMAGE"),
    "text only": gemini.content([{"text": "Here is a description instead."}]),
    "broken base64": gemini.content([{"inlineData": {"mimeType": "image/png", "data": "%%%"}}]),
    "text as a picture": gemini.drawn(b"this is no picture at all, it only says so"),
    "half a picture": gemini.drawn(gemini.PICTURE[: len(gemini.PICTURE) // 2]),
    "HTML": html(),
    "nothing": empty(),
    "500": gemini.error(500, "INTERNAL", "An internal error has occurred."),
    "503": gemini.error(503, "UNAVAILABLE", "The model is overloaded."),
    "429 for a second": gemini.rate_limited(delay="1s"),
    "reset": reset,
    "reset midway": reset_midway,
    "truncated": truncated,
}


def test_whatever_goes_wrong_once_is_tried_again_within_the_window(stage: Stage) -> None:
    for name, behaviour in BEHAVIOURS.items():
        stage.gemini.script(behaviour)
        answer = stage.service.send(PHOTO, ONE)
        assert picture_of(answer).size == (96, 64), name
        told = attempts(stage.url, answer)
        assert [provider for provider, _ in told] == ["gemini", "gemini"], name
        assert told[0][1] in ("retryable", "down"), name
    assert stage.gemini.refused == []


@pytest.mark.parametrize("behaviour", [hang, drip()], ids=["hang", "slow drip"])
def test_a_service_that_never_ends_its_answer_costs_the_first_choice_and_not_the_picture(
    tmp_path: Path, postgres_url: str, behaviour: Behaviour
) -> None:
    with staged(tmp_path, postgres_url, sync_response_seconds="20") as stage:
        stage.gemini.script(*[behaviour] * 20)
        for seconds in LONGER_WINDOWS_SECONDS:  # until the fallback has its picture in time, on a slow machine too
            set_window(postgres_url, timedelta(seconds=seconds))
            answer = stage.service.send(PHOTO, FALLBACK)
            if answer.status_code != 504:
                break
        picture_of(answer)
        (provider, verdict), last = attempts(stage.url, answer)
        assert provider == "gemini"
        assert verdict in ("timeout", "down")  # the engine and the client give up at the same moment
        assert last == ("local", "picture")


def test_a_wait_longer_than_the_window_means_the_next_entry_at_once(stage: Stage) -> None:
    for _ in range(2):
        stage.gemini.script(gemini.rate_limited(delay="86400s"))
    answer = stage.service.send(PHOTO, FALLBACK)
    picture_of(answer)
    assert attempts(stage.url, answer) == [("gemini", "retryable"), ("local", "picture")]
    assert stage.service.send(PHOTO, ONE).json()["code"] == "provider_failed"
    assert len(stage.gemini.calls()) == 2


@pytest.mark.parametrize(
    "refusal", [gemini.without_content("IMAGE_SAFETY"), gemini.blocked("PROHIBITED_CONTENT")], ids=["safety", "blocked"]
)
def test_a_refusal_is_final_for_its_entry_and_not_for_the_guest(stage: Stage, refusal: Answer) -> None:
    stage.gemini.script(refusal)
    answer = stage.service.send(PHOTO, FALLBACK)
    picture_of(answer)
    assert attempts(stage.url, answer) == [("gemini", "rejected"), ("local", "picture")]


def test_a_failure_answer_is_given_where_nothing_made_the_picture(stage: Stage) -> None:
    set_slot(stage.url, ONE, Route(entries=(GEMINI,), failure_answer=FailureAnswer.BRANDED))
    stage.gemini.script(gemini.without_content("IMAGE_SAFETY"))
    answer = stage.service.send(PHOTO, ONE)
    picture_of(answer)
    assert answer.headers["x-photochanger-outcome"] == "fallback"


def test_a_service_that_is_down_with_fifty_jobs_under_way_costs_no_guest_the_picture(
    tmp_path: Path, postgres_url: str
) -> None:
    async def down(exchange: Any) -> None:
        await (exchange.send(exchange.good()) if back else reset(exchange))

    back = False
    with staged(tmp_path, postgres_url, workers="50") as stage:
        stage.gemini.script(*[down] * 1000)
        with ThreadPoolExecutor(50) as cameras:
            sent = [cameras.submit(stage.service.send, photos.jpeg(200 + n, 150), ONE) for n in range(50)]
            opened = "select count(*) from photochanger.provider_usage where usage->>'open_until' is not null"
            eventually(lambda: rows(postgres_url, opened) == [(1,)])
            processing = "select count(*) from photochanger.jobs where state = 'processing'"
            eventually(lambda: rows(postgres_url, processing) == [(50,)])
            back = True
            for answer in [future.result() for future in sent]:
                picture_of(answer)


def test_a_missing_key_is_a_clear_answer_and_a_hint(tmp_path: Path, postgres_url: str) -> None:
    with staged(tmp_path, postgres_url, gemini_api_key="") as stage:
        answer = stage.service.send(PHOTO, ONE)
        assert (answer.status_code, answer.json()["code"]) == (502, "provider_not_configured")
        assert picture_of(stage.service.send(PHOTO, FALLBACK)).size
        assert stage.gemini.calls() == []
        with stage.service.client() as client:
            eventually(lambda: client.get("/readyz").status_code == 200)  # each look has two seconds


def test_a_wrong_key_is_a_clear_answer_and_shown_to_nobody(tmp_path: Path, postgres_url: str) -> None:
    wrong = "AIzaWrong-and-never-to-be-seen-0001"
    with staged(tmp_path, postgres_url, gemini_api_key=wrong, log_format="json") as stage:
        answer = stage.service.send(PHOTO, ONE)
        assert (answer.status_code, answer.json()["code"]) == (502, "provider_not_configured")
        log = rows(postgres_url, "select coalesce(string_agg(detail::text, ''), '') from photochanger.processing_logs")
        assert wrong not in answer.text + stage.service.log.read_text() + log[0][0]


def test_a_picture_of_sixty_megabytes_comes_back_whole(stage: Stage) -> None:
    noise = Image.frombytes("RGB", (4500, 4500), random.Random(7).randbytes(4500 * 4500 * 3))
    large = photos.encoded(noise, "PNG", compress_level=0, dpi=(300, 300))
    assert len(large) > 60_000_000
    stage.studio.script(answering(Answer(200, large, {"Content-Type": "image/png"})))
    answer = stage.service.send(PHOTO, STUDIO)
    assert answer.content == large


def test_html_as_a_picture_is_asked_for_again(stage: Stage) -> None:
    stage.studio.script(html(), answering(Answer(200, b"<html></html>", {"Content-Type": "image/png"})))
    answer = stage.service.send(PHOTO, STUDIO)
    assert picture_of(answer).size == (320, 240)
    assert attempts(stage.url, answer) == [("http", "retryable"), ("http", "retryable"), ("http", "picture")]


@pytest.mark.parametrize("host", ["127.0.0.2", "[::1]", "169.254.169.254"])
def test_a_finished_picture_that_lies_at_a_private_address_is_not_fetched(
    tmp_path: Path, postgres_url: str, host: str
) -> None:
    with staged(tmp_path, postgres_url, sync_response_seconds="10") as stage:
        port = stage.turbotext.pictures.url.rpartition(":")[2]
        stage.turbotext.picture_url = f"http://{host}:{port}/result.png"
        answer = stage.service.send(PHOTO, TURBOTEXT)
        assert answer.status_code in (502, 504)
        assert stage.turbotext.pictures.received == []
        assert port not in answer.text


def test_a_worker_killed_while_polling_is_followed_by_one_that_polls_on(tmp_path: Path, postgres_url: str) -> None:
    with staged(tmp_path, postgres_url) as stage, ThreadPoolExecutor(1) as cameras:
        stage.turbotext.reconnects = 10**6
        answer = cameras.submit(stage.service.send, PHOTO, TURBOTEXT)
        eventually(lambda: stage.turbotext.calls("poll"))
        for worker in stage.service.workers():
            worker.kill()
        stage.turbotext.reconnects = 0
        assert picture_of(answer.result()).size == (64, 48)
        assert len(stage.turbotext.calls("create")) == 1
        assert rows(postgres_url, "select attempt, provider_job_reference from photochanger.jobs") == [(2, "4711")]


def test_templates_go_along_to_services_that_take_them(stage: Stage) -> None:
    store = stage.service.log.parent / "media" / "templates"
    template = uuid4()
    (store / str(template)).write_bytes(photos.png(80, 80))
    add_template(stage.url, template)
    bound = (TemplateBinding("style", str(template)),)
    set_slot(stage.url, ONE, Route(entries=(RouteEntry("gemini", "style_transfer"),), templates=bound))
    set_slot(stage.url, TURBOTEXT, Route(entries=(RouteEntry("turbotext", "style_transfer"),), templates=bound))
    picture_of(stage.service.send(PHOTO, ONE))
    stage.turbotext.script(turbotext.fetch_pictures, call="create")
    picture_of(stage.service.send(PHOTO, TURBOTEXT))
    assert stage.gemini.refused == stage.turbotext.refused == []


def test_late_rescue_lets_a_paid_picture_come_after_the_504(tmp_path: Path, postgres_url: str) -> None:
    with staged(tmp_path, postgres_url, sync_response_seconds="10") as stage:
        set_slot(stage.url, ONE, Route(entries=(GEMINI,), late_rescue=True))
        held = Held()
        stage.gemini.script(held)
        for seconds in WINDOWS_SECONDS:  # until the call comes before the window's end, on a slow machine too
            set_window(postgres_url, timedelta(seconds=seconds))
            answer = stage.service.send(PHOTO, ONE)
            assert (answer.status_code, answer.json()["code"]) == (504, "sync_timeout")
            if stage.gemini.calls():
                break
        held.release()
        job = answer.json()["job_id"]
        late = eventually(lambda: _found(stage, job))
        assert picture_of(late).size == (96, 64)
        assert rows(postgres_url, "select state from photochanger.jobs where id = %s", job) == [("timed_out",)]


def _found(stage: Stage, job: str) -> httpx.Response | None:
    answer = stage.service.client().get(f"/public/results/{job}")
    return answer if answer.status_code == 200 else None
