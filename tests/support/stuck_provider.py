"""A provider package whose threads and calls get stuck, installed in a folder for processes of a test.

`make` is called in every process that loads providers, so each of them gets the stuck thread that a test asks for.
"""

from __future__ import annotations

import os
from pathlib import Path

THREAD, CALL = "STUCK_THREAD", "STUCK_CALL_ONCE"
"""Variables of the environment: `1` starts a thread that never ends; a path is made by the first call, which then
blocks the event loop for ever."""

PROVIDER_ID, OPERATION_ID = "stuck-booth", "echo"

_MODULE = f"""
import os, threading, time
from photochanger.core.domain.media import PictureNeeds
from photochanger.core.ports.provider import OperationInfo, ProviderInfo, ProviderResult

def never_ends():
    while True:
        time.sleep(1)

class StuckBooth:
    needs = PictureNeeds(("image/jpeg",), 10**8, 10**8)
    info = ProviderInfo(
        id={PROVIDER_ID!r}, title="Stuck booth",
        operations=(
            OperationInfo(id={OPERATION_ID!r}, title="Echo", settings_schema={{"type": "object"}}, needs=needs),
        ),
    )
    def __init__(self, context):
        if os.environ.get({THREAD!r}):
            threading.Thread(target=never_ends, name="stuck booth").start()
    def expected_cost(self, operation_id, settings):
        return None

    def check_settings(self, operation_id, settings): ...
    async def process(self, request):
        mark = os.environ.get({CALL!r})
        if mark and not os.path.exists(mark):
            open(mark, "x").close()
            never_ends()
        return ProviderResult(request.photo.data)
    async def diagnose(self, used): return []
    async def close(self): ...
"""


def install(folder: Path) -> str:
    """Install it below this folder; returns the PYTHONPATH with which processes find it."""
    site = folder / "stuck-site"
    facts = site / "stuck_booth-0.1.dist-info"
    facts.mkdir(parents=True)
    (site / "stuck_booth.py").write_text(_MODULE)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: stuck-booth\nVersion: 0.1\n")
    entry = f"{PROVIDER_ID} = stuck_booth:StuckBooth"
    (facts / "entry_points.txt").write_text(f"[photochanger.providers]\n{entry}\n")
    return os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
