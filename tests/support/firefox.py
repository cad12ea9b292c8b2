"""Debian's Firefox without a window, driven by WebDriver BiDi, which it speaks itself."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.support.http_server import until

_HANG_S = 180
"""Bounds what would wait for ever; no test depends on how soon the page shows something."""

_SETTINGS = """
user_pref("app.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage", "about:blank");
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("intl.accept_languages", "en-GB");
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("remote.active-protocols", 1);
user_pref("services.settings.server", "data:,");
user_pref("toolkit.telemetry.enabled", false);
"""

_FIND = """
(selector, text) => new Promise((resolve) => {
  const named = (one) => text === null || one.innerText.trim() === text;
  const look = () => [...document.querySelectorAll(selector)].find((one) => one.checkVisibility() && named(one));
  const poll = () => { const found = look(); if (found) resolve(found); else setTimeout(poll, 20); };
  poll();
})
"""


class Firefox:
    """One tab. Elements are named by a selector and, where that is not enough, their whole text."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._tab = ""
        self.complaints: list[str] = []
        """Errors of scripts; a test fails at its end if there are any."""

    async def start(self) -> None:
        """Begin a session with one tab."""
        await self._send("session.new", capabilities={})
        await self._send("session.subscribe", events=["log.entryAdded"])
        self._tab = (await self._send("browsingContext.getTree"))["contexts"][0]["context"]

    async def open(self, url: str) -> None:
        """Go to an address and wait until it is loaded."""
        await self._send("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    async def resize(self, width: int, height: int) -> None:
        """Give the page this size in CSS pixels."""
        await self._send("browsingContext.setViewport", context=self._tab, viewport={"width": width, "height": height})

    async def shown(self, selector: str, text: str | None = None) -> dict[str, Any]:
        """The first visible element, once there is one."""
        arguments = [{"type": "string", "value": selector}]
        arguments.append({"type": "null"} if text is None else {"type": "string", "value": text})
        found: dict[str, Any] = await self._call(_FIND, arguments)
        return found

    async def click(self, selector: str, text: str | None = None) -> None:
        """Click in the middle of an element, as a mouse does."""
        element = await self.shown(selector, text)
        await self._call("(one) => one.scrollIntoView({ block: 'center' })", [{"sharedId": element["sharedId"]}])
        origin = {"type": "element", "element": {"sharedId": element["sharedId"]}}
        press = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        await self._act("pointer", [{"type": "pointerMove", "x": 0, "y": 0, "origin": origin}, *press])

    async def type(self, selector: str, text: str) -> None:
        """Replace what a field contains, by the keyboard."""
        await self.press(selector, text, "(one) => { one.focus(); one.select(); }")

    async def press(self, selector: str, keys: str, focus: str = "(one) => one.focus()") -> None:
        """Press these keys while an element has the focus."""
        element = await self.shown(selector)
        await self._call(focus, [{"sharedId": element["sharedId"]}])
        await self._act("key", [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")])

    async def _act(self, kind: str, actions: list[dict[str, Any]]) -> None:
        sources = [{"type": kind, "id": kind, "actions": actions}]
        await self._send("input.performActions", context=self._tab, actions=sources)

    async def _call(self, function: str, arguments: list[dict[str, Any]]) -> dict[str, Any]:
        target = {"context": self._tab}
        answer = await self._send(
            "script.callFunction", functionDeclaration=function, arguments=arguments, target=target, awaitPromise=True
        )
        assert answer["type"] == "success", answer
        result: dict[str, Any] = answer["result"]
        return result

    async def _send(self, method: str, **params: Any) -> dict[str, Any]:
        sent = next(self._ids)
        async with asyncio.timeout(_HANG_S):
            await self._connection.send(json.dumps({"id": sent, "method": method, "params": params}))
            while True:
                message = json.loads(await self._connection.recv())
                if message.get("method") == "log.entryAdded" and message["params"]["level"] == "error":
                    self.complaints.append(message["params"]["text"])
                if message.get("id") == sent:
                    assert message["type"] == "success", f"{method}: {message}"
                    result: dict[str, Any] = message["result"]
                    return result


@contextlib.asynccontextmanager
async def firefox() -> AsyncIterator[Firefox]:
    """A browser with a memory of its own, for as long as the block runs."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    assert program is not None, "there is no Firefox; scripts/test-tools installs it"
    with tempfile.TemporaryDirectory(prefix="photochanger-firefox-", ignore_cleanup_errors=True) as folder:
        profile = Path(folder)
        (profile / "user.js").write_text(_SETTINGS, "utf-8")
        arguments = ["--headless", "--no-remote", "--profile", folder, "--remote-debugging-port", "0", "about:blank"]
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(program, *arguments, stdout=quiet, stderr=quiet)
        try:
            port = await _port(profile / "WebDriverBiDiServer.json")
            patient = {"open_timeout": _HANG_S, "ping_interval": None, "close_timeout": _HANG_S}
            async with connect(f"ws://127.0.0.1:{port}/session", max_size=None, proxy=None, **patient) as connection:
                tab = Firefox(connection)
                await tab.start()
                yield tab
                assert tab.complaints == [], tab.complaints
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _port(file: Path) -> int:
    """The port that Firefox listens on, once it has written it into its profile."""

    async def listens() -> bool:
        return _written(file) is not None

    await until(listens)
    port = _written(file)
    assert port is not None
    return port


def _written(file: Path) -> int | None:
    try:
        port: int = json.loads(file.read_text("utf-8"))["ws_port"]
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return port
