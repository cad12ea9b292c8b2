"""The whole service with a ComfyUI behind it: a photo becomes its picture, also where a worker is killed."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
from photochanger.core.domain.slots.slot import Route, RouteEntry
from PIL import Image

from tests.support import photos
from tests.support.service import Service, eventually, rows, serving, set_slot, set_window
from tests.support.standins import comfyui
from tests.support.standins.comfyui import ComfyuiStandIn, Generation
from tests.support.standins.comfyui_nodes import workflow
from tests.support.standins.server import Exchange

SLOT, FALLBACK = "slot-005", "slot-006"
ENTRY = RouteEntry("comfyui", "workflow", {"workflow": json.dumps(workflow(style=False)), "prompt": "for {guest}"})
PHOTO = photos.located("JPEG", 320, 240, orientation=6)
KEY = "ada:a-key-for-the-proxy"
AUTH = ("Authorization", "Basic YWRhOmEta2V5LWZvci10aGUtcHJveHk=")
LONGER_WINDOWS_SECONDS = (20, 60, 160)


@contextlib.contextmanager
def staged(home: Path, url: str, stand_in: ComfyuiStandIn, **settings: str) -> Iterator[Service]:
    """The service with this ComfyUI behind a proxy."""
    stand_in.auth = AUTH
    entry = RouteEntry("comfyui", "workflow", {**ENTRY.settings, "auth": "basic"})
    with stand_in.running_in_thread():
        configured = {"database_url": url, "comfyui_base_url": stand_in.url, "comfyui_api_key": KEY}
        with serving(home, **configured | settings) as service:
            set_slot(url, SLOT, Route(entries=(entry,), prompt_fields=("guest",)))
            set_slot(url, FALLBACK, Route(entries=(entry, RouteEntry("local", "enhance"))))
            yield service
    assert stand_in.refused == []


def picture_of(answer: httpx.Response) -> Image.Image:
    """The picture that came back, decoded whole."""
    assert answer.status_code == 200, answer.text
    picture = Image.open(io.BytesIO(answer.content))
    picture.load()
    return picture


def test_a_photo_becomes_its_picture_and_what_fails_once_is_tried_again(tmp_path: Path, postgres_url: str) -> None:
    stand_in = ComfyuiStandIn()
    with staged(tmp_path, postgres_url, stand_in) as service:
        form = {"password": "a-test-password", "guest": "Ada"}
        with service.client() as client:
            answer = client.post(f"/ingest/{SLOT}", data=form, files={"fileToUpload": PHOTO})
        assert picture_of(answer).size == (96, 64)
        assert stand_in.inputs("3")["text"] == "for Ada"
        ((prompt_id, graph),) = stand_in.graphs.items()
        query = "select detail from photochanger.processing_logs where event = 'attempt'"
        ((detail,),) = eventually(lambda: rows(postgres_url, query))
        assert (detail["classification"], detail["prompt_id"], detail["nodes"]) == ("picture", prompt_id, len(graph))
        eventually(lambda: stand_in.forgotten == [prompt_id])
        assert stand_in.history == {}
        log = service.log.read_text()
        assert KEY not in log
        assert "for Ada" not in log

        endings = [comfyui.failed("torch.OutOfMemoryError", "x"), comfyui.interrupted, comfyui.outputs({})]
        stand_in.ending = lambda prompt_id: (endings.pop(0) if endings else stand_in.succeeded)(prompt_id)
        assert picture_of(service.send(PHOTO, SLOT)).size == (96, 64)
        assert len(stand_in.graphs) == 5


def test_a_worker_killed_in_mid_job_is_followed_by_one_that_waits_for_the_same_job(
    tmp_path: Path, postgres_url: str
) -> None:
    stand_in = ComfyuiStandIn(Generation.OLD)
    stand_in.polls = 10**6
    with staged(tmp_path, postgres_url, stand_in) as service, ThreadPoolExecutor(1) as cameras:
        answer = cameras.submit(service.send, PHOTO, SLOT)
        eventually(lambda: stand_in.calls("history"))
        for worker in service.workers():
            worker.kill()
        stand_in.polls = 0
        assert picture_of(answer.result()).size == (96, 64)
        (prompt_id,) = stand_in.graphs
        assert len(stand_in.calls("upload")) == len(stand_in.calls("prompt")) == 1
        query = "select attempt, provider_job_reference from photochanger.jobs"
        ((attempt, reference),) = rows(postgres_url, query)
        assert (attempt, reference.partition(":")[0]) == (2, prompt_id)


def test_a_worker_killed_before_the_job_is_queued_costs_no_picture(tmp_path: Path, postgres_url: str) -> None:
    stand_in = ComfyuiStandIn()

    async def lost(exchange: Exchange) -> None:
        for worker in service.workers():
            worker.kill()
        await exchange.client_gone()

    stand_in.script(lost, call="prompt")
    with staged(tmp_path, postgres_url, stand_in) as service:
        assert picture_of(service.send(PHOTO, SLOT)).size == (96, 64)
        assert len(stand_in.calls("prompt")) == 2
        assert len(stand_in.graphs) == 1


def test_a_job_that_would_come_too_late_is_removed_and_the_fallback_answers(tmp_path: Path, postgres_url: str) -> None:
    stand_in = ComfyuiStandIn()
    stand_in.work_for_another_guest("second-guest")
    with staged(tmp_path, postgres_url, stand_in, sync_response_seconds="20") as service:
        for seconds in LONGER_WINDOWS_SECONDS:  # until the fallback has its picture in time, on a slow machine too
            set_window(postgres_url, timedelta(seconds=seconds))
            answer = service.send(PHOTO, FALLBACK)
            if answer.status_code == 200 and stand_in.graphs:
                break
        picture_of(answer)
        eventually(lambda: set(stand_in.cancelled) == set(stand_in.graphs))
        assert (stand_in.running, stand_in.waiting) == ("other-guest", ["second-guest"])
