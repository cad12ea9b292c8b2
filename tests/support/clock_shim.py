"""Wall clocks that are wrong: processes of a test whose `time.time` is ahead or behind, and can be set while they run.

The interpreter of each such process imports the module `sitecustomize` that `install` writes. The monotonic clock
stays right, as it does where an administrator or NTP sets the clock of a machine. `adapters/system_clock.py`, the only
module that reads the clock, asks `time.time`; what C code reads (libpq, PostgreSQL) is not changed.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

OFFSETS, ONLY = "TEST_CLOCK_OFFSETS", "TEST_CLOCK_ONLY"
"""Variables of the environment: the file with the offset in seconds; a word that the command line must contain."""

_MODULE = f"""
import os, sys, time

offsets, only = os.environ.get({OFFSETS!r}), os.environ.get({ONLY!r})
if offsets and (not only or only in sys.orig_argv):
    real, real_ns, monotonic = time.time, time.time_ns, time.monotonic
    read_at, offset = -1.0, 0.0

    def current():
        global read_at, offset
        if monotonic() - read_at > 0.02:
            try:
                with open(offsets) as file:
                    offset = float(file.read())
            except (OSError, ValueError):  # it is being written
                pass
            read_at = monotonic()
        return offset

    time.time = lambda: real() + current()
    time.time_ns = lambda: real_ns() + int(current() * 1e9)
"""


class ClockShim:
    """The wall clock of the processes that get `environ`; `only` those whose command line has this word (`worker`)."""

    def __init__(self, folder: Path, ahead: timedelta = timedelta(0), *, only: str = "") -> None:
        site = folder / f"clock-{only or 'all'}"
        site.mkdir(parents=True)
        (site / "sitecustomize.py").write_text(_MODULE)
        self._offsets = site / "offset"
        self._path = site
        self._only = only
        self.set(ahead)

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs in its environment; its children inherit it."""
        path = os.pathsep.join([str(self._path), *filter(None, [os.environ.get("PYTHONPATH")])])
        return {"PYTHONPATH": path, OFFSETS: str(self._offsets), ONLY: self._only}

    def set(self, ahead: timedelta) -> None:
        """Set the clock of these processes, also while they run: negative is behind."""
        partial = self._offsets.with_suffix(".partial")
        partial.write_text(str(ahead.total_seconds()))
        partial.replace(self._offsets)
