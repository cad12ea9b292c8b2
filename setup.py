"""Find the packages of `src`, which is the package `photochanger` itself, and add the OpenAPI contract to them.

The service answers `GET /openapi.json` with a file that is built here, so that no process parses the YAML. A wheel
contains both forms; an editable checkout keeps its YAML in `openapi/` and has the JSON next to its module
(ignored by git). `python setup.py build_contract` builds that file again.
"""

import json
import shutil
from pathlib import Path
from typing import ClassVar

from setuptools import Command, find_packages, setup
from setuptools.command.build_py import build_py

CONTRACT = Path("openapi/photochanger.yaml")
SERVED_FROM = Path("entrypoints/http/ops")


def write_json(target: Path) -> None:
    """Write the contract as JSON."""
    import yaml

    contract = yaml.safe_load(CONTRACT.read_bytes())
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
        write_json(Path("src") / SERVED_FROM / CONTRACT.with_suffix(".json").name)


class BuildWithContract(build_py):
    """Add both forms of the contract to a wheel, or the JSON form to an editable source tree."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            self.run_command("build_contract")
            return
        folder = Path(self.build_lib, "photochanger") / SERVED_FROM
        write_json(folder / CONTRACT.with_suffix(".json").name)
        shutil.copyfile(CONTRACT, folder / CONTRACT.name)


setup(
    packages=["photochanger", *(f"photochanger.{name}" for name in find_packages("src"))],
    package_dir={"photochanger": "src"},
    package_data={
        "": ["*"],
        "photochanger.entrypoints.http.ops": ["docs/**/*"],
        "photochanger.entrypoints.http.page": ["static/**/*"],
    },
    cmdclass={"build_contract": BuildContract, "build_py": BuildWithContract},
)
