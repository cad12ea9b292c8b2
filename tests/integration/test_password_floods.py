"""Floods of wrong passwords at a whole service, before and after a restart: right ones are answered all the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import httpx
import pytest
from photochanger.core.domain.accounts import MAX_FAILURES

from tests.support import photos
from tests.support.plain_http import NO_TLS
from tests.support.service import HANG_SECONDS, PASSWORD, Service, rows, serving

pytestmark = pytest.mark.anyio

ADMIN, ADMIN_PASSWORD = "ada", "correct horse battery"
FLOODERS = [f"127.0.0.{number}" for number in range(1, 13)]
WRONG_PHOTOS, WRONG_LOGINS = 120, 150
ANONYMOUS = ["camera", "unknown"]
JPEG = photos.jpeg(640, 480)


def client(service: Service, address: str) -> httpx.AsyncClient:
    """A client at this address of the loopback network."""
    transport = httpx.AsyncHTTPTransport(local_address=address, limits=httpx.Limits(max_connections=8), verify=NO_TLS)
    return httpx.AsyncClient(base_url=service.address, transport=transport, timeout=HANG_SECONDS)


async def send(one: httpx.AsyncClient, password: str, slot_id: str = "slot-001") -> int:
    answer = await one.post(f"/ingest/{slot_id}", data={"password": password}, files={"fileToUpload": JPEG})
    return answer.status_code


async def log_in(one: httpx.AsyncClient, password: str) -> httpx.Response:
    return await one.post("/api/login", json={"username": ADMIN, "password": password})


async def flood(service: Service) -> tuple[Counter[int], int, int]:
    """The statuses of wrong passwords from many addresses at once, and of a photo and a login among them."""
    clients = [client(service, address) for address in FLOODERS]
    wrong = [send(clients[n % len(clients)], f"wrong {n}") for n in range(WRONG_PHOTOS)]

    async def wrong_login(n: int) -> int:
        return (await log_in(clients[n % len(clients)], f"wrong {n}")).status_code

    wrong += [wrong_login(n) for n in range(WRONG_LOGINS)]
    async with client(service, FLOODERS[0]) as right:  # an address that floods
        flooding = asyncio.gather(*wrong)
        photo, login = await asyncio.gather(send(right, PASSWORD), log_in(right, ADMIN_PASSWORD))
        statuses = Counter(await flooding)
    for one in clients:
        await one.aclose()
    return statuses, photo, login.status_code


async def test_right_passwords_are_answered_in_a_flood_of_wrong_ones_and_after_a_restart(
    tmp_path: Path, postgres_url: str
) -> None:
    settings = {"database_url": postgres_url, "admin_username": ADMIN, "admin_password": ADMIN_PASSWORD}
    with serving(tmp_path, **settings) as service:
        statuses, photo, login = await flood(service)
        assert (photo, login) == (200, 200)
        assert statuses.keys() <= {401, 429}
        assert statuses.total() == WRONG_PHOTOS + WRONG_LOGINS
        async with client(service, FLOODERS[0]) as one:
            assert 429 in [await send(one, "wrong") for _ in range(2 * MAX_FAILURES)]
            assert await send(one, PASSWORD) == 200
            assert (await log_in(one, ADMIN_PASSWORD)).status_code == 200
        assert service.stop() == 0
    with serving(tmp_path, **settings) as service:
        _, photo, login = await flood(service)
        assert (photo, login) == (200, 200)
    ((failures,),) = rows(postgres_url, "select count(*) from photochanger.audit_log where actor = any(%s)", ANONYMOUS)
    assert 0 < failures < WRONG_PHOTOS + WRONG_LOGINS  # ten a minute, and the sums


async def test_a_slot_with_an_own_password_refuses_the_general_one(tmp_path: Path, postgres_url: str) -> None:
    settings = {"database_url": postgres_url, "admin_username": ADMIN, "admin_password": ADMIN_PASSWORD}
    with serving(tmp_path, **settings) as service:
        async with client(service, "127.0.0.1") as one:
            token = (await log_in(one, ADMIN_PASSWORD)).json()["access_token"]
            admin = {"Authorization": f"Bearer {token}"}
            slot = (await one.get("/api/slots/slot-002", headers=admin)).json()
            changed = await one.put(
                "/api/slots/slot-002",
                json=slot | {"ingest_password": "of the rented booth"},
                headers=admin | {"If-Match": slot["etag"]},
            )
            assert (changed.status_code, changed.json()["ingest_password_set"]) == (200, True)
            assert "of the rented booth" not in changed.text
            assert await send(one, "of the rented booth", "slot-002") == 200
            assert await send(one, PASSWORD, "slot-002") == 401
            assert await send(one, PASSWORD, "slot-001") == 200
    with serving(tmp_path, **settings) as service:
        async with client(service, "127.0.0.1") as one:
            assert await send(one, "of the rented booth", "slot-002") == 200
            assert await send(one, PASSWORD, "slot-002") == 401
    assert "rented booth" not in service.log.read_text()
    stored = repr(rows(postgres_url, "select * from photochanger.slots, photochanger.audit_log"))
    assert "rented booth" not in stored
