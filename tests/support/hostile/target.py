"""The service under attack: few descriptors, a bound on memory, and a watch on what its processes take."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
from photochanger.core.domain.slots.slot import Route, RouteEntry

from tests.support.service import Service, serving, set_slot

MIB = 1024 * 1024
FILE_LIMIT = 1024
MEMORY_LIMIT = 512 * MIB
"""Of all processes of the service together, as a container counts it; PostgreSQL is apart."""

LARGE_SLOT = "slot-003"
"""Its pictures have more than 2 MB."""

_CEILING = 6144 * MIB
"""Where the service is ended, for the sake of the machine that runs the test."""

_PERIOD_SECONDS = 0.05
_SAMPLES_PER_LISTING = 8
_KIB = 1024


class Watch:
    """Samples the service's processes and its media folder while it runs.

    Memory is what only a limit can take back: anonymous and shared pages. It is read from /proc, because a control
    group is not writable where most tests run.
    """

    def __init__(self, pid: int, media: Path) -> None:
        self.peak_memory = 0
        self.peak_descriptors = 0
        self.peak_stored = 0
        self._pid = pid
        self._media = media
        self._pids = [pid]
        self._samples = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def reset(self) -> None:
        """Forget the peaks; the next ones count from now on."""
        self.peak_memory = self.peak_descriptors = self.peak_stored = 0
        self._sample()

    def cpu_seconds(self) -> float:
        """What the service's processes have computed, with those that ended."""
        with contextlib.suppress(psutil.Error):
            times = [process.cpu_times() for process in self._processes()]
            return sum(t.user + t.system for t in times) + times[0].children_user + times[0].children_system
        return 0.0

    def memory(self) -> int:
        """Bytes that the service's processes take now."""
        return sum(_memory_of(process.pid) for process in self._processes())

    def memory_by_process(self) -> dict[str, int]:
        """The most that each process had resident, with its file pages, by its role."""
        return {
            f"{_role(process)} {process.pid}": _status(process.pid).get("VmHWM", 0) for process in self._processes()
        }

    @contextlib.contextmanager
    def watching(self) -> Iterator[Watch]:
        self._thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_PERIOD_SECONDS):
            self._sample()

    def _sample(self) -> None:
        if self._samples % _SAMPLES_PER_LISTING == 0:
            self._pids = [process.pid for process in self._processes()]
        self._samples += 1
        memory = sum(map(_memory_of, self._pids))
        self.peak_memory = max(self.peak_memory, memory)
        with contextlib.suppress(OSError):
            self.peak_descriptors = max(self.peak_descriptors, len(list(Path(f"/proc/{self._pid}/fd").iterdir())))
        self.peak_stored = max(self.peak_stored, _stored(self._media))
        if memory > _CEILING:
            for process in self._processes():
                with contextlib.suppress(psutil.Error):
                    process.kill()

    def _processes(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            service = psutil.Process(self._pid)
            return [service, *service.children(recursive=True)]
        return []


def _status(pid: int) -> dict[str, int]:
    """The sizes in a process's status, in bytes; none once it has ended."""
    sizes = {}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if value.endswith(" kB"):
                sizes[name] = int(value.split()[0]) * _KIB
    return sizes


def _memory_of(pid: int) -> int:
    status = _status(pid)
    return status.get("RssAnon", 0) + status.get("RssShmem", 0)


def _role(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return next((word for word in process.cmdline() if word in ("serve", "worker")), process.name())
    return "ended"


def _stored(folder: Path) -> int:
    """Bytes of photos that are arriving or have arrived."""
    total = 0
    for name in (".partial", "payloads"):
        with contextlib.suppress(OSError):
            for path in (folder / name).iterdir():
                with contextlib.suppress(OSError):
                    total += path.stat().st_size
    return total


class Target:
    """A service, with the watch on it."""

    def __init__(self, service: Service, watch: Watch, url: str) -> None:
        self.service = service
        self.watch = watch
        self.url = url
        self.port = int(service.address.rpartition(":")[2])


@contextlib.contextmanager
def limited(home: Path, url: str, **settings: str) -> Iterator[Target]:
    """A service with a file limit of 1,024, on a migrated database, with the sync window of an installation."""
    settings = {"sync_response_seconds": "48", "workers": "2", **settings}
    launcher = ("sh", "-c", f'ulimit -n {FILE_LIMIT} && exec "$@"', "sh")
    with (
        serving(home, launcher=launcher, database_url=url, **settings) as service,
        Watch(service.process.pid, home / "media").watching() as watch,
    ):
        set_slot(url, LARGE_SLOT, Route(entries=(RouteEntry("local", "enhance", {"output": "png"}),)))
        yield Target(service, watch, url)
