"""Signing out, and sessions that are not used: tokens, cookies and event streams end, in every process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest
from photochanger.adapters.security import AesSecretBox
from photochanger.core.domain.accounts import IDLE_LIMIT, RENEWED_AFTER, TOKEN_LIFE
from photochanger.core.ports.accounts import AdminRepository, RevokedTokens
from photochanger.core.ports.clock import Clock
from photochanger.core.ports.secrets import SecretBox, SigningKeyRepository
from photochanger.entrypoints.http.api import events as events_module

from tests.support.administration import ADMIN, ADMIN_PASSWORD, Administrator, described, sign_in
from tests.support.http_server import Service, serving
from tests.support.service import HANG_SECONDS

pytestmark = pytest.mark.anyio

CREDENTIALS = {"username": ADMIN, "password": ADMIN_PASSWORD}
OWN = {"X-PhotoChanger-CSRF": "1"}
CLEARED = '"cache", "storage"'
MINUTE = timedelta(minutes=1)


class Browser:
    """A browser that keeps the session's cookie as a real one does, `Max-Age` aside."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.cookie = ""

    async def sign_in(self) -> None:
        assert (await self("POST", "/api/session", json=CREDENTIALS)).status_code == 200

    async def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**OWN, **more.pop("headers", {})} | ({"Cookie": self.cookie} if self.cookie else {})
        answer = await self.service.client.request(method, path, headers=headers, **more)
        self.service.client.cookies.clear()
        for cookie in SimpleCookie(answer.headers.get("set-cookie", "")).values():
            self.cookie = f"{cookie.key}={cookie.value}"
        return answer


@pytest.fixture
async def browser(service: Service) -> Browser:
    signed_in = Browser(service)
    await signed_in.sign_in()
    return signed_in


class Time:
    """Moves the wall clock of a service."""

    def __init__(self, clock: Any, patch: pytest.MonkeyPatch) -> None:
        self._begun, self._patch, self._clock, self._ahead = clock.now, patch, clock, timedelta(0)

    def pass_by(self, duration: timedelta) -> None:
        self._ahead += duration
        ahead = self._ahead
        self._patch.setattr(self._clock, "now", lambda: self._begun() + ahead)


@pytest.fixture
async def time(service: Service, monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(await service.opened.container.get(Clock), monkeypatch)


async def test_a_token_signs_out(service: Service) -> None:
    admin, other = await sign_in(service), await sign_in(service)
    ended = await admin("POST", "/api/logout")
    assert (ended.status_code, ended.content) == (204, b"")
    assert ended.headers["clear-site-data"] == CLEARED
    assert ended.headers["cache-control"] == "no-store"
    described(await admin("GET", "/api/me"), 401, "invalid_token")
    described(await admin("POST", "/api/logout"), 401, "invalid_token")
    assert len(await other.audit("logout")) == 1


async def test_a_cookie_signs_out_and_a_copy_of_it_is_worth_nothing(service: Service, browser: Browser) -> None:
    copied = {"Cookie": browser.cookie}
    ended = await browser("DELETE", "/api/session")
    assert (ended.status_code, ended.headers["clear-site-data"]) == (204, CLEARED)
    described(await service.client.get("/api/me", headers=copied), 401, "invalid_token")
    token = copied["Cookie"].partition("=")[2]
    as_bearer = {"Authorization": f"Bearer {token}"}
    described(await service.client.get("/api/me", headers=as_bearer), 401, "invalid_token")


async def test_a_browser_signs_out_by_logout_too(service: Service, browser: Browser) -> None:
    copied = {"Cookie": browser.cookie}
    described(await service.client.post("/api/logout", headers=copied), 403, "csrf_refused")
    assert (await browser("POST", "/api/logout")).status_code == 204
    assert browser.cookie == "photochanger="
    described(await service.client.get("/api/me", headers=copied), 401, "invalid_token")


async def test_signing_out_everywhere_ends_cookies_and_tokens(service: Service, browser: Browser) -> None:
    program, phone = await sign_in(service), Browser(service)
    await phone.sign_in()
    assert (await browser("POST", "/api/logout?everywhere=true")).status_code == 204
    described(await program("GET", "/api/me"), 401, "invalid_token")
    described(await phone("GET", "/api/me"), 401, "invalid_token")
    await browser.sign_in()
    assert (await browser("GET", "/api/me")).status_code == 200


async def test_a_wrong_query_signs_nothing_out(service: Service) -> None:
    admin = await sign_in(service)
    described(await admin("POST", "/api/logout?everywhere=maybe"), 400, "invalid_request")
    described(await admin("POST", "/api/logout?all=true"), 400, "invalid_request")
    assert (await admin("GET", "/api/me")).status_code == 200


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[Service, Service]]:
    """Two processes of a service, with the same accounts and keys."""
    box = AesSecretBox(lambda: "the secret of this service, which is long enough")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serving(tmp_path / "a", adapters={SecretBox: box}))
        shared = {
            port: await first.opened.container.get(port)
            for port in (AdminRepository, RevokedTokens, SigningKeyRepository, SecretBox)
        }
        yield first, await stack.enter_async_context(serving(tmp_path / "b", adapters=shared))


