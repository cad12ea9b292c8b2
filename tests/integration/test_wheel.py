"""The wheel as users get it: everything of `src` in it, nothing beside it, and working in a clean environment."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import photos
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tree, by the pinned build tool of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    tree.mkdir()
    for name in ("src", "openapi"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    build = "from setuptools.build_meta import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    done = subprocess.run((sys.executable, "-c", build, str(folder)), cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.strip().splitlines()[-1]


def test_every_module_and_data_file_of_src_is_in_the_wheel(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        f"photochanger/{path.relative_to(ROOT / 'src')}"
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected - inside == set()
    assert "photochanger/py.typed" in inside
    assert "photochanger/entrypoints/http/photochanger.yaml" in inside


def test_nothing_else_lands_at_the_top_of_site_packages(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"photochanger"}


USE = """
import asyncio, sys
from pathlib import Path
import photochanger
from photochanger import PhotoChanger, Settings, memory_adapters
assert Path(photochanger.__file__).is_relative_to(sys.argv[1]), photochanger.__file__
from photochanger.entrypoints.http.contract_file import contract_path
assert contract_path().is_relative_to(sys.argv[1]) and contract_path().exists()

async def use(settings, adapters):
    async with PhotoChanger.open(settings, adapters=adapters) as app:
        job = await app.jobs.submit("slot-001", photo=Path(sys.argv[2]))
        outcome = await app.jobs.wait(job.id)
        assert outcome.state == "succeeded", outcome
        assert (await app.jobs.picture(job.id))[:3] == b"\\xff\\xd8\\xff"

asyncio.run(use(Settings(), memory_adapters()))
asyncio.run(use(Settings(home=Path(sys.argv[3])), None))
print("both work")
"""


def test_the_library_works_from_an_installed_wheel_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    """The dependencies are the ones of this run, put behind the fresh environment."""
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    dependencies = next(path for path in map(Path, sys.path) if path.name == "site-packages")
    photo = tmp_path / "photo.jpg"
    photos.store(photo, photos.jpeg(800, 600))
    paths = f"import sys; sys.path[:0] = [{str(site)!r}]; sys.path.append({str(dependencies)!r})\n"
    script = tmp_path / "use.py"
    script.write_text(paths + USE)
    # -S and -I: no .pth files, so this checkout's editable install cannot stand in for the wheel.
    done = subprocess.run(
        (sys.executable, "-I", "-S", str(script), str(site), str(photo), str(tmp_path / "home")),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("both work")


def test_importing_starts_and_loads_nothing_heavy() -> None:
    look = (
        "import sys, threading, photochanger\n"
        "heavy = {'litestar', 'sqlalchemy', 'pyvips', 'PIL', 'psycopg', 'dishka', 'msgspec'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert threading.active_count() == 1\n"
    )
    subprocess.run((sys.executable, "-c", look), check=True, cwd="/")
