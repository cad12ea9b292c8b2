"""What went wrong and what was changed, as a Russian operator reads it: in words, without codes, JSON or English."""

from __future__ import annotations

import re

import pytest
from photochanger.core.domain.errors import StorageUnavailable
from photochanger.core.domain.routing.failure_cause import FailureCause
from photochanger.core.domain.routing.provider_check import ProviderFindingCode
from photochanger.core.ports.provider import NotConfigured, ProviderRequest, Rejected
from photochanger.entrypoints.diagnostics.readiness import Readiness
from playwright.async_api import Browser, expect

from tests.support.administration import Administrator
from tests.support.browsing import browsing
from tests.support.evening import demo_photo
from tests.support.http_server import Service

pytestmark = pytest.mark.anyio

SENTENCE = "Painter says: prompt_flagged."
ROUTE = [
    {"provider_id": "local", "operation_id": "frame", "settings": {"style": "party", "caption": "Анна & Пётр"}},
    {"provider_id": "scripted", "operation_id": "any", "settings": {}},
]


async def failed(service: Service, error: Exception) -> str:
    """The id of a job whose calls end with this error."""

    async def script(request: ProviderRequest) -> bytes:
        raise error

    service.provider.script = script
    answer = await service.ingest("slot-001", demo_photo("coffee"))
    assert answer.status_code == 502, answer.text
    job_id: str = answer.json()["job_id"]
    return job_id


async def test_a_russian_operator_reads_reasons_and_changes_in_russian(
    service: Service, admin: Administrator, chromium: Browser
) -> None:
    refused = await failed(service, Rejected(SENTENCE, cause=FailureCause.CONTENT_REFUSED))
    keyless = await failed(service, NotConfigured("No key is set.", finding=ProviderFindingCode.KEY_MISSING))
    assert (await admin.change_slot("slot-002", name="Рамка", route=ROUTE, prompt_fields=["guest"])).status_code == 200
    limits = {"scripted": {"max_concurrent": 2, "per_minute": None, "per_day": 500}}
    assert (await admin("PUT", "/api/settings", json_body={"provider_limits": limits})).status_code == 200
    readiness = await service.opened.container.get(Readiness)

    async def broken() -> None:
        raise StorageUnavailable("The disk is away.")

    readiness.include("store", broken)
    async with browsing(chromium, f"http://127.0.0.1:{service.port}", locale="ru-RU") as tab:
        page = tab.page
        await tab.open(f"/#/jobs/{refused}")
        await tab.sign_in()
        reason = page.locator(".timeline-reason")
        await expect(reason.first).to_have_text(re.compile(rf"правилам о содержании\. *{re.escape(SENTENCE)}"))
        await expect(page.get_by_role("region", name="Сведения о фото")).to_contain_text("правилам о содержании")
        await tab.photograph("russian_job")
        await tab.open(f"/#/jobs/{keyless}")
        await expect(reason.first).to_have_text("Ключ не задан.")

        await tab.open("/#/settings?tab=health")
        await expect(page.get_by_text("Хранилище фото недоступно. Попробуйте чуть позже.")).to_be_visible()
        await expect(page.get_by_text("The disk is away.")).to_have_count(0)

        await tab.open("/#/settings?tab=audit")
        details = page.locator(".audit-details")
        route = details.filter(has_text="Маршрут")
        await expect(route).to_contain_text("На этой машине · Рамка; Вид: праздник; Подпись: Анна & Пётр")
        limits_changed = details.filter(has_text="Одновременно: 2; В минуту: не задано; В день: 500")
        await expect(limits_changed).to_contain_text("Scripted")
        await expect(page.locator(".audit-target").filter(has_text="Рамка")).to_be_visible()
        assert not re.search(r"[{}\[\]_]|\"", " ".join(await details.all_inner_texts()))
        await tab.photograph("russian_audit")
        assert await tab.violations() == []
