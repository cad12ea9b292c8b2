"""Programs from npm that tests use, as `scripts/npm-tools` installs them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PINNED = ROOT / "requirements/npm"
MODULES = ROOT / ".tools/npm/node_modules"


def npm_tool(name: str) -> Path:
    """The program of this name; the test is skipped where it cannot be had."""
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    program = MODULES / ".bin" / name
    if not program.exists():
        pytest.skip(f"{name} is not installed: `scripts/npm-tools` does that where npm is")
    return program


def run_tool(name: str, *arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, with nothing of this machine but its PATH."""
    path = {"PATH": f"{Path(str(shutil.which('node'))).parent}:/usr/bin:/bin", "HOME": str(folder)}
    command = (npm_tool(name), *arguments)
    return subprocess.run(command, cwd=folder, env=path | environment, capture_output=True, text=True)
