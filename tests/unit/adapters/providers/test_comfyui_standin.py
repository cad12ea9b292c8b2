"""The stand-in of ComfyUI refuses what would harm a guest, or what the real server would not take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support import photos
from tests.support.plain_http import NO_TLS
from tests.support.standins.comfyui import ComfyuiStandIn, Generation
from tests.support.standins.comfyui_nodes import workflow

pytestmark = pytest.mark.anyio

Change = Callable[[dict[str, Any]], None]


async def uploaded(http: httpx.AsyncClient, **options: Any) -> httpx.Response:
    """A photo, stored as the provider does it."""
    given = {
        "name": f"{uuid4()}.jpg",
        "mime": "image/jpeg",
        "data": photos.jpeg(64, 48),
        "form": {"type": "temp"},
    } | options
    files = {"image": (given["name"], given["data"], given["mime"])}
    return await http.post("/upload/image", data=given["form"], files=files)


async def right(http: httpx.AsyncClient) -> dict[str, Any]:
    """A request that the stand-in takes."""
    graph = {key: {k: v for k, v in node.items() if k != "_meta"} for key, node in workflow().items()}
    graph["2"]["inputs"]["image"] = f"{(await uploaded(http)).json()['name']} [temp]"
    graph["8"] = {"class_type": "PreviewImage", "inputs": {"images": ["10", 0]}}
    return {"prompt": graph, "client_id": "c", "prompt_id": str(uuid4())}


def node(node_id: str, **inputs: Any) -> Change:
    return lambda body: body["prompt"][node_id]["inputs"].update(inputs)


WRONG: dict[str, Change] = {
    "no client": lambda body: body.pop("client_id"),
    "another field": lambda body: body.update(front=True),
    "a title": lambda body: body["prompt"]["1"].update(_meta={"title": "x"}),
    "a saved picture": lambda body: body["prompt"]["8"].update(class_type="SaveImage"),
    "a second end": lambda body: body["prompt"].update({"11": body["prompt"]["8"]}),
    "a link to nothing": node("7", samples=["66", 0]),
    "a loop": node("5", pixels=["7", 0]),
    "the photo elsewhere": node("3", text="photo.jpg [temp]"),
    "no photo": node("2", image="example.png"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
async def test_wrong_work_is_refused(change: Change) -> None:
    async with ComfyuiStandIn() as service, httpx.AsyncClient(base_url=service.url, verify=NO_TLS, timeout=180) as http:
        body = await right(http)
        change(body)
        assert (await http.post("/prompt", json=body)).status_code == 400
        assert len(service.refused) == 1


async def test_work_is_taken_once_and_with_a_fresh_seed() -> None:
    async with ComfyuiStandIn() as service, httpx.AsyncClient(base_url=service.url, verify=NO_TLS, timeout=180) as http:
        first = await right(http)
        assert (await http.post("/prompt", json=first)).status_code == 200
        assert (await http.post("/prompt", json=first)).status_code == 400
        assert (await http.post("/prompt", json=await right(http))).status_code == 400
        assert service.refused[-1] == b"the seed is not fresh"


@pytest.mark.parametrize(
    "options",
    [
        {"form": {"type": "input"}},
        {"form": {}},
        {"form": {"type": "temp", "overwrite": "true"}},
        {"name": "photo.jpg"},
        {"mime": "image/png"},
        {"data": photos.located("JPEG")},
    ],
    ids=["for ever", "no type", "another field", "no name of its own", "another type", "a place"],
)
async def test_wrong_uploads_are_refused(options: dict[str, Any]) -> None:
    async with ComfyuiStandIn() as service, httpx.AsyncClient(base_url=service.url, verify=NO_TLS, timeout=180) as http:
        assert (await uploaded(http, **options)).status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/interrupt", {}),
        ("/interrupt", {"prompt_id": "other-guest"}),
        ("/queue", {"clear": True}),
        ("/queue", {"delete": ["other-guest"]}),
        ("/history", {"clear": True}),
        ("/history", {"delete": ["other-guest"]}),
        ("/api/jobs/other-guest/cancel", {}),
    ],
)
async def test_work_of_others_cannot_be_stopped(path: str, body: dict[str, Any]) -> None:
    async with ComfyuiStandIn() as service, httpx.AsyncClient(base_url=service.url, verify=NO_TLS, timeout=180) as http:
        service.work_for_another_guest()
        assert (await http.post(path, json=body)).status_code == 400
        assert (service.running, len(service.refused)) == ("other-guest", 1)


async def test_old_versions_are_never_asked_to_interrupt() -> None:
    async with (
        ComfyuiStandIn(Generation.OLD) as service,
        httpx.AsyncClient(base_url=service.url, verify=NO_TLS, timeout=180) as http,
    ):
        body = await right(http)
        await http.post("/prompt", json=body)
        assert (await http.post("/interrupt", json={"prompt_id": body["prompt_id"]})).status_code == 400


@pytest.mark.parametrize("name", ["Origin", "Cookie", "Authorization", "X-API-Key"])
async def test_no_request_has_an_origin_or_shows_a_key_for_nothing(name: str) -> None:
    async with ComfyuiStandIn() as service, httpx.AsyncClient(base_url=service.url, verify=NO_TLS, timeout=180) as http:
        assert (await http.get("/queue")).status_code == 200
        assert (await http.get("/queue", headers={name: "http://elsewhere.example"})).status_code in (400, 403)
