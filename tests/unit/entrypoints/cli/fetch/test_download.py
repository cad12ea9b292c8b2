"""Downloads of single pictures against a service that fails, lies, or has lost them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx2
import msgspec
import pytest
from photochanger.entrypoints.cli.fetch import download
from photochanger.entrypoints.cli.fetch.api import Listed, Picture, Refused, ServiceApi, Wanted
from photochanger.entrypoints.cli.fetch.download import Downloads, End

from tests.support import photos

pytestmark = pytest.mark.anyio

DATA = b"the bytes of a picture"
JOB_ID = UUID("01980000-0000-7000-8000-000000000002")
NAME = f"slot-001/2026-05-01_18-03-12_{JOB_ID}.jpg"
LISTED = Listed(
    job_id=JOB_ID,
    slot_id="slot-001",
    completed_at=datetime(2026, 5, 1, 18, 3, 12, tzinfo=UTC),
    result=Picture(
        mime="image/jpeg",
        size_bytes=len(DATA),
        sha256=hashlib.sha256(DATA).hexdigest(),
    ),
)
WANTED = Wanted(slot_ids=("slot-001", "slot-002"), ended_from=None, ended_to=None)

Handler = Callable[[httpx2.Request], httpx2.Response]


def client_of(handler: Handler) -> tuple[httpx2.AsyncClient, ServiceApi]:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
    return http, ServiceApi(http, "http://service", username="ada", password="correct horse")


async def run(tmp_path: Path, *answers: httpx2.Response | Exception) -> tuple[End, int]:
    """What became of the picture, and how many requests it took; the last answer is repeated."""
    asked = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        answer = answers[min(len(asked), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return httpx2.Response(answer.status_code, content=answer.content)

    http, api = client_of(handler)
    async with http:
        end = await Downloads(http, api, tmp_path, stop=asyncio.Event()).run(LISTED)
    assert {*asked} <= {f"http://service/public/results/{JOB_ID}"}
    return end, len(asked)


def files(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0)


GOOD, AWAY = httpx2.Response(200, content=DATA), httpx2.Response(503)


@pytest.mark.parametrize(
    ("answers", "end", "requests"),
    [
        ([GOOD], End.FETCHED, 1),
        ([AWAY, httpx2.ReadError("lost"), GOOD], End.FETCHED, 3),
        ([httpx2.Response(200, content=DATA[:-1]), GOOD], End.FETCHED, 2),
        ([AWAY], End.FAILED, 3),
        ([httpx2.Response(200, content=DATA + b"and more")], End.FAILED, 3),
        ([httpx2.Response(200, content=DATA.upper())], End.FAILED, 3),
        ([httpx2.Response(410)], End.EXPIRED, 1),
        ([httpx2.Response(404)], End.EXPIRED, 1),
    ],
)
async def test_a_picture_is_whole_and_right_or_not_there(
    tmp_path: Path, answers: list[httpx2.Response | Exception], end: End, requests: int
) -> None:
    assert await run(tmp_path, *answers) == (end, requests)
    found = files(tmp_path)
    assert found == ([NAME] if end is End.FETCHED else [])
    if found:
        assert photos.load(tmp_path / NAME) == DATA


async def test_a_whole_file_is_not_asked_for_again(tmp_path: Path) -> None:
    assert await run(tmp_path, GOOD) == (End.FETCHED, 1)
    assert await run(tmp_path, GOOD) == (End.THERE, 0)


async def test_a_stop_leaves_the_rest(tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    http, api = client_of(lambda _: GOOD)
    async with http:
        assert await Downloads(http, api, tmp_path, stop=stop).run(LISTED) is End.LEFT


# The list


def item(**changes: object) -> dict[str, object]:
    found: dict[str, object] = msgspec.to_builtins(LISTED)
    return found | changes


async def listed(*items: dict[str, object]) -> list[Listed]:
    def handler(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/api/login":
            return httpx2.Response(200, json={"access_token": "t"})
        return httpx2.Response(200, json={"items": [*items], "next_cursor": None})

    http, api = client_of(handler)
    async with http:
        return [one async for page in api.pictures(WANTED) for one in page]


async def test_a_token_that_ran_out_is_renewed_and_pages_follow_each_other() -> None:
    asked: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(f"{request.url.path}?{request.url.query.decode()}")
        if request.url.path == "/api/login":
            return httpx2.Response(200, json={"access_token": f"token-{len(asked)}"})
        if request.headers["authorization"] == "Bearer token-1" and len(asked) > 2:
            return httpx2.Response(401, json={"code": "invalid_token"})
        return httpx2.Response(200, json={"items": [item()], "next_cursor": "c" if len(asked) < 3 else None})

    http, api = client_of(handler)
    async with http:
        pages = [page async for page in api.pictures(WANTED)]
    assert [len(page) for page in pages] == [1, 1]
    query = "slot_id=slot-001%2Cslot-002&limit=200"
    wanted = ["/api/login?", f"/api/results?{query}", f"/api/results?{query}&cursor=c", "/api/login?"]
    assert asked == [*wanted, f"/api/results?{query}&cursor=c"]


@pytest.mark.parametrize(
    "changes",
    [
        {"slot_id": "../../etc"},
        {"slot_id": "a/b"},
        {"job_id": "../x"},
        {"completed_at": "2026-05-01T18:03:12"},
        {"result": msgspec.to_builtins(LISTED.result) | {"sha256": "x"}},
    ],
)
async def test_a_list_that_no_photochanger_sends_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(Refused, match="Check --url"):
        await listed(item(**changes))


async def test_pictures_of_unknown_types_are_left_out() -> None:
    odd = item(result=msgspec.to_builtins(LISTED.result) | {"mime": "text/html"})
    assert [one.name for one in await listed(odd, item())] == [NAME]


async def test_a_refusal_is_the_problem_of_the_service() -> None:
    problem = {"code": "permission_denied", "detail": "Not allowed."}
    kind = {"content-type": "application/problem+json"}
    http, api = client_of(lambda _: httpx2.Response(403, json=problem, headers=kind))
    async with http:
        with pytest.raises(Refused, match="403 permission_denied: Not allowed"):
            [page async for page in api.pictures(WANTED)]
