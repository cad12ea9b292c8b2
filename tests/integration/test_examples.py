"""The examples run as their first lines say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support import photos
from tests.support.service import PASSWORD, environment, eventually, serving

ROOT = Path(__file__).parents[2]

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
    assert photos.load(tmp_path / "finished.jpg")[:3] == b"\xff\xd8\xff"


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
        assert "/photos" in httpx.get(base, timeout=180).text
        answer = httpx.post(
            f"{base}/photos/ingest/slot-001",
            data={"password": PASSWORD},
            files={"fileToUpload": photos.jpeg(640, 480)},
            timeout=180,
        )
        assert answer.status_code == 200
        link = answer.headers["link"].partition(";")[0].strip("<>")
        assert link.startswith(f"{base}/photos/public/results/")
        assert httpx.get(link, timeout=180).content == answer.content
    finally:
        process.terminate()
        process.wait(60)


def test_the_client_example_fetches_a_picture(tmp_path: Path) -> None:
    photos.store(tmp_path / "photo.jpg", photos.jpeg(800, 600))
    with serving(tmp_path / "home", workers="1") as service:
        call = (service.address, "slot-002", "photo.jpg", "finished.jpg")
        done = run_client(tmp_path, *call, ingest_password=PASSWORD)
        assert done.returncode == 0, done.stderr[-2000:]
        assert photos.load(tmp_path / "finished.jpg")[:3] == b"\xff\xd8\xff"
        refused = run_client(tmp_path, *call, ingest_password="not-the-password")
        assert refused.returncode == 1
        assert refused.stderr.startswith("invalid_password: ")


def test_the_client_example_lists_the_slots_and_follows_what_happens(tmp_path: Path) -> None:
    admin = {"admin_username": "boss", "admin_password": "a-password-of-the-boss"}
    with serving(tmp_path / "home", workers="1", **admin) as service:
        watching = subprocess.Popen(
            (sys.executable, str(ROOT / "examples" / "client.py"), service.address, "--admin"),
            env=environment(tmp_path / "home", **admin),
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


def run_client(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, str(ROOT / "examples" / "client.py"), *arguments)
    environ = environment(folder / "home", **settings)
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)


def answers(base: str) -> bool:
    try:
        return httpx.get(base, timeout=180).status_code == 200
    except httpx.TransportError:
        return False
