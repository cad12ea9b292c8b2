"""A provider package that bills every call, installed in a folder for processes of a test.

Each call adds a line to a file that all processes share, so that a test counts what was really called.
"""

from __future__ import annotations

import os
from pathlib import Path

CALLS = "PRICED_CALLS"
"""Variable of the environment: the path of that file."""

PROVIDER_ID, OPERATION_ID = "priced-booth", "echo"
PRICE_MICROS = 30_000

_MODULE = f"""
import asyncio
import os
from photochanger.core.domain.costs.call_cost import CallCost, Charged
from photochanger.core.domain.media import PictureNeeds
from photochanger.core.ports.provider import OperationInfo, ProviderInfo, ProviderResult

class PricedBooth:
    needs = PictureNeeds(("image/jpeg",), 10**8, 10**8)
    info = ProviderInfo(
        id={PROVIDER_ID!r}, title="Priced booth",
        operations=(
            OperationInfo(id={OPERATION_ID!r}, title="Echo", settings_schema={{"type": "object"}}, needs=needs),
        ),
    )
    def __init__(self, context): ...
    def expected_cost(self, operation_id, settings):
        return CallCost(usd_micros={PRICE_MICROS}, charged=Charged.UNKNOWN)

    def check_settings(self, operation_id, settings): ...
    async def process(self, request):
        with open(os.environ[{CALLS!r}], "a") as calls:
            calls.write(f"{{request.job_id}}\\n")
        if request.settings.get("hold"):
            await asyncio.Event().wait()
        return ProviderResult(
            request.photo.data, cost=CallCost(usd_micros={PRICE_MICROS}, exact=True), model="booth-1", seed=7
        )
    async def diagnose(self, used): return []
    async def close(self): ...
"""


def install(folder: Path) -> dict[str, str]:
    """Install it below this folder; returns the variables with which processes find it and count its calls."""
    site = folder / "priced-site"
    facts = site / "priced_booth-0.1.dist-info"
    facts.mkdir(parents=True)
    (site / "priced_booth.py").write_text(_MODULE)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: priced-booth\nVersion: 0.1\n")
    entry = f"{PROVIDER_ID} = priced_booth:PricedBooth"
    (facts / "entry_points.txt").write_text(f"[photochanger.providers]\n{entry}\n")
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    (folder / "calls").touch()
    return {"PYTHONPATH": path, CALLS: str(folder / "calls")}


def calls(folder: Path) -> list[str]:
    """The job of each call that was made, in order."""
    return (folder / "calls").read_text().split()
