"""Which faults happen when: the same for the same seed."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from random import Random

import msgspec


class FaultKind(enum.StrEnum):
    """What is done to the service, its database, its disk, its clock or its clients."""

    KILL_SERVICE = "kill -9 of serve"
    STOP_SERVICE = "restart of serve by SIGTERM"
    FREEZE_SERVICE = "serve frozen"
    KILL_WORKER = "kill -9 of a worker"
    STOP_WORKER = "restart of a worker by SIGTERM"
    FREEZE_WORKER = "worker frozen"
    FREEZE_WORKER_BEYOND_LEASE = "worker frozen for longer than its lease"
    WORKER_AHEAD = "worker 30 s ahead"
    WORKER_BEHIND = "worker 30 s behind"
    KILL_POSTMASTER = "kill -9 of the postmaster"
    KILL_BACKEND = "kill -9 of a backend"
    END_BACKENDS = "backends ended by an administrator"
    RESTART_DATABASE = "restart of PostgreSQL"
    FREEZE_DATABASE = "PostgreSQL frozen"
    READ_ONLY_DATABASE = "database read-only"
    CUT_CONNECTIONS = "connections cut"
    CUT_ENQUEUE_REPLY = "reply of an enqueue cut"
    CUT_FINALIZE_REPLY = "reply of an end of a job cut"
    CUT_ACQUIRE_REPLY = "reply of an acquisition cut"
    REFUSE_CONNECTIONS = "connections refused"
    REJECT_CONNECTIONS = "connections rejected: starting up"
    SILENT_CONNECTIONS = "connections silent"
    SWALLOWED_BYTES = "bytes swallowed"
    SLOW_CONNECTIONS = "connections delayed"
    DISK_FULL = "disk full"
    DISK_READ_ONLY = "disk read-only"
    HANG_UPS = "cameras hang up and send again"
    SLOW_CAMERAS = "slow cameras"


SECONDS: dict[FaultKind, tuple[float, float]] = {
    FaultKind.FREEZE_SERVICE: (0.5, 3),
    FaultKind.FREEZE_WORKER: (0.5, 4),
    FaultKind.FREEZE_WORKER_BEYOND_LEASE: (11, 14),
    FaultKind.WORKER_AHEAD: (4, 7),
    FaultKind.WORKER_BEHIND: (4, 7),
    FaultKind.FREEZE_DATABASE: (0.5, 4),
    FaultKind.READ_ONLY_DATABASE: (2, 6),
    FaultKind.RESTART_DATABASE: (0, 2),
    FaultKind.KILL_POSTMASTER: (0, 2),
    FaultKind.REFUSE_CONNECTIONS: (1, 5),
    FaultKind.REJECT_CONNECTIONS: (1, 5),
    FaultKind.SILENT_CONNECTIONS: (1, 5),
    FaultKind.SWALLOWED_BYTES: (0.2, 1),
    FaultKind.SLOW_CONNECTIONS: (1, 4),
    FaultKind.DISK_FULL: (1.5, 2.5),
    FaultKind.DISK_READ_ONLY: (1.5, 2.5),
}
"""How long a fault lasts, at least and at most; others have no length."""

ANYWHERE = (
    FaultKind.KILL_SERVICE,
    FaultKind.STOP_SERVICE,
    FaultKind.FREEZE_SERVICE,
    FaultKind.KILL_WORKER,
    FaultKind.FREEZE_WORKER,
    FaultKind.KILL_POSTMASTER,
    FaultKind.KILL_BACKEND,
    FaultKind.END_BACKENDS,
    FaultKind.RESTART_DATABASE,
    FaultKind.FREEZE_DATABASE,
    FaultKind.READ_ONLY_DATABASE,
    FaultKind.DISK_FULL,
    FaultKind.DISK_READ_ONLY,
    FaultKind.HANG_UPS,
    FaultKind.SLOW_CAMERAS,
)
SPLIT_ONLY = (
    FaultKind.STOP_WORKER,
    FaultKind.FREEZE_WORKER_BEYOND_LEASE,
    FaultKind.WORKER_AHEAD,
    FaultKind.WORKER_BEHIND,
    FaultKind.CUT_CONNECTIONS,
    FaultKind.CUT_ENQUEUE_REPLY,
    FaultKind.CUT_FINALIZE_REPLY,
    FaultKind.CUT_ACQUIRE_REPLY,
    FaultKind.REFUSE_CONNECTIONS,
    FaultKind.REJECT_CONNECTIONS,
    FaultKind.SILENT_CONNECTIONS,
    FaultKind.SWALLOWED_BYTES,
    FaultKind.SLOW_CONNECTIONS,
)

FREEZING = (
    FaultKind.FREEZE_SERVICE,
    FaultKind.FREEZE_WORKER,
    FaultKind.FREEZE_WORKER_BEYOND_LEASE,
    FaultKind.FREEZE_DATABASE,
)
"""These stop a process for their length: it cannot keep a promise about time meanwhile."""

PER_ROUND = 5
_APART_SECONDS = (0.3, 1.5)


class Fault(msgspec.Struct, frozen=True):
    """One fault: so long after the start of its round, for so long; `pick` (0 to 1) says which of several it meets."""

    number: int
    kind: FaultKind
    at: float
    seconds: float
    pick: float

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"#{self.number} at {self.at:.1f} s: {self.kind}{lasting}"


class Round(msgspec.Struct, frozen=True):
    """Faults that happen close together, some at the same time; then everything is checked."""

    number: int
    faults: tuple[Fault, ...]


def rounds(seed: int, *, faults: int, kinds: Sequence[FaultKind], per_round: int = PER_ROUND) -> list[Round]:
    """The whole campaign. Each kind comes once before any comes again."""
    dice = Random(f"plan {seed}")
    drawn = _dealt(dice, kinds)
    planned = []
    for start in range(0, faults, per_round):
        at, happening = 0.5, []
        for number in range(start, min(start + per_round, faults)):
            kind = next(drawn)
            low, high = SECONDS.get(kind, (0.0, 0.0))
            happening.append(Fault(number + 1, kind, round(at, 2), round(dice.uniform(low, high), 2), dice.random()))
            at += dice.uniform(*_APART_SECONDS)
        planned.append(Round(len(planned) + 1, tuple(happening)))
    return planned


def _dealt(dice: Random, kinds: Sequence[FaultKind]) -> Iterator[FaultKind]:
    while True:
        deck = list(kinds)
        dice.shuffle(deck)
        yield from deck
