"""Long lists on the page in Chromium: the time of each frame while 1,000 and 5,000 jobs and pictures are scrolled
through, how many elements and how much heap they take, and what is left of photos that come while a list is watched.

The browser, the service and what measures share the machine: frames are late while others work on it. The processor
time of the page's own thread is not affected by them.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, CDPSession, Page, expect
from playwright.async_api import TimeoutError as PlaywrightTimeout

from tests.support.browsing import browser, browsing
from tests.support.http_server import Service, serving
from tests.support.long_lists import elements, many_jobs, scroll_to_end

COUNTS = (1_000, 5_000)
PLACES = ("jobs", "pictures")

_STEP_PX = 150
"""How far each frame scrolls: 9,000 pixels a second at 60 frames a second, ten windows."""

_SLOW_MS = 50
_AT_ONCE = 5
_MEBIBYTE = 1024 * 1024
_TABS = 4
_ENOUGH_FRAMES = 300
_DRAWS_MS = 10_000
_SCROLL = """
async ([step, limit]) => {
  const frames = [];
  try {
    let last = await nextFrame(limit);
    for (;;) {
      const before = scrollY;
      scrollBy(0, step);
      if (scrollY === before) return [frames, true];
      const now = await nextFrame(limit);
      frames.push(now - last);
      last = now;
    }
  } catch {
    return [frames, false];
  }
}
"""


async def measure(folder: Path, *, live_photos: int) -> dict[str, Any]:
    """Milliseconds of frames and MiB of heap; `live_photos` come while the list of jobs is watched."""
    load_before = os.getloadavg()[0]
    lists = []
    async with browser() as started:
        for count in COUNTS:
            (folder / str(count)).mkdir(mode=0o700)
            async with serving(folder / str(count)) as service:
                await many_jobs(service, count)
                lists += [
                    {"list": place, "items": count} | await _in_a_tab_that_draws(started, service, place)
                    for place in PLACES
                ]
        (folder / "live").mkdir(mode=0o700)
        async with serving(folder / "live") as service:
            live = await _watched(started, service, live_photos)
    return {"lists": lists, "live": live, "load": [round(load_before, 1), round(os.getloadavg()[0], 1)]}


class _TooFewFrames(Exception):
    """A tab has stopped to draw before there was enough to measure."""


async def _in_a_tab_that_draws(started: Browser, service: Service, place: str) -> dict[str, Any]:
    """The figures of a list, in another tab where one has stopped to draw (tests.support.browsing) too early."""
    for _ in range(_TABS - 1):
        with suppress(PlaywrightTimeout, _TooFewFrames):
            return await _list(started, service, place)
    return await _list(started, service, place)


async def _list(started: Browser, service: Service, place: str) -> dict[str, Any]:
    """The figures of a list to its end, or to where its tab has stopped to draw."""
    async with browsing(started, f"http://127.0.0.1:{service.port}") as tab:
        page = tab.page
        debugger = await _debugger(page)
        await tab.open(f"/#/{place}")
        await tab.sign_in()
        await expect(page.locator("[data-item]").first).to_be_visible()
        begun = time.monotonic()
        await scroll_to_end(page)
        loading = time.monotonic() - begun
        await page.evaluate("() => scrollTo(0, 0)")
        worked = (await _metrics(debugger))["TaskDuration"]
        frames: list[float]
        frames, whole = await page.evaluate(_SCROLL, [_STEP_PX, _DRAWS_MS])
        worked = (await _metrics(debugger))["TaskDuration"] - worked
        if not whole and len(frames) < _ENOUGH_FRAMES:
            raise _TooFewFrames
        return {
            "loaded_s": round(loading, 1),
            "frames": len(frames),
            "to_the_end": whole,
            "frame_ms_p50": round(statistics.median(frames), 1),
            "frame_ms_p95": round(statistics.quantiles(frames, n=20)[-1], 1),
            "slow_share": round(sum(frame > _SLOW_MS for frame in frames) / len(frames), 4),
            "cpu_ms_a_frame": round(1000 * worked / len(frames), 2),
            "elements": await elements(page),
            "heap_mib": await _heap_mib(debugger),
        }


async def _watched(started: Browser, service: Service, photos: int) -> dict[str, Any]:
    """The heap before and after photos that came while the newest jobs were shown."""
    async with browsing(started, f"http://127.0.0.1:{service.port}") as tab:
        debugger = await _debugger(tab.page)
        await tab.open("/#/jobs")
        await tab.sign_in()
        await expect(tab.page.get_by_text("Live", exact=True)).to_be_visible()
        heaps = []
        for _ in range(3):
            for _ in range(max(photos // 3 // _AT_ONCE, 1)):
                await asyncio.gather(*(service.ingest("slot-001") for _ in range(_AT_ONCE)))
            last = (await service.ingest("slot-001")).headers["x-job-id"]
            await expect(tab.page.locator(f'[data-item="{last}"]')).to_be_visible()
            heaps.append(await _heap_mib(debugger))
        return {"photos": photos, "heap_mib": heaps, "elements": await elements(tab.page)}


async def _debugger(page: Page) -> CDPSession:
    debugger = await page.context.new_cdp_session(page)
    await debugger.send("Performance.enable", {"timeDomain": "threadTicks"})
    return debugger


async def _heap_mib(debugger: CDPSession) -> float:
    """What is left after a collection of garbage."""
    await debugger.send("HeapProfiler.collectGarbage")
    return round((await _metrics(debugger))["JSHeapUsedSize"] / _MEBIBYTE, 1)


async def _metrics(debugger: CDPSession) -> dict[str, float]:
    return {one["name"]: one["value"] for one in (await debugger.send("Performance.getMetrics"))["metrics"]}
