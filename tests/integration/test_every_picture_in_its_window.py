"""Real processes: one key costs one picture, and a provider that comes back in the window makes the picture."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from photochanger.adapters.postgres import Database, PostgresJobLog
from photochanger.core.domain.job import LogEvent
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support import photos
from tests.support.service import LONG_WINDOW, Service, eventually, rows, serving, set_slot, set_window
from tests.support.standins import gemini, openai
from tests.support.standins.server import Answer, Exchange, Held, json_answer
from tests.support.standins.studio import StudioStandIn

PHOTO = photos.jpeg(320, 240)
LATE, BUSY, LIMITED, WORDS = "slot-005", "slot-006", "slot-007", "slot-008"
ENTRY = RouteEntry("openai", "image_edit", {"prompt": "Noir"})

WINDOWS_SECONDS = (10, 30, 90)
"""Until the calls fit into the window, on a slow machine too."""

QUOTA = {"error": {"code": 429, "message": "Resource has been exhausted.", "status": "RESOURCE_EXHAUSTED"}}


@pytest.fixture
def openai_service() -> Iterator[openai.OpenAIStandIn]:
    stand_in = openai.OpenAIStandIn()
    with stand_in.running_in_thread():
        yield stand_in


@contextlib.contextmanager
def staged(home: Path, url: str, stand_in: openai.OpenAIStandIn, **more: str) -> Iterator[Service]:
    settings = more | {
        "openai_api_key": openai.KEY,
        "openai_base_url": f"{stand_in.url}/v1",
        "private_hosts": "127.0.0.1",
        "sync_response_seconds": str(WINDOWS_SECONDS[0]),
    }
    with serving(home, database_url=url, **settings) as service:
        set_slot(url, LATE, Route(entries=(ENTRY,), late_rescue=True))
        yield service


def test_a_key_gets_the_late_picture_of_its_first_try_and_pays_for_no_other(
    tmp_path: Path, postgres_url: str, openai_service: openai.OpenAIStandIn
) -> None:
    with staged(tmp_path, postgres_url, openai_service) as service, ThreadPoolExecutor() as cameras:
        held = Held()
        openai_service.script(held)
        for seconds in WINDOWS_SECONDS:
            if seconds > WINDOWS_SECONDS[0]:
                set_window(postgres_url, timedelta(seconds=seconds))
            key = {"Idempotency-Key": f"photo-of-{seconds}"}
            first = service.send(PHOTO, LATE, **key)
            assert (first.status_code, first.json()["code"]) == (504, "sync_timeout")
            if openai_service.calls():
                break
        set_window(postgres_url, LONG_WINDOW)
        hurried = service.send(PHOTO, LATE, **key, Prefer="respond-async")
        assert (hurried.status_code, hurried.json()["job_id"]) == (202, first.json()["job_id"])
        retries = [cameras.submit(service.send, PHOTO, LATE, **key) for _ in range(3)]
        held.release()
        answers = [retry.result() for retry in retries]
        assert [(answer.status_code, answer.headers["x-job-id"]) for answer in answers] == [
            (200, first.json()["job_id"])
        ] * 3
        assert len(openai_service.calls()) == 1
        assert rows(postgres_url, "select state, late_call_until from photochanger.jobs order by created_at")[-1] == (
            "timed_out",
            None,
        )
        eventually(lambda: not list((tmp_path / "media" / "payloads").iterdir()))
        for (job_id,) in rows(postgres_url, "select id from photochanger.jobs"):
            listed = logged_events(postgres_url, job_id)
            assert LogEvent.ATTEMPT not in listed[listed.index(LogEvent.FINALIZED) :]


def logged_events(url: str, job_id: UUID) -> list[LogEvent]:
    """The events of a job in the order in which they are listed."""

    async def read() -> list[LogEvent]:
        async with Database(url) as database:
            return [entry.event for entry in await PostgresJobLog(database).entries(job_id)]

    return asyncio.run(read())


def failing_for(seconds: float, answer: Answer) -> Callable[[Exchange], Awaitable[None]]:
    """A service that answers so for this long after its first call, and well from then on."""
    began: list[float] = []

    async def behave(exchange: Exchange) -> None:
        began.append(time.monotonic())
        is_failing = began[-1] - began[0] < seconds
        await exchange.send(answer if is_failing else exchange.good())

    return behave


def test_a_provider_that_comes_back_in_the_window_makes_the_picture(
    tmp_path: Path, postgres_url: str, openai_service: openai.OpenAIStandIn
) -> None:
    """503 for 20 s of 48, 429 without a delay for 15 s, and 429 with "try again in 12s" only in words, all to scale."""
    studio, google = StudioStandIn(), gemini.GeminiStandIn()
    google_settings = {"gemini_api_key": gemini.KEY, "public_base_url": "https://booth.example"}
    with (
        studio.running_in_thread(),
        google.running_in_thread(),
        staged(tmp_path, postgres_url, openai_service, gemini_base_url=google.url, **google_settings) as service,
        ThreadPoolExecutor() as cameras,
    ):
        set_slot(postgres_url, BUSY, Route(entries=(RouteEntry("http", "image_edit", {"url": f"{studio.url}/"}),)))
        set_slot(postgres_url, LIMITED, Route(entries=(RouteEntry("gemini", "image_edit", {"prompt": "Noir"}),)))
        set_slot(postgres_url, WORDS, Route(entries=(ENTRY,)))
        for window in WINDOWS_SECONDS:
            scale = window / 48
            studio.script(*[failing_for(20 * scale, Answer(503))] * 5)
            google.script(*[failing_for(15 * scale, json_answer(QUOTA, status=429))] * 5)
            words = f"Rate limit reached. Please try again in {12 * scale:g}s."
            openai_service.script(*[failing_for(12 * scale, openai.error(429, words))] * 5)
            if window > WINDOWS_SECONDS[0]:
                set_window(postgres_url, timedelta(seconds=window))
            slots = (BUSY, LIMITED, WORDS)
            answers = dict(zip(slots, cameras.map(lambda slot: service.send(PHOTO, slot), slots), strict=True))
            if {answer.status_code for answer in answers.values()} == {200}:
                break
            for stand_in in (studio, google, openai_service):
                stand_in.forget_scripts()
        assert {answer.status_code for answer in answers.values()} == {200}
        assert all(len(stand_in.received) > 1 for stand_in in (studio, google, openai_service))
