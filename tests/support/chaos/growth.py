"""What the service's processes take between rounds, and whether it grows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import psutil

from tests.support.chaos.form import Form
from tests.support.chaos.jobs import Jobs
from tests.support.chaos.report import Report

MIB = 1024 * 1024
_MAX_MEMORY = 512 * MIB
_MAX_DESCRIPTORS = 256
"""Of one process, at any time: far more than these small photos need."""

_MEMORY_ROOM = 96 * MIB
_DESCRIPTOR_ROOM = 24
_CONNECTIONS_PER_PROCESS = 8 + 2
"""The documented bound, and room for what an administrator's command or a process that just ended still holds."""

_PROCESS_ROOM = 4
_WARM_UP = 2


class Sample(msgspec.Struct, frozen=True):
    """After a round: the largest process of each role in bytes and descriptors, and totals."""

    memory: dict[str, int]
    descriptors: dict[str, int]
    processes: int
    connections: int


class Growth:
    """Samples after each round."""

    def __init__(self, form: Form, jobs: Jobs, report: Report) -> None:
        self.samples: list[Sample] = []
        self._form = form
        self._jobs = jobs
        self._report = report

    async def sample(self) -> None:
        memory: dict[str, int] = {}
        descriptors: dict[str, int] = {}
        processes = 0
        for role, found in self._form.processes().items():
            for process in found:
                try:
                    resident, opened = process.memory_info().rss, process.num_fds()
                except psutil.Error:
                    continue
                processes += 1
                memory[role] = max(memory.get(role, 0), resident)
                descriptors[role] = max(descriptors.get(role, 0), opened)
        for role in memory:
            if memory[role] > _MAX_MEMORY or descriptors[role] > _MAX_DESCRIPTORS:
                size = f"{memory[role] // MIB} MiB, {descriptors[role]} descriptors"
                self._report.violated("size", f"{role} after round {self._report.round}: {size}")
        connections = await self._jobs.connections()
        self.samples.append(Sample(memory, descriptors, processes, connections))
        most = _CONNECTIONS_PER_PROCESS * max(processes, 2)
        if connections > most:
            self._report.violated("connections", f"{connections} of {processes} processes")

    def check(self) -> None:
        """Compare the first rounds after the warm-up with the last ones."""
        early, late = self.samples[_WARM_UP : 2 * _WARM_UP], self.samples[-_WARM_UP:]
        if len(self.samples) < 4 * _WARM_UP:
            return
        for role in late[-1].memory:
            before, after = _most(early, "memory", role), _least(late, "memory", role)
            if before and after > before * 1.5 + _MEMORY_ROOM:
                self._report.violated("memory", f"{role}: {before // MIB} MiB, later {after // MIB} MiB")
            before, after = _most(early, "descriptors", role), _least(late, "descriptors", role)
            if before and after > before + _DESCRIPTOR_ROOM:
                self._report.violated("descriptors", f"{role}: {before}, later {after}")
        if min(each.processes for each in late) > max(each.processes for each in early) + _PROCESS_ROOM:
            self._report.violated("processes", f"{early[-1].processes}, later {late[-1].processes}")

    def __str__(self) -> str:
        last = self.samples[-1]
        sizes = ", ".join(
            f"{role} {size // MIB} MiB/{last.descriptors[role]} files" for role, size in last.memory.items()
        )
        return f"{sizes}; {last.processes} processes, {last.connections} connections"


def _most(samples: Sequence[Sample], what: str, role: str) -> int:
    return max((getattr(sample, what).get(role, 0) for sample in samples), default=0)


def _least(samples: Sequence[Sample], what: str, role: str) -> int:
    return min((getattr(sample, what).get(role, 0) for sample in samples), default=0)
