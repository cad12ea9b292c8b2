"""A real browser at the page: signed in, watched for errors, held to accessibility, photographed on demand."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, Request, async_playwright, expect
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from tests.support.daytime import zone_at
from tests.support.http_server import ADMIN_PASSWORD

HANG_MS = 180_000
"""Bounds what would wait for ever; no test depends on how soon the page shows something."""

expect.set_options(timeout=HANG_MS)

stopped: list[str] = []
"""Where tabs stood that drew no frame any more. Chromium 156 without a window does this to one tab in some thousand
frames of a long list: all its threads wait, also for input and for a screenshot. Other tabs and the same one loaded
again draw."""

BOOTH_HOST = "booth.test"
"""A name that leads to this machine, for what the page does only at addresses that other devices can open."""

_FRAME_MS = 20_000

LAPTOP = {"width": 1366, "height": 860}
PHONE = {"width": 390, "height": 844}

_AXE = Path(__file__).parents[1] / "integration/page/vendor/axe.min.js"
_SCREENSHOTS = os.environ.get("PHOTOCHANGER_SCREENSHOTS")
_HOLD_TIMERS = """
(() => {
  const [set, clear] = [window.setTimeout.bind(window), window.clearTimeout.bind(window)];
  const held = new Map();
  let time = 0, last = 1_000_000_000;
  window.setTimeout = (call, delay = 0, ...args) => {
    if (delay < 1_000) return set(call, delay, ...args);
    held.set(++last, { call, delay, args, at: time + delay });
    return last;
  };
  window.clearTimeout = (id) => void (held.delete(id) || clear(id));
  window.heldDelays = () => [...held.values()].map((timer) => timer.delay);
  window.passTime = (duration) => {
    time += duration;
    for (const [id, timer] of [...held].sort((a, b) => a[1].at - b[1].at)) {
      if (timer.at <= time && held.delete(id)) timer.call(...timer.args);
    }
  };
})()
"""
_NOTE_WHAT_IS_SAID = """
(() => {
  const regions = "[role=status], [role=alert], [aria-live]";
  const said = [];
  const note = ({ type, target, addedNodes }) => {
    const around = (target instanceof Element ? target : target.parentElement)?.closest(regions);
    if (around && type === "characterData") said.push(around.textContent);
    for (const node of addedNodes) {
      if (around) said.push(node.textContent);
      else if (node.matches?.(regions)) said.push(node.textContent);
      else if (node.querySelectorAll) said.push(...[...node.querySelectorAll(regions)].map((one) => one.textContent));
    }
  };
  const observed = { subtree: true, childList: true, characterData: true };
  new MutationObserver((changes) => changes.forEach(note)).observe(document, observed);
  window.takeSaid = (text) => {
    const at = said.findIndex((one) => one.includes(text));
    if (at !== -1) said.splice(0, at + 1);
    return at !== -1;
  };
})()
"""
_NEXT_FRAME = f"""
(() => {{
  const [draw, wait] = [window.requestAnimationFrame.bind(window), window.setTimeout.bind(window)];
  window.nextFrame = (limit = {HANG_MS}) => new Promise((resolve, reject) => {{
    draw(resolve);
    wait(() => reject(new Error("the browser draws no frame")), limit);
  }});
}})()
"""
_DRAWN = """
async () => {
  await nextFrame();
  await nextFrame();
  await new Promise((resolve) => setTimeout(resolve));
}
"""
_FITS = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
_END_OF_ANIMATIONS = """
() => {
  const ends = (one) => one.playState === "running" && one.effect.getComputedTiming().endTime !== Infinity;
  return Promise.all(document.getAnimations().filter(ends).map((one) => one.finished.catch(() => null)));
}
"""
_QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP booth.test 127.0.0.1",
]


class Browsing:
    """One tab of a browser. `page` is Playwright's, for everything that has no shorter way here."""

    def __init__(self, page: Page, base_url: str) -> None:
        self.page = page
        self.base_url = base_url
        self.complaints: list[str] = []
        """Errors of scripts and requests to other hosts; a test fails at its end if there are any."""

        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._watch)
        page.on("console", lambda message: self._hear(message.type, message.text))

    async def open(self, path: str = "/") -> None:
        """Go to an address of the service, such as `/` or `/#/jobs`."""
        await self.page.goto(f"{self.base_url}{path}")

    async def sign_in(self, username: str = "admin", password: str = ADMIN_PASSWORD) -> None:
        """Fill in the form that is shown, and send it."""
        await self.page.get_by_label(re.compile("User name|Имя пользователя")).fill(username)
        await self.page.get_by_label(re.compile("Password|Пароль")).fill(password)
        await self.page.get_by_role("button", name=re.compile("Sign in|Войти")).click()

    async def hold_timers(self) -> None:
        """On pages opened from now on, timers of a second and more wait for `pass_time`, whatever the machine's speed.

        Playwright's clock either goes on by itself or stops also the short timers that drawing needs.
        """
        await self.page.add_init_script(_HOLD_TIMERS)

    async def drawn(self) -> None:
        """Return once what has been rendered is drawn, and its effects have run, which may set timers and listeners."""
        await self.page.evaluate(_DRAWN)

    async def draws(self) -> bool:
        """Whether the browser still draws this tab."""
        try:
            await self.page.evaluate("(limit) => nextFrame(limit)", _FRAME_MS)
        except PlaywrightError as error:
            return "draws no frame" not in error.message  # a page that is closed, or none of the service
        return True

    async def said(self, text: str) -> None:
        """Return once the page has announced this, also if that is gone by now: notifications go by themselves.

        What was announced before it is not looked at again.
        """
        await self.page.wait_for_function("(text) => takeSaid(text)", arg=text)

    async def pass_time(self, milliseconds: int, *, timers: tuple[int, ...] = ()) -> None:
        """Let this time pass for the timers that are held, once there are some with these delays."""
        await self.drawn()
        await self.page.wait_for_function(
            "(delays) => delays.every((delay) => heldDelays().includes(delay))", arg=list(timers)
        )
        await self.page.evaluate("(duration) => passTime(duration)", milliseconds)

    async def violations(self) -> list[str]:
        """What axe-core finds that is serious or worse on the page as it is once nothing fades in any more."""
        await self.load_axe()
        await self.drawn()
        await self.page.evaluate(_END_OF_ANIMATIONS)
        run = "() => axe.run({ resultTypes: ['violations'], preload: false })"
        found: dict[str, Any] = await self.page.evaluate(run)
        return [
            f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]

    async def load_axe(self) -> None:
        """Put axe-core into the document that is open, once."""
        if not await self.page.evaluate("() => 'axe' in window"):
            # The page's own policy lets no script of ours in; the browser's debugger does.
            await self.page.evaluate(f"() => {{ {_AXE.read_text('utf-8')} }}")

    async def scrolls_sideways(self) -> bool:
        """Whether the page stays wider than its window: charts follow the width a little later."""
        await self.drawn()
        try:
            await self.page.wait_for_function(_FITS)
        except PlaywrightTimeout:
            return True
        return False

    async def photograph(self, name: str, *, whole: bool = True) -> None:
        """Keep a picture of the page in the folder of PHOTOCHANGER_SCREENSHOTS, where that is set."""
        if _SCREENSHOTS:
            if whole:
                await self.page.evaluate("() => scrollTo(0, 0)")
            await self.page.screenshot(path=Path(_SCREENSHOTS, f"{name}.png"), full_page=whole, animations="disabled")

    def _watch(self, request: Request) -> None:
        if not request.url.startswith((self.base_url, "data:", "blob:")):
            self.complaints.append(f"a request to another host: {request.url}")

    def _hear(self, kind: str, text: str) -> None:
        # The browser itself writes a line for each answer of 400 and above, which the page handles, and for a header
        # that needs HTTPS.
        if kind == "error" and not text.startswith(("Failed to load resource", "The Cross-Origin-Opener-Policy")):
            self.complaints.append(text)


