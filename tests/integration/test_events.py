"""Events from a real service on a real PostgreSQL: what they cost, and what becomes of them when parts go away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from photochanger.adapters.postgres.database import MAX_CONNECTIONS

from tests.support import photos
from tests.support.plain_http import NO_TLS
from tests.support.service import PASSWORD, Service, rows, serving

pytestmark = pytest.mark.anyio

_CONNECTIONS = """
select count(*) from pg_stat_activity
where datname = current_database() and starts_with(application_name, 'photochanger ')
"""
_ADMIN = {"username": "admin", "password": "correct horse battery staple"}


@pytest.fixture
def settings(postgres_url: str) -> dict[str, str]:
    return {"database_url": postgres_url, "admin_password": _ADMIN["password"], "workers": "2"}


async def token_of(service: Service) -> dict[str, str]:
    """The header of an administrator who signed in."""
    async with httpx.AsyncClient(base_url=service.address, verify=NO_TLS, timeout=180) as client:
        answer = await client.post("/api/login", json=_ADMIN)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def messages(answer: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any], str | None]]:
    """Kind, data and id of each message."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        else:
            if "event" in fields:
                yield fields["event"], json.loads(fields["data"]), fields.get("id")
            fields = {}


async def ended(stream: AsyncIterator[tuple[str, dict[str, Any], str | None]]) -> dict[str, Any]:
    """The end of the next job that the stream tells of."""
    async with asyncio.timeout(180):
        async for kind, data, _ in stream:
            if kind == "job" and data["event"] == "finalized":
                return data
    raise AssertionError("the stream ended")


async def send(service: Service) -> str:
    """A photo's way to its picture; the job."""
    async with httpx.AsyncClient(base_url=service.address, verify=NO_TLS, timeout=180) as client:
        files = {"fileToUpload": photos.jpeg(320, 240)}
        answer = await client.post("/ingest/slot-001", data={"password": PASSWORD}, files=files)
        assert answer.status_code == 200, answer.text
        return answer.headers["x-job-id"]


async def test_two_hundred_listeners_cost_no_database_connection(
    tmp_path: Path, postgres_url: str, settings: dict[str, str]
) -> None:
    with serving(tmp_path, **settings) as service:
        header = await token_of(service)
        limits = httpx.Limits(max_connections=None)
        async with (
            httpx.AsyncClient(
                base_url=service.address, headers=header, limits=limits, verify=NO_TLS, timeout=180
            ) as client,
            AsyncExitStack() as stack,
        ):

            async def listen() -> AsyncIterator[tuple[str, dict[str, Any], str | None]]:
                return messages(await stack.enter_async_context(client.stream("GET", "/api/events")))

            first = await listen()
            await send(service)
            await ended(first)
            streams = [first, *[await listen() for _ in range(199)]]
            job_id = await send(service)
            told = await asyncio.gather(*(ended(stream) for stream in streams))
            assert {data["job_id"] for data in told} == {job_id}
            ((after,),) = rows(postgres_url, _CONNECTIONS)
            assert after <= 2 * MAX_CONNECTIONS, "whatever the number of streams"


async def test_who_comes_back_to_another_process_is_told_what_was_missed(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with serving(tmp_path / "first", **settings) as service:
        header = await token_of(service)
        async with (
            httpx.AsyncClient(base_url=service.address, headers=header, verify=NO_TLS, timeout=180) as client,
            client.stream("GET", "/api/events") as answer,
        ):
            stream = messages(answer)
            sending = asyncio.ensure_future(send(service))
            last: str | None = None
            async with asyncio.timeout(180):
                async for kind, data, id in stream:
                    last = id or last
                    if kind == "job" and data["event"] == "finalized":
                        break
            await sending
            missed = await send(service)
            assert service.stop() == 0
    secret = (tmp_path / "first" / "secret.key").read_text().strip()
    with serving(tmp_path / "second", secret_key=secret, **settings) as service:
        async with (
            httpx.AsyncClient(base_url=service.address, verify=NO_TLS, timeout=180) as client,
            client.stream("GET", "/api/events", headers=header | {"Last-Event-ID": last or ""}) as answer,
        ):
            assert answer.status_code == 200, "the token was made by the other process"
            stream = messages(answer)
            while (await ended(stream))["job_id"] != missed:
                pass  # what came before the last id may be sent twice


async def test_a_stop_lets_listeners_go_and_waits_for_none_of_them(tmp_path: Path, settings: dict[str, str]) -> None:
    with serving(tmp_path, **settings) as service:
        header = await token_of(service)
        async with (
            httpx.AsyncClient(base_url=service.address, headers=header, verify=NO_TLS, timeout=180) as client,
            client.stream("GET", "/api/events") as answer,
        ):
            stream = messages(answer)
            assert (await anext(stream))[0] == "queue"
            stopping = asyncio.ensure_future(asyncio.to_thread(service.stop))
            assert [kind async for kind, _, _ in stream] in ([], ["queue"])
            assert await stopping == 0
