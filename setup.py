"""Finds the packages of `src`, which is the package `photochanger` itself, and puts the contract into the wheel."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

CONTRACT = Path("openapi/photochanger.yaml")


class BuildWithContract(build_py):
    """Copies the OpenAPI contract beside the module that serves it."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "photochanger/entrypoints/http/ops", CONTRACT.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(CONTRACT, target)


setup(
    packages=["photochanger", *(f"photochanger.{name}" for name in find_packages("src"))],
    package_dir={"photochanger": "src"},
    package_data={
        "": ["*"],
        "photochanger.entrypoints.http.ops": ["docs/**/*"],
        "photochanger.entrypoints.http.page": ["static/**/*"],
    },
    cmdclass={"build_py": BuildWithContract},
)