@contextlib.asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium without a window."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program is not None, "there is no Chromium; scripts/test-tools installs it"
    arguments = [*_QUIET, *(["--no-sandbox"] if os.getuid() == 0 else [])]
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=program, args=arguments, timeout=HANG_MS)
        try:
            yield started
        finally:
            await started.close()


@contextlib.asynccontextmanager
async def browsing(
    started: Browser, base_url: str, *, size: dict[str, int] | None = None, **context: Any
) -> AsyncIterator[Browsing]:
    """A tab with a memory of its own, where it is noon. `size` is the window's, `context` what Playwright's
    `new_context` takes."""
    options = {"locale": "en-GB", "timezone_id": zone_at(12), "viewport": size or LAPTOP} | context
    opened = await started.new_context(**options)
    opened.set_default_timeout(HANG_MS)
    await opened.add_init_script(_NOTE_WHAT_IS_SAID)
    await opened.add_init_script(_NEXT_FRAME)
    tab = Browsing(await opened.new_page(), base_url)
    try:
        yield tab
    finally:
        # The answers to requests that are under way now are not given any more.
        await tab.page.unroute_all(behavior="ignoreErrors")
        if not await tab.draws():
            stopped.append(tab.page.url)
        await opened.close()
    assert tab.complaints == [], tab.complaints
