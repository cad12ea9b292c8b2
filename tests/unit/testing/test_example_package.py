"""The example package passes its own tests, which authors of providers copy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "provider-package"


def test_the_example_package_passes_the_suites_for_authors() -> None:
    path = os.pathsep.join(filter(None, [str(EXAMPLE / "src"), os.environ.get("PYTHONPATH")]))
    arguments = ("-q", "-c", os.devnull, "--rootdir", str(EXAMPLE), "-p", "no:cacheprovider", str(EXAMPLE / "tests"))
    done = subprocess.run(
        (sys.executable, "-m", "pytest", *arguments),
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 30
    assert "skipped" not in done.stdout
