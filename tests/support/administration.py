"""An administrator at the API: signed in, with what the tests of the administration routes send and look at."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
from photochanger.core.domain.accounts import Identity, Permission
from photochanger.core.domain.ids import new_secret
from photochanger.core.ports.accounts import TokenIssuer
from photochanger.core.ports.clock import Clock
from photochanger.core.services.auth.signing_keys import SigningKeys

from tests.support import photos
from tests.support.http_server import ADMIN_PASSWORD, END, FORM, Service, part

ADMIN = "admin"


class Administrator:
    """Sends requests with a token."""

    def __init__(self, service: Service, token: str) -> None:
        self.service = service
        self.token = token

    async def __call__(
        self,
        method: str,
        path: str,
        *,
        json_body: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer to a request of this administrator."""
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if json_body is not None:
            content = json.dumps(json_body).encode()
            sent.setdefault("Content-Type", "application/json")
        return await self.service.client.request(method, path, content=content, headers=sent)

    async def get(self, path: str, **headers: str) -> Any:
        """The JSON of a read that succeeds."""
        answer = await self("GET", path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def upload(self, path: str, photo: bytes | None = None, **fields: str) -> httpx.Response:
        """A form with a picture and these fields."""
        fields_part = b"".join(part(name, value) for name, value in fields.items())
        data = photos.jpeg(160, 120) if photo is None else photo
        body = fields_part + part("fileToUpload", data, filename="picture.jpg") + END
        return await self("POST", path, content=body, headers={"Content-Type": FORM})

    async def change_slot(self, slot_id: str = "slot-001", **changes: Any) -> httpx.Response:
        """The slot as it is read, with these changes, sent back with its tag."""
        slot = await self.get(f"/api/slots/{slot_id}")
        return await self("PUT", f"/api/slots/{slot_id}", json_body=slot | changes, headers={"If-Match": slot["etag"]})

    async def audit(self, action: str) -> list[dict[str, Any]]:
        """What the audit log says of such events, newest first."""
        items: list[dict[str, Any]] = (await self.get(f"/api/audit?action={action}"))["items"]
        return items


async def sign_in(service: Service, username: str = ADMIN, password: str = ADMIN_PASSWORD) -> Administrator:
    """An administrator who came in by name and password."""
    answer = await service.client.post("/api/login", json={"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    return Administrator(service, answer.json()["access_token"])


async def token_of(service: Service, *permissions: Permission, life: timedelta = timedelta(hours=1)) -> str:
    """A token of the first administrator that allows this alone."""
    container = service.opened.container
    clock = await container.get(Clock)
    keys = await container.get(SigningKeys)
    now = clock.now().replace(microsecond=0)
    identity = Identity(
        username=ADMIN,
        permissions=frozenset(permissions),
        issued_at=now,
        expires_at=now + life,
        token_id=new_secret(),
    )
    key_id, secret = await keys.current()
    return (await container.get(TokenIssuer)).issue(identity, key_id=key_id, secret=secret)


@asynccontextmanager
async def listening(administrator: Administrator, path: str = "/api/events", **headers: str) -> AsyncIterator[Any]:
    """The events of the stream, one by one, as dictionaries of their fields."""
    sent = {"Authorization": f"Bearer {administrator.token}", **headers}
    async with administrator.service.client.stream("GET", path, headers=sent) as answer:
        assert answer.status_code == 200, await answer.aread()
        yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncIterator[dict[str, str]]:
    event: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if not line:
            if event:
                yield event
            event = {}
            continue
        name, _, value = line.partition(":")
        if name:
            event[name] = value.removeprefix(" ")


def described(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem that the answer has to be."""
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return problem


def fields_of(problem: Mapping[str, Any]) -> Collection[str]:
    """The fields that a problem complains of."""
    return {error["field"] for error in problem["errors"]}


__all__ = ["ADMIN", "ADMIN_PASSWORD", "Administrator", "described", "fields_of", "listening", "sign_in"]
