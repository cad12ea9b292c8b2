"""Find the packages of `src`, which is the package `photochanger` itself, and add the OpenAPI contract to them.

The service answers `GET /openapi.json` with a file that is built here, so that no process parses the YAML. A wheel
contains both forms; an editable checkout keeps its YAML in `openapi/` and has the JSON next to its module
(ignored by git). `python setup.py build_contract` builds that file again.

Package and contract have one version; a build whose versions differ fails. With `SOURCE_DATE_EPOCH` the source archive
depends on its files alone, like the wheel (ADR 76).
"""

import gzip
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import ClassVar

from setuptools import Command, find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

CONTRACT = Path("openapi/photochanger.yaml")
SERVED_FROM = Path("entrypoints/http/ops")


def write_json(target: Path, *, version: str) -> None:
    """Write the contract as JSON. SystemExit if it has another version than the package."""
    import yaml

    contract = yaml.safe_load(CONTRACT.read_bytes())
    if (described := contract["info"]["version"]) != version:
        message = f"The contract has version {described}, the package {version}."
        raise SystemExit(f"{message} Set info.version in {CONTRACT} and version in pyproject.toml to the same version.")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_text(json.dumps(contract, ensure_ascii=False, separators=(",", ":"), default=_date), "utf-8")
    partial.replace(target)


def _date(value: object) -> str:
    return value.isoformat()  # type: ignore[attr-defined]


class BuildContract(Command):
    """Build the JSON form of the contract in the source tree."""

    user_options: ClassVar[list[tuple[str, str, str]]] = []

    def initialize_options(self) -> None: ...

    def finalize_options(self) -> None: ...

    def run(self) -> None:
        served = Path("src") / SERVED_FROM / CONTRACT.with_suffix(".json").name
        write_json(served, version=self.distribution.get_version())


class BuildWithContract(build_py):
    """Add both forms of the contract to a wheel, or the JSON form to an editable source tree."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            self.run_command("build_contract")
            return
        folder = Path(self.build_lib, "photochanger") / SERVED_FROM
        write_json(folder / CONTRACT.with_suffix(".json").name, version=self.distribution.get_version())
        shutil.copyfile(CONTRACT, folder / CONTRACT.name)


class ReproducibleSdist(sdist):
    """Make a source archive without the times and owners of this machine if `SOURCE_DATE_EPOCH` (seconds) is set."""

    def make_archive(
        self,
        base_name: str,
        format: str,
        root_dir: str | os.PathLike[str] | bytes | os.PathLike[bytes] | None = None,
        base_dir: str | None = None,
        owner: str | None = None,
        group: str | None = None,
    ) -> str:
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        if epoch is None or format != "gztar" or base_dir is None:
            return super().make_archive(base_name, format, root_dir, base_dir, owner, group)

        def neutral(entry: tarfile.TarInfo) -> tarfile.TarInfo:
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = int(epoch), 0, 0, "", ""
            entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
            return entry

        target = Path(f"{base_name}.tar.gz")
        with (
            target.open("wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=int(epoch)) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            archive.add(base_dir, filter=neutral)
        return str(target)


setup(
    packages=["photochanger", *(f"photochanger.{name}" for name in find_packages("src"))],
    package_dir={"photochanger": "src"},
    package_data={
        "": ["*"],
        "photochanger.entrypoints.http.ops": ["docs/**/*"],
        "photochanger.entrypoints.http.page": ["static/**/*"],
    },
    cmdclass={"build_contract": BuildContract, "build_py": BuildWithContract, "sdist": ReproducibleSdist},
)
