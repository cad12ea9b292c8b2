"""`photochanger demo`: the main job on real photos, over HTTP as a camera does it, on a service of its own.

Every claim of its last line is checked: the answers are pictures, the public links give the same bytes, and no
payload is left behind.
"""

from __future__ import annotations

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
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from .config import PREFIX
from .diagnostics.sample_photos import DemoPhoto, demo_photos

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_SLOTS = ("slot-001", "slot-002", "slot-003", "slot-004")


class _Answer(msgspec.Struct, frozen=True):
    """What came back for one photo; `trouble` is empty where it is the picture that it should be."""

    slot_id: str
    photo: DemoPhoto
    bytes_in: int
    status: int
    body: bytes
    milliseconds: float
    link: str
    saved: Path | None
    trouble: str


def run_demo(output: Path) -> int:
    """Run the demo, leave the pictures in `output`; the exit code, 0 only if every photo came back as a picture."""
    output.mkdir(parents=True, exist_ok=True)
    console = Console(width=max(Console().width, 150))
    with tempfile.TemporaryDirectory(prefix="photochanger-demo-") as folder:
        home = Path(folder)
        photos = demo_photos(home / "photos")
        password = secrets.token_urlsafe(12)
        with _service(home, password) as base_url:
            console.print(f"PhotoChanger runs on {base_url}, data in {home}")
            answers = [*_send_all(console, base_url, password, photos, output)]
            left = _payloads_left(home / "media" / "payloads")
    console.print(_table(answers))
    for answer in answers:
        if answer.trouble:
            console.print(f"{answer.slot_id}: {answer.trouble}", style="red")
    if left:
        console.print(f"payloads left behind: {', '.join(left)}", style="red")
    good = sum(not answer.trouble for answer in answers)
    print(f"demo: {good} of {len(answers)} photos came back as pictures", flush=True)
    return 0 if answers and good == len(answers) and not left else 1


@contextmanager
def _service(home: Path, password: str) -> Iterator[str]:
    """A service with its own data on a free port; the URL it listens on."""
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
    """The URL that the service prints once it listens; RuntimeError with its log where it does not."""
    assert process.stdout is not None
    for line in process.stdout:
        if "listens on " in line:
            return line.rsplit(" ", 1)[1].strip()
    raise RuntimeError(f"the service did not start:\n{log.read_text()[-2000:]}")


def _payloads_left(folder: Path) -> list[str]:
    """The payloads that are still there; removing the last one may take a moment longer than answering."""
    for _ in range(50):
        if not (left := sorted(path.name for path in folder.iterdir())):
            break
        time.sleep(0.1)
    return left


def _send_all(
    console: Console, base_url: str, password: str, photos: list[DemoPhoto], output: Path
) -> Iterator[_Answer]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
        for number, photo in enumerate(photos):
            slot_id = _SLOTS[number % len(_SLOTS)]
            task = progress.add_task(f"{photo.title} → {slot_id}", total=1)
            answer = _send(base_url, slot_id, photo, password, output)
            progress.update(task, completed=1, description=f"{photo.title} → {slot_id}: {answer.status}")
            yield answer


def _send(base_url: str, slot_id: str, photo: DemoPhoto, password: str, output: Path) -> _Answer:
    data = photo.path.read_bytes()
    fields = {"password": password, "time": "1700000000", "hash": hashlib.md5(data, usedforsecurity=False).hexdigest()}
    content_type, body = _form(fields, photo.path.name, data)
    started = time.perf_counter()
    status, headers, answer = _request(
        base_url, "POST", f"/ingest/{slot_id}", body=body, headers={"Content-Type": content_type}
    )
    milliseconds = (time.perf_counter() - started) * 1000
    if status != 200:
        return _Answer(
            slot_id, photo, len(data), status, answer, milliseconds, "", None, answer.decode(errors="replace")[:500]
        )
    mime = headers.get("content-type", "")
    saved = output / f"{slot_id}-{photo.path.stem}.{mime.rpartition('/')[2].replace('jpeg', 'jpg')}"
    saved.write_bytes(answer)
    link = headers.get("link", "").partition(";")[0].strip("<> ")
    return _Answer(
        slot_id, photo, len(data), status, answer, milliseconds, link, saved, _trouble(saved, mime, answer, link)
    )


def _trouble(saved: Path, mime: str, answer: bytes, link: str) -> str:
    """What is wrong with an answer; empty if it is a whole picture and its public link gives the same bytes."""
    from PIL import Image

    try:
        with Image.open(saved) as picture:
            picture.load()
            kind = Image.MIME.get(picture.format or "")
    except (OSError, SyntaxError) as error:
        return f"the answer is not a picture: {error}"
    if kind != mime:
        return f"the answer says it is {mime} and is {kind}"
    parts = urlsplit(link)
    status, _, public = _request(f"{parts.scheme}://{parts.netloc}", "GET", parts.path)
    if status != 200 or public != answer:
        return f"the public link answered {status} and {'other' if status == 200 else 'no'} bytes"
    return ""


def _request(
    base_url: str, method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(base_url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_START_SECONDS)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def _form(fields: dict[str, str], file_name: str, data: bytes) -> tuple[str, bytes]:
    """A multipart form as camera software sends it."""
    boundary = f"----photochanger{secrets.token_hex(12)}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'Content-Disposition: form-data; name="fileToUpload"; filename="{file_name}"\r\n'
    parts.append(f"--{boundary}\r\n{head}Content-Type: application/octet-stream\r\n\r\n".encode())
    parts += [data, f"\r\n--{boundary}--\r\n".encode()]
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)


def _table(answers: list[_Answer]) -> Table:
    table = Table(title="What came back")
    for name in ("slot", "photo", "saved as"):
        table.add_column(name, overflow="fold")
    for name in ("bytes in", "bytes out", "ms"):
        table.add_column(name, justify="right")
    for name in ("public link", "sha256"):
        table.add_column(name, overflow="fold")
    for answer in answers:
        table.add_row(
            answer.slot_id,
            answer.photo.title,
            str(answer.saved or "-"),
            f"{answer.bytes_in:,}",
            f"{len(answer.body):,}",
            f"{answer.milliseconds:,.0f}",
            answer.link or "-",
            hashlib.sha256(answer.body).hexdigest()[:16] if answer.saved else "-",
        )
    return table
