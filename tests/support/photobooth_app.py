"""The real photobooth-app with the plugin of `examples/`: a process with a virtual camera.

`scripts/photobooth-app` makes the environment that it needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
from PIL import Image, ImageStat

from tests.support.plain_http import NO_TLS

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "examples" / "photobooth-app-plugin"
REQUIREMENTS = ROOT / "requirements" / "photobooth-app.txt"
INSTALLED = ROOT / ".tools" / "photobooth-app"

CONFIGURABLE = "photobooth_photochanger.photo_changer"
"""The plugin in the admin API of photobooth-app."""

HANG_SECONDS = 180

_FAILED = "the job failed, error"

_T = TypeVar("_T")


def missing() -> str | None:
    """Why photobooth-app cannot be run here; None where it can."""
    stamp = INSTALLED / "installed"
    if not stamp.exists():
        return "photobooth-app is not installed here: scripts/photobooth-app does that"
    if stamp.read_text().strip() != hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest():
        return "another photobooth-app is installed here: scripts/photobooth-app replaces it"
    return None


class Booth:
    """A running booth. Filters are applied to the captures of action 0, not to those of action 1."""

    def __init__(self, client: httpx.AsyncClient, folder: Path) -> None:
        self._client = client
        self._folder = folder

    @property
    def log(self) -> str:
        return (self._folder / "out.txt").read_text(errors="replace")

    async def filters(self) -> list[str]:
        return (await self._client.get("/api/filter/")).json()

    async def items(self) -> list[dict[str, Any]]:
        """The photos of the gallery, newest first."""
        return (await self._client.get("/api/mediacollection/")).json()

    async def capture(self, action: int) -> str:
        """A photo that was taken: its id. While the camera starts, captures fail, and are asked for again."""
        before = len(await self.items())

        async def begun() -> bool:
            return (await self._client.get(f"/api/actions/image/{action}")).status_code == 200

        async def taken() -> bool:
            return len(await self.items()) > before

        while not await taken():
            failed = self.log.count(_FAILED)
            await until(begun)  # refused while another one is under way

            async def ended(failed: int = failed) -> bool:
                return await taken() or self.log.count(_FAILED) > failed

            await until(ended)
        return (await self.items())[0]["id"]

    async def choose(self, id: str, filter: str) -> None:
        """What a guest does in the gallery: another filter for a photo."""
        answer = await self._client.patch(f"/api/filter/{id}", params={"filter": filter})
        assert answer.status_code == 200, answer.text

    async def preview(self, id: str, filter: str) -> httpx.Response:
        return await self._client.get(f"/api/filter/{id}", params={"filter": filter})

    async def delete(self, id: str) -> None:
        assert (await self._client.delete(f"/api/mediacollection/{id}")).status_code == 200

    async def colour(self, id: str) -> tuple[int, ...]:
        """The mean colour of a photo as guests see it."""
        answer = await self._client.get(f"/media/full/{id}")
        assert answer.status_code == 200, answer.text
        with Image.open(io.BytesIO(answer.content)) as picture:
            return tuple(round(value) for value in ImageStat.Stat(picture.convert("RGB")).mean)

    async def set(self, *, reload: bool = False, **changes: Any) -> None:
        """Change settings of the plugin in the admin page's way; `reload` starts it again."""
        path = f"/api/admin/config/{CONFIGURABLE}"
        login = {"username": "admin", "password": "0000"}
        token = (await self._client.post("/api/admin/auth/token", data=login)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        current = (await self._client.get(path, headers=headers)).json()
        body = current | changes
        answer = await self._client.patch(path, json=body, params={"reload": reload}, headers=headers)
        assert answer.status_code == 200, answer.text


@contextlib.asynccontextmanager
async def photobooth(folder: Path, **plugin: Any) -> AsyncIterator[Booth]:
    """A booth in this folder; `plugin` are the settings of the plugin, the first style is the filter of action 0."""
    config = folder / "config"
    config.mkdir(parents=True)
    filters = [f"PhotoChanger.{plugin['styles'][0]['name']}", "original"]
    actions = [{"jobcontrol": {"countdown_capture": 0}, "processing": {"image_filter": one}} for one in filters]
    app = {"actions": {"image": [{**action, "name": "image", "trigger": {}} for action in actions]}}
    (config / "config.json").write_text(json.dumps(app))
    (config / "plugin_photochanger.json").write_text(json.dumps(plugin))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PHOTOCHANGER_"))},
        "HOME": str(INSTALLED / "home"),
        "PYTHONPATH": str(installed_plugin(folder)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with (folder / "out.txt").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(INSTALLED / "venv/bin/photobooth"),
            *("--host", "127.0.0.1", "--port", "0"),
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        async with httpx.AsyncClient(verify=NO_TLS, timeout=HANG_SECONDS) as client:
            booth = Booth(client, folder)
            client.base_url = await until(lambda: _address(process, booth))
            yield booth
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(HANG_SECONDS):
            await process.wait()


def installed_plugin(folder: Path) -> Path:
    """The plugin as pip installs it, in a folder for PYTHONPATH. It is copied first: a build leaves files."""
    source, site = folder / "plugin", folder / "site"
    shutil.copytree(PLUGIN, source)
    python = INSTALLED / "venv/bin/python"
    uv = Path(sys.executable).with_name("uv")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--target", str(site))
    subprocess.run([uv, "pip", "install", "-q", "--python", python, *options, source], check=True, cwd=folder)
    return site


async def _address(process: asyncio.subprocess.Process, booth: Booth) -> str | None:
    """Where the booth listens; it does not say so."""
    assert process.returncode is None, booth.log
    found = psutil.Process(process.pid).net_connections("tcp")
    ports = [each.laddr.port for each in found if each.status == psutil.CONN_LISTEN and each.laddr.ip == "127.0.0.1"]
    return f"http://127.0.0.1:{ports[0]}" if ports else None


async def until(look: Callable[[], Awaitable[_T | None]]) -> _T:
    """What `look` returns once that is true; the test fails when it never is."""
    async with asyncio.timeout(HANG_SECONDS):
        while not (seen := await look()):  # noqa: ASYNC110 - another process signals no change
            await asyncio.sleep(0.05)
    return seen
