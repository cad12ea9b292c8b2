"""Settings that are mappings of names to values: further fields and headers of a service."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from photochanger.adapters.providers.http.provider import HttpProvider
from photochanger.adapters.providers.local.provider import LocalProvider
from photochanger.core.domain.accounts import Permission
from photochanger.core.domain.media import ImageLimits
from photochanger.core.services.providers.registry import ProviderRegistry
from playwright.async_api import Browser, expect

from tests.support.administration import Administrator, token_of
from tests.support.browsing import browsing
from tests.support.http_server import serving
from tests.support.picture_work import InProcess
from tests.support.standins.calls import FixedContext

pytestmark = pytest.mark.anyio

SETTINGS = {"url": "https://studio.example/render", "fields": {"look": "oil", "note": " a=b"}}

ROUND_TRIP = """
async () => {
  const { $load } = await import(document.querySelector("script[type=module]").src);
  const { pairsOf, pairsText } = await $load("lib/pairs.js");
  const texts = { text: "28", note: 'say "no"', lines: "a\\nb", odd: '"x', empty: "", eq: "a=b" };
  const pairs = { steps: 28, fast: true, ratio: -1.5, ...texts };
  return [pairs, pairsOf(pairsText(pairs, true), true), pairsOf("a = 1\\n\\n b\\nc=true", false)];
}
"""


async def test_further_fields_are_edited_as_lines_and_keep_their_types(tmp_path: Path, chromium: Browser) -> None:
    registry = ProviderRegistry(
        [HttpProvider(FixedContext()), LocalProvider(InProcess())], limits=ImageLimits(max_pixels=100_000_000)
    )
    async with serving(tmp_path, adapters={ProviderRegistry: registry}) as service:
        admin = Administrator(service, await token_of(service, *Permission))
        route = [{"provider_id": "http", "operation_id": "image_edit", "settings": SETTINGS}]
        assert (await admin.change_slot(route=route)).status_code == 200
        async with browsing(chromium, f"http://127.0.0.1:{service.port}", locale="ru-RU") as tab:
            page = tab.page
            await tab.open("/#/slots/slot-001")
            await tab.sign_in()
            fields = page.get_by_label("Другие поля")
            await expect(fields).to_have_value('look=oil\nnote=" a=b"')
            await fields.fill("look=oil\nstyle = noir\n")
            await page.get_by_label("Другие заголовки").fill("X-Booth=7")
            await page.get_by_role("button", name="Сохранить").click()
            await expect(page.get_by_text(re.compile("^style: "))).to_be_visible()  # a template has this name
            await tab.photograph("mapping_settings")
            assert await tab.violations() == []
            await fields.fill("look=oil\ntone = noir\n")
            await page.get_by_role("button", name="Сохранить").click()
            await tab.said("Сохранено. Новые фото пойдут с этими настройками.")
            await expect(fields).to_have_value("look=oil\ntone=noir")
            (entry,) = (await admin.get("/api/slots/slot-001"))["route"]
            assert entry["settings"]["fields"] == {"look": "oil", "tone": "noir"}
            assert entry["settings"]["headers"] == {"X-Booth": "7"}
            pairs, again, plain = await page.evaluate(ROUND_TRIP)
            assert again == pairs
            assert plain == {"a": "1", "b": "", "c": "true"}
