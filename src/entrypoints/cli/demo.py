"""`photochanger demo`: real photos through a temporary service, over HTTP as a camera sends them.

Its last line is checked: the answers are pictures, the public links return the same bytes, and no payload is left.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import httpx2
import msgspec
from PIL import Image
from rich.console import Console
from rich.table import Table

from ...core.domain.media import MIME_EXTENSIONS
from ..config import PREFIX
from ..diagnostics.sample_photos import DemoPhoto, demo_photos
from .send.client import Photo, SendResult, SendTarget, make_client, saved_by_job, send_photo
from .send.progress import failure_text, make_display
from .tables import BAD, make_console, make_table

_STOP_SECONDS = 30.0
_TIMEOUT_SECONDS = 75.0
_SLOTS = ("slot-001", "slot-002", "slot-003", "slot-004")
_WIDTH = 150
"""Columns of the table, also on a narrower terminal."""


class _Checked(msgspec.Struct, frozen=True):
    """The result of one photo; `problem` is empty if it is the expected picture."""

    slot_id: str
    photo: DemoPhoto
    sent: SendResult
    picture: bytes
    problem: str


@click.command()
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), default=Path("var/demo"), show_default=True)
def demo(output: Path) -> None:
    """Send sample photos through a temporary service and show the results."""
    sys.exit(run_demo(output))


def run_demo(output: Path) -> int:
    """Run the demo and leave the pictures in `output`; returns 0 only if every photo came back as a picture."""
    output.mkdir(parents=True, exist_ok=True)
    console = make_console()
    console.width = max(console.width, _WIDTH)
    with tempfile.TemporaryDirectory(prefix="photochanger-demo-") as folder:
        home = Path(folder)
        photos = demo_photos(home / "photos")
        password = secrets.token_urlsafe(12)
        with _service(home, password) as base_url:
            console.print(f"PhotoChanger runs on {base_url}, data in {home}")
            results = asyncio.run(_send_all(console, base_url, password, photos, output))
            left = _payloads_left(home / "media" / "payloads")
    console.print(_table(results))
    for result in results:
        if result.problem:
            console.print(f"{result.slot_id}: {result.problem}", style=BAD)
    if left:
        console.print(f"payloads not deleted: {', '.join(left)}", style=BAD)
    good = sum(not result.problem for result in results)
    print(f"demo: {good} of {len(results)} photos came back as pictures", flush=True)
    return 0 if results and good == len(results) and not left else 1


@contextmanager
def _service(home: Path, password: str) -> Iterator[str]:
    """A service with data of its own on a free port; yields its URL."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | {
        PREFIX + "HOME": str(home),
        PREFIX + "PORT": "0",
        PREFIX + "INGEST_PASSWORD": password,
    }
    log = home / "service.log"
    with log.open("wb") as log_file:
        process = subprocess.Popen(
            (sys.executable, "-m", "photochanger", "serve"),
            env=environ,
            stdout=subprocess.PIPE,
            stderr=log_file,
            text=True,
        )
    try:
        yield _address(process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[str], log: Path) -> str:
    """The URL that the service prints once it listens; RuntimeError with its log if it ends first."""
    assert process.stdout is not None
    for line in process.stdout:
        if "listens on " in line:
            return line.rsplit(" ", 1)[1].strip()
    raise RuntimeError(f"the service did not start:\n{log.read_text()[-2000:]}")


def _payloads_left(folder: Path) -> list[str]:
    """The payloads that are not deleted yet; the last one may be deleted shortly after the answer."""
    for _ in range(50):
        if not (left := sorted(path.name for path in folder.iterdir())):
            break
        time.sleep(0.1)
    return left


async def _send_all(
    console: Console, base_url: str, password: str, photos: list[DemoPhoto], output: Path
) -> list[_Checked]:
    results: list[_Checked] = []
    with make_display(console, len(photos)) as display:
        for number, photo in enumerate(photos):
            slot_id = _SLOTS[number % len(_SLOTS)]
            digest = hashlib.md5(photo.path.read_bytes(), usedforsecurity=False).hexdigest()
            target = SendTarget(
                address=f"{base_url}/ingest/{slot_id}",
                password=password,
                fields={"time": "1700000000", "hash": digest},
                timeout_seconds=_TIMEOUT_SECONDS,
            )
            sending = Photo(photo.path, f"{photo.title} → {slot_id}", number)
            async with make_client(target, at_once=1) as http:
                sent = await send_photo(
                    http, target, sending, save=saved_by_job(output), progress=display, stop=asyncio.Event()
                )
                display.ends(sending, sent)
                results.append(await _check(http, slot_id, photo, sent))
    return results


async def _check(http: httpx2.AsyncClient, slot_id: str, photo: DemoPhoto, sent: SendResult) -> _Checked:
    """Whether the saved file is a complete picture of its type and the public link returns the same bytes."""
    if sent.file is None:
        return _Checked(slot_id, photo, sent, b"", failure_text(sent))
    picture, problem = await asyncio.to_thread(_read_picture, Path(sent.file))
    if not problem:
        public = await http.get(sent.link or "")
        if public.status_code != 200 or public.content != picture:
            problem = f"the public link returned {public.status_code} and {len(public.content)} bytes"
    return _Checked(slot_id, photo, sent, picture, problem)


def _read_picture(saved: Path) -> tuple[bytes, str]:
    """The bytes of the file, and what is wrong with it; empty if it is a complete picture of its type."""
    data = saved.read_bytes()
    try:
        with Image.open(saved) as picture:
            picture.load()
            mime = Image.MIME.get(picture.format or "", "")
    except (OSError, SyntaxError) as error:
        return data, f"the answer is not a picture: {error}"
    extension = MIME_EXTENSIONS.get(mime)
    return data, "" if saved.suffix == f".{extension}" else f"the answer was saved as {saved.suffix} but is {mime}"


def _table(results: list[_Checked]) -> Table:
    headings = ("slot", "photo", "saved as", "bytes in", "bytes out", "ms", "public link", "sha256")
    table = make_table(*headings, numbers=("bytes in", "bytes out", "ms"), title="Results")
    for result in results:
        sent = result.sent
        table.add_row(
            result.slot_id,
            result.photo.title,
            sent.file or "-",
            f"{sent.bytes_in:,}",
            f"{sent.bytes_out:,}",
            "-" if sent.milliseconds is None else f"{sent.milliseconds:,}",
            sent.link or "-",
            hashlib.sha256(result.picture).hexdigest()[:16] if result.picture else "-",
        )
    return table
