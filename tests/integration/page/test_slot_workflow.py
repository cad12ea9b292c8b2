"""The page of one slot: a workflow of ComfyUI from a file, and what is said of one that does not fit."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from photochanger.adapters.providers.comfyui.graph import MAX_WORKFLOW_CHARS
from photochanger.adapters.providers.comfyui.provider import ComfyuiProvider
from photochanger.adapters.providers.local.provider import LocalProvider
from photochanger.core.domain.media import ImageLimits
from photochanger.core.services.providers.registry import ProviderRegistry
from playwright.async_api import expect

from tests.support.administration import Administrator
from tests.support.browsing import Browsing
from tests.support.http_server import ScriptedProvider, Service, serving
from tests.support.picture_work import InProcess
from tests.support.standins.calls import FixedContext
from tests.support.standins.comfyui_nodes import workflow

pytestmark = pytest.mark.anyio


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    providers = [ScriptedProvider(), LocalProvider(InProcess()), ComfyuiProvider(FixedContext())]
    registry = ProviderRegistry(providers, limits=ImageLimits(max_pixels=100_000_000))
    async with serving(tmp_path, adapters={ProviderRegistry: registry}) as running:
        yield running


def file(name: str, text: str) -> dict[str, Any]:
    """A file as an input for files takes it."""
    return {"name": name, "mimeType": "application/json", "buffer": text.encode()}


async def test_a_workflow_is_loaded_from_a_file(tab: Browsing, admin: Administrator) -> None:
    await tab.open("/#/slots/slot-003?tab=configuration")
    await tab.sign_in()
    page = tab.page
    step = page.locator(".route > li").first
    await step.get_by_label("Provider").select_option("ComfyUI")
    field = step.get_by_label("Workflow", exact=True)
    chooser = step.get_by_label("Load from a file: Workflow")

    await chooser.set_input_files(file("photo.bin", "x" * (MAX_WORKFLOW_CHARS + 1)))
    await expect(step.get_by_role("alert")).to_contain_text("The file is too large")
    await expect(field).to_have_value("")
    drawn = json.dumps({"nodes": [], "links": []})
    await chooser.set_input_files(file("ui.json", drawn))
    await expect(field).to_have_value(drawn)
    await expect(step.get_by_role("alert")).to_be_hidden()
    await page.get_by_role("button", name="Save").click()
    await expect(step.get_by_text("Save the workflow by Export (API) in its menu")).to_be_visible()
    await expect(field).to_have_attribute("aria-invalid", "true")
    assert await tab.violations() == []

    text = json.dumps(workflow(n6={"seed": 2**63 + 1}), indent=2)
    await chooser.set_input_files(file("booth_api.json", text))
    await expect(field).to_have_value(text)
    await step.get_by_label("Nodes by number").fill("photo=77")
    await page.get_by_role("button", name="Save").click()
    await expect(step.get_by_text("The workflow has no node 77.")).to_be_visible()
    await step.get_by_label("Nodes by number").fill("")
    await step.get_by_label("Prompt", exact=True).fill("noir")
    await page.get_by_role("button", name="Save").click()
    await tab.said("Saved. New photos use these settings.")
    (entry,) = (await admin.get("/api/slots/slot-003"))["route"]
    assert (entry["provider_id"], entry["operation_id"]) == ("comfyui", "workflow")
    assert (entry["settings"]["workflow"], entry["settings"]["prompt"]) == (text, "noir")
    assert not await tab.scrolls_sideways()
    assert await tab.violations() == []
