"""Values that this version of the page does not know, and parts that fail: nothing of it blanks the page."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.support.accessibility import show
from tests.support.administration import Administrator
from tests.support.browsing import HANG_MS, Browsing
from tests.support.evening import named_slots, pictured, refused
from tests.support.http_server import Service

pytestmark = pytest.mark.anyio

NEWER = "newer_value"
KEYS = {
    "state",
    "source",
    "failure_reason",
    "error_code",
    "event",
    "cause",
    "classification",
    "breaker",
    "outcome",
    "action",
    "code",
    "failure_answer",
    "response_mode",
    "reason",
}
"""The fields whose values are enumerated in the contract."""


def of_a_newer_service(node: Any) -> Any:
    """The same answer with values that no enumeration has."""
    if isinstance(node, dict):
        return {
            key: NEWER if key in KEYS and isinstance(value, str) else of_a_newer_service(value)
            for key, value in node.items()
        }
    return [of_a_newer_service(one) for one in node] if isinstance(node, list) else node


async def newer(route: Route) -> None:
    """Answer as a newer service."""
    answer = await route.fetch(timeout=HANG_MS)
    is_json = answer.ok and "json" in answer.headers.get("content-type", "")
    if is_json:
        await route.fulfill(response=answer, body=json.dumps(of_a_newer_service(await answer.json())))
    else:
        await route.fulfill(response=answer)


@pytest.fixture
async def evening(service: Service, admin: Administrator) -> str:
    """Some jobs, a failed one among them; its id."""
    await named_slots(admin)
    await pictured(service, "slot-005", "portrait")
    await refused(service)
    await admin.upload("/api/slots/slot-005/test-run")
    failed = [job for job in service.database.jobs.values() if job.failure_reason is not None]
    return str(failed[0].id)


async def test_values_of_a_newer_service_are_shown_as_they_are(tab: Browsing, evening: str) -> None:
    page = tab.page
    await page.route(re.compile("/api/(?!events|session|me)"), newer)
    await tab.open(f"/#/jobs/{evening}")
    await tab.sign_in()
    await expect(page.get_by_text(NEWER).first).to_be_visible()
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    for place in ("jobs", "slots", "slots/slot-005", "statistics"):
        await show(tab, f"#/{place}")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
    for part in ("health", "audit"):
        await show(tab, f"#/settings?tab={part}")
        await expect(page.get_by_text(NEWER).first).to_be_visible()
    await tab.open("/#/slots/slot-005?tab=try")
    await expect(page.get_by_role("region", name="Last runs").get_by_text(NEWER).first).to_be_visible()
    await expect(page.get_by_text("could not be shown")).to_be_hidden()


async def test_a_part_that_fails_keeps_to_itself_and_goes_with_its_place(tab: Browsing, evening: str) -> None:
    page = tab.page

    async def broken(route: Route) -> None:
        answer = await route.fetch(timeout=HANG_MS)
        await route.fulfill(response=answer, body=json.dumps(await answer.json() | {"logs": None}))

    await page.route(f"**/api/jobs/{evening}", broken)
    await tab.open(f"/#/jobs/{evening}")
    await tab.sign_in()
    failure = page.get_by_text("This part of the page could not be shown.")
    await expect(failure).to_be_visible()
    await page.get_by_role("link", name="Slots", exact=True).first.click()
    await expect(page.get_by_role("heading", name="Slots", level=1)).to_be_visible()
    await expect(failure).to_have_count(0)
    await expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert len(tab.complaints) > 0
    tab.complaints.clear()
    await page.unroute(f"**/api/jobs/{evening}")
    await page.go_back()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Job of")
