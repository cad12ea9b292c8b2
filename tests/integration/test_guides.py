"""The guides do what they say: the tutorial, and the files of `deploy/` and `examples/`, against a running service."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.support import photos
from tests.support.documents import ROOT, Document
from tests.support.plain_http import NO_TLS
from tests.support.reverse_proxies import NAME, caddy, nginx
from tests.support.service import HANG_SECONDS, PASSWORD, Service, serving

ADMIN_PASSWORD = "an-administrators-password"
SETTINGS = {
    "admin_password": ADMIN_PASSWORD,
    "public_base_url": f"https://{NAME}",
    "trusted_proxies": "127.0.0.1",
    "private_hosts": "127.0.0.1",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guides") / "home"


@pytest.fixture(scope="module")
def service(home: Path) -> Iterator[Service]:
    with serving(home, **SETTINGS) as running:
        yield running


@pytest.fixture
def api(service: Service) -> Iterator[httpx.Client]:
    """A client that is signed in."""
    with service.client() as client:
        answer = client.post("/api/login", json={"username": "admin", "password": ADMIN_PASSWORD})
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


def shell(command: str, folder: Path, **variables: str) -> str:
    """What a command of a guide prints; it must succeed."""
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": paths, **variables}
    ended = subprocess.run(["bash", "-ec", command], cwd=folder, env=env, capture_output=True, text=True)
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def test_the_commands_of_the_tutorial_do_what_it_says(service: Service, home: Path, tmp_path: Path) -> None:
    for name in ("src", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(Path(sys.executable).parent)
    blocks = [code for info, code in Document(ROOT / "docs/tutorial/first-slot.md").blocks if info == "sh"]
    makes = [code.strip() for code in blocks if code.startswith("make ")]
    assert makes == ["make demo", "make serve"]
    printed = ""
    for block in blocks[2:]:
        key = re.search(r"pck_\w+", printed)
        known = {
            "INGEST-PASSWORD": PASSWORD,
            "BOOTH-KEY": key[0] if key else "",
            "http://127.0.0.1:8000": service.address,
        }
        for word, instead in known.items():
            block = block.replace(word, instead)
        printed += shell(block, tmp_path, PHOTOCHANGER_HOME=str(home))
    for picture in ("finished.jpg", "comic.jpg"):
        assert photos.load(tmp_path / picture)[:3] == b"\xff\xd8\xff"
    assert "Comic" in printed


@pytest.mark.parametrize("proxy", [nginx, caddy], ids=["nginx", "caddy"])
def test_a_photo_comes_back_through_the_proxies_of_the_guide(proxy: Any, service: Service, tmp_path: Path) -> None:
    with proxy(tmp_path, service.address) as client:
        answer = client.post(
            "/ingest/slot-003", data={"password": PASSWORD}, files={"fileToUpload": photos.jpeg(640, 480)}
        )
    assert answer.status_code == 200, answer.text
    assert answer.content[:3] == b"\xff\xd8\xff"
    assert f"<https://{NAME}/" in answer.headers["link"]
    assert "strict-transport-security" in answer.headers, "the service believes that the client uses TLS"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    units = [shutil.copy(path, tmp_path) for path in sorted((ROOT / "deploy/systemd").glob("*.*er*"))]
    assert len(units) == 4
    for unit in map(Path, units):
        unit.write_text(unit.read_text().replace("/opt/photochanger/bin/photochanger", sys.executable))
    checked = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    said = [line for line in checked.stderr.splitlines() if "photochanger" in line]
    assert (checked.returncode, said) == (0, []), checked.stderr


def test_the_unit_of_the_backup_makes_one(service: Service, home: Path, tmp_path: Path) -> None:
    unit = (ROOT / "deploy/systemd/photochanger-backup.service").read_text()
    (command,) = re.findall(r"^ExecStart=/bin/sh -c '(.*)'$", unit, re.MULTILINE)
    (clean,) = re.findall(r"^ExecStartPost=(.*)$", unit, re.MULTILINE)
    command = command.replace("%%", "%").replace(
        "/opt/photochanger/bin/photochanger", f"{sys.executable} -m photochanger"
    )
    old = tmp_path / "2020-01-01-050000.tar"
    old.touch()
    os.utime(old, (0, 0))
    shell(command, tmp_path, STATE_DIRECTORY=str(tmp_path), PHOTOCHANGER_HOME=str(home))
    subprocess.run(clean.replace("${STATE_DIRECTORY}", str(tmp_path)).split(), check=True)
    (made,) = tmp_path.iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-\d{6}\.tar", made.name)
    assert made.stat().st_size > 10_000


class Telegram:
    """A stand-in for Telegram: keeps what is sent to it."""

    def __init__(self) -> None:
        self.calls = Queue[tuple[str, Any]]()

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        calls = self.calls

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                calls.put((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def test_a_photo_without_a_picture_becomes_a_telegram_message(
    service: Service, api: httpx.Client, tmp_path: Path
) -> None:
    telegram = Telegram()
    slot = api.get("/api/slots/slot-009")
    document = {**slot.json(), "active": True, "route": [{"provider_id": "gemini", "operation_id": "image_edit"}]}
    document["route"][0]["settings"] = {"prompt": "paint"}
    read_only = ("id", "ingest_url", "updated_at", "version")
    body = {name: value for name, value in document.items() if name not in read_only}
    stored = api.put("/api/slots/slot-009", json=body, headers={"If-Match": slot.headers["etag"]})
    assert stored.status_code == 200, stored.text
    with telegram.serving() as address, relaying(address, secrets="") as relay:
        hook = api.put("/api/slots/slot-009/webhook", json={"url": f"{relay}/"})
        assert httpx.post(relay, content=b"{}", verify=NO_TLS, timeout=HANG_SECONDS).status_code == 401
    with telegram.serving() as address, relaying(address, secrets=hook.json()["secret"]) as relay:
        api.put("/api/slots/slot-009/webhook", json={"url": f"{relay}/"})
        refused = service.send(photos.jpeg(320, 240), "slot-009")
        assert refused.status_code == 502
        path, message = telegram.calls.get(timeout=HANG_SECONDS)
    assert path == "/botTOKEN/sendMessage"
    assert message["chat_id"] == "CHAT"
    assert message["text"].startswith("PhotoChanger: slot-009: no picture (provider_not_configured), job ")


@contextlib.contextmanager
def relaying(telegram: str, *, secrets: str) -> Iterator[str]:
    """The relay of the examples; yields its address."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "examples/telegram_relay.py"), "0"],
        env={
            **os.environ,
            "TELEGRAM_URL": telegram,
            "TELEGRAM_TOKEN": "TOKEN",
            "TELEGRAM_CHAT": "CHAT",
            "WEBHOOK_SECRETS": secrets or "whsec_AAAA",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait(HANG_SECONDS)