async def test_another_process_refuses_the_token_and_ends_its_streams(two: tuple[Service, Service]) -> None:
    here, there = two
    admin = await sign_in(here)
    elsewhere = Administrator(there, admin.token)
    headers = {"Authorization": f"Bearer {admin.token}"}
    async with there.client.stream("GET", "/api/events", headers=headers) as stream, asyncio.timeout(HANG_SECONDS):
        lines = stream.aiter_lines()
        assert stream.status_code == 200
        await anext(lines)
        assert (await admin("POST", "/api/logout")).status_code == 204
        async for _ in lines:
            pass  # to its end
        described(await elsewhere("GET", "/api/me"), 401, "invalid_token")


@pytest.mark.parametrize("how", ["with its token", "with its cookie"])
async def test_an_event_stream_ends_when_its_token_signs_out(
    service: Service, browser: Browser, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "CHECK_SECONDS", 0.01)
    admin = await sign_in(service)
    of_token = {"Authorization": f"Bearer {admin.token}"}
    headers = of_token if how == "with its token" else {"Cookie": browser.cookie}
    async with service.client.stream("GET", "/api/events", headers=headers) as stream, asyncio.timeout(HANG_SECONDS):
        lines = stream.aiter_lines()
        await anext(lines)
        await (admin("POST", "/api/logout") if how == "with its token" else browser("DELETE", "/api/session"))
        async for _ in lines:
            pass


async def test_a_session_ends_without_use_and_a_token_does_not(service: Service, browser: Browser, time: Time) -> None:
    program = await sign_in(service)
    time.pass_by(IDLE_LIMIT + MINUTE)
    described(await browser("GET", "/api/me"), 401, "invalid_token")
    assert (await program("GET", "/api/me")).status_code == 200


async def test_a_session_in_use_gets_a_new_cookie_and_goes_on(service: Service, browser: Browser, time: Time) -> None:
    unchanged = await browser("GET", "/api/me")
    assert "set-cookie" not in unchanged.headers
    for _ in range(5):
        time.pass_by(IDLE_LIMIT - MINUTE)
        before = browser.cookie
        answer = await browser("GET", "/api/slots")
        assert answer.status_code == 200
        (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
        assert browser.cookie != before
        assert (cookie["path"], cookie["samesite"], cookie["httponly"]) == ("/", "Strict", True)
        assert int(cookie["max-age"]) == IDLE_LIMIT.total_seconds()
    time.pass_by(TOKEN_LIFE)
    described(await browser("GET", "/api/me"), 401, "invalid_token")


@pytest.mark.parametrize(
    "headers",
    [{"X-PhotoChanger-Background": "1"}, {"Sec-Fetch-Dest": "image"}, {"Sec-Fetch-Dest": "script"}],
    ids=["a page in the background", "a picture", "a file of the page"],
)
async def test_what_a_page_loads_by_itself_is_no_use(
    service: Service, browser: Browser, time: Time, headers: dict[str, str]
) -> None:
    time.pass_by(IDLE_LIMIT - MINUTE)
    answer = await browser("GET", "/api/me", headers=headers)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    time.pass_by(2 * MINUTE)
    described(await browser("GET", "/api/me"), 401, "invalid_token")


async def test_an_open_event_stream_is_no_use_and_ends_with_the_session(
    service: Service, browser: Browser, time: Time
) -> None:
    time.pass_by(2 * RENEWED_AFTER)
    async with service.client.stream("GET", "/api/events", headers={"Cookie": browser.cookie}) as stream:
        assert "set-cookie" not in stream.headers
        lines = stream.aiter_lines()
        await anext(lines)
        time.pass_by(IDLE_LIMIT)
        async with asyncio.timeout(HANG_SECONDS):
            async for _ in lines:
                pass
    described(await browser("GET", "/api/me"), 401, "invalid_token")


async def test_an_answer_that_ends_the_session_does_not_renew_it(
    service: Service, browser: Browser, time: Time
) -> None:
    time.pass_by(2 * RENEWED_AFTER)
    ended = await browser("POST", "/api/logout")
    (cookie,) = SimpleCookie(ended.headers["set-cookie"]).values()
    assert (cookie.value, cookie["max-age"]) == ("", "0")
    assert len(ended.headers.get_list("set-cookie")) == 1


async def test_a_refused_request_is_no_use(service: Service, browser: Browser, time: Time) -> None:
    time.pass_by(2 * RENEWED_AFTER)
    foreign = {"Sec-Fetch-Site": "cross-site"}
    answer = await browser("PUT", "/api/settings", json={}, headers=foreign)
    described(answer, 403, "csrf_refused")
    assert "set-cookie" not in answer.headers
