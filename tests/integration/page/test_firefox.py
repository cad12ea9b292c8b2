"""The page in Firefox: sign-in, a slot that is saved, pictures, a job, the other language."""

from __future__ import annotations

import pytest

from tests.support.administration import Administrator
from tests.support.evening import pictured
from tests.support.firefox import firefox
from tests.support.http_server import ADMIN_PASSWORD, Service

pytestmark = pytest.mark.anyio


async def test_a_walk_through_the_page(service: Service, admin: Administrator) -> None:
    job = await pictured(service, "slot-001", "portrait")
    base = f"http://127.0.0.1:{service.port}"
    async with firefox() as tab:
        await tab.resize(1280, 900)
        await tab.open(base)
        await tab.type("input[name=username]", "admin")
        await tab.type("input[type=password]", ADMIN_PASSWORD)
        await tab.click("form button", "Sign in")
        await tab.shown("h1", "Slots")
        await tab.shown(".connection-live")

        await tab.open(f"{base}/#/slots/slot-001")
        await tab.type("#slot-name", "Wedding")
        await tab.click("button", "Save")
        await tab.shown("h1", "Wedding")
        assert (await admin.get("/api/slots/slot-001"))["name"] == "Wedding"

        await tab.click("header a", "Pictures")
        await tab.shown("h1", "Pictures")
        await tab.shown("main li img")

        await tab.open(f"{base}/#/jobs/{job}")
        await tab.shown("h1")
        await tab.shown("main img")

        await tab.click("header summary", "admin")
        await tab.press("select:has([value=ru])", "Р")
        await tab.shown("header a", "Готовые фото")
