"""What a browser loads before the first view, and what it loads after it."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Request, expect

from tests.support.browsing import browsing
from tests.support.http_server import Service

pytestmark = pytest.mark.anyio

MAX_REQUESTS = 12
MAX_BYTES = 100_000

SIZES = """
() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .map((one) => [one.name, one.encodedBodySize])
"""


async def test_the_first_view_takes_few_requests_and_few_bytes(service: Service, chromium: Browser) -> None:
    async with browsing(chromium, f"http://127.0.0.1:{service.port}") as tab:
        page, sent = tab.page, list[str]()

        def count(request: Request) -> None:
            sent.append(f"{request.method} {request.url}")

        page.on("request", count)
        await page.add_init_script("window.requestIdleCallback = (act) => { window.loadTheRest = act; }")
        await page.add_init_script("window.setInterval = () => 0")  # what is read again belongs to no first view
        await tab.open()
        await tab.sign_in()
        await expect(page.get_by_role("heading", name="Slots", level=1)).to_be_visible()
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await expect(page.get_by_role("link", name="Slot 015")).to_be_visible()
        sizes: list[tuple[str, int]] = await page.evaluate(SIZES)
        assert len(sent) <= MAX_REQUESTS, sent
        assert sum(size for _, size in sizes) <= MAX_BYTES, sizes
        assert {"main.js", "page.css"} <= {name.rsplit("/", 1)[-1] for name, size in sizes if size > 0}

        sent.clear()
        await page.evaluate("() => loadTheRest()")
        await page.wait_for_function("() => performance.getEntriesByName('all parts loaded').length > 0")
        loaded = [address for address in sent if address.endswith(".js")]
        assert len(loaded) == 1, loaded
