"""The examples run as their first lines say; the files of guides are tested with them, and packages by themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import photos
from tests.support.plain_http import NO_TLS
from tests.support.service import HANG_SECONDS, PASSWORD, Service, environment, eventually, serving

ROOT = Path(__file__).parents[2]

ADMIN = {"admin_username": "boss", "admin_password": "a-password-of-the-boss"}

CLIENTS = {
    "client.py": (sys.executable, "succeeded"),
    "client.mjs": ("node", "succeeded"),
    "client.sh": ("sh", "200"),
}
"""The clients: what runs each, and how it calls what it did."""

PATIENT = """
from datetime import timedelta
from photochanger.core.domain import deadlines
deadlines.DEFAULT_SYNC_RESPONSE = timedelta(hours=1)
"""
"""What an example runs behind: a window that no machine is too slow for."""


@pytest.mark.parametrize("arguments", [(), ("home",)], ids=["in memory", "with PostgreSQL"])
def test_the_embedding_example_makes_a_picture(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    photos.store(tmp_path / "photo.jpg", photos.jpeg(800, 600))
    example = str(ROOT / "examples" / "embed.py")
    run = f"{PATIENT}import runpy\nrunpy.run_path({example!r}, run_name='__main__')"
    command = (sys.executable, "-c", run, "photo.jpg", "finished.jpg", *arguments)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    picture = photos.load(tmp_path / "finished.jpg")
    assert photos.pixels(picture).size == (800, 600)
    assert done.stdout == f"succeeded: {len(picture)} bytes of image/jpeg in finished.jpg\n"


def test_the_mounting_example_serves_both_apps(tmp_path: Path) -> None:
    serve = PATIENT + "import asyncio, uvicorn\nfrom examples.mount import app\nconfig = uvicorn.Config(app, port=0)\n"
    serve += "listening = config.bind_socket()\nprint(listening.getsockname()[1], flush=True)\n"
    serve += "uvicorn.Server(config).run(sockets=[listening])\n"
    process = subprocess.Popen(
        (sys.executable, "-c", serve),
        cwd=tmp_path,
        env={**environment(tmp_path / "home"), "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        base = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        eventually(lambda: answers(base))
        assert "/photos" in httpx.get(base, verify=NO_TLS, timeout=180).text
        answer = httpx.post(
            f"{base}/photos/ingest/slot-001",
            data={"password": PASSWORD},
            files={"fileToUpload": photos.jpeg(640, 480)},
            verify=NO_TLS,
            timeout=180,
        )
        assert answer.status_code == 200
        link = answer.headers["link"].partition(";")[0].strip("<>")
        assert link.startswith(f"{base}/photos/public/results/")
        assert httpx.get(link, verify=NO_TLS, timeout=180).content == answer.content
    finally:
        process.terminate()
        process.wait(HANG_SECONDS)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("clients") / "home", workers="1", **ADMIN) as running:
        yield running


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_fetches_the_picture_and_says_why_there_is_none(tmp_path: Path, service: Service, client: str) -> None:
    program, said = CLIENTS[client]
    if shutil.which(program) is None or (client.endswith("sh") and shutil.which("curl") is None):
        pytest.skip(f"{client} needs a program that is not on this machine")
    photos.store(tmp_path / "a photo; of=Zoë.jpg", photos.jpeg(800, 600))

    def run(*arguments: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
        command = (program, str(ROOT / "examples" / client), *arguments)
        environ = environment(tmp_path / "home", ingest_password=password)
        return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)

    call = (service.address, "slot-002", "a photo; of=Zoë.jpg", "finished.jpg")
    done = run(*call)
    assert (done.returncode, done.stderr) == (0, "")
    picture = photos.load(tmp_path / "finished.jpg")
    assert photos.pixels(picture).size == (800, 600)
    assert done.stdout == f"{said}: {len(picture)} bytes of image/jpeg in finished.jpg\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a photo; of=Zoë.jpg", "finished.jpg"]
    refused = run(*call, password='not "the\\password')
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("invalid_password: The ingest password is wrong.")
    off = run(service.address, "slot-009", *call[2:])
    assert (off.returncode, off.stdout) == (1, "")
    assert off.stderr.startswith("slot_disabled: ")
    assert photos.load(tmp_path / "finished.jpg") == picture
    assert run(service.address).returncode != 0


def test_the_client_example_lists_the_slots_and_follows_what_happens(tmp_path: Path, service: Service) -> None:
    watching = subprocess.Popen(
        (sys.executable, str(ROOT / "examples" / "client.py"), service.address, "--admin"),
        env=environment(tmp_path / "home", **ADMIN),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert watching.stdout is not None
        assert [next(watching.stdout).split()[0] for _ in range(15)] == [f"slot-{n:03}" for n in range(1, 16)]
        assert next(watching.stdout).startswith("queue {")
        assert service.send(photos.jpeg(320, 240)).status_code == 200
        assert '"state":"succeeded"' in next(line for line in watching.stdout if "succeeded" in line)
    finally:
        watching.terminate()
        watching.communicate()


def answers(base: str) -> bool:
    try:
        return httpx.get(base, verify=NO_TLS, timeout=180).status_code == 200
    except httpx.TransportError:
        return False
