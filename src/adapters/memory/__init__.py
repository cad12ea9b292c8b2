"""Every port that keeps something, in the memory of one process: for unit tests and for tests of embedding code.

All of it belongs to one event loop, and all of it is gone with the process.
"""

from __future__ import annotations

from ...core.ports.clock import Clock
from ...core.ports.limits import ProviderLimits
from ...core.ports.media import MediaStore
from ...core.ports.queue import JobQueue, JobSignals
from ...core.ports.repositories import JobRepository, MediaRepository, SettingsRepository, SlotRepository
from ...core.ports.secrets import SecretRepository
from ...core.ports.stats import StatsService
from ..system_clock import SystemClock
from .clock import FakeClock
from .database import MemoryDatabase
from .jobs import MemoryJobRepository
from .limits import MemoryProviderLimits
from .media import MemoryMediaRepository, MemoryMediaStore
from .queue import MemoryJobQueue
from .secrets import MemorySecretRepository
from .settings import MemorySettingsRepository
from .signals import MemoryJobSignals
from .slots import MemorySlotRepository
from .stats import MemoryStatsService

__all__ = [
    "FakeClock",
    "MemoryDatabase",
    "MemoryJobQueue",
    "MemoryJobRepository",
    "MemoryJobSignals",
    "MemoryMediaRepository",
    "MemoryMediaStore",
    "MemoryProviderLimits",
    "MemorySecretRepository",
    "MemorySettingsRepository",
    "MemorySlotRepository",
    "MemoryStatsService",
    "memory_adapters",
]


def memory_adapters(clock: Clock | None = None) -> dict[type, object]:
    """Fresh adapters by port type, all on one clock (the system's by default), ready to be put into the wiring."""
    clock = clock or SystemClock()
    database = MemoryDatabase(clock)
    return {
        Clock: clock,
        JobQueue: MemoryJobQueue(database),
        JobSignals: MemoryJobSignals(database),
        JobRepository: MemoryJobRepository(database),
        SlotRepository: MemorySlotRepository(clock),
        SettingsRepository: MemorySettingsRepository(),
        SecretRepository: MemorySecretRepository(),
        MediaRepository: MemoryMediaRepository(),
        MediaStore: MemoryMediaStore(clock),
        StatsService: MemoryStatsService(database),
        ProviderLimits: MemoryProviderLimits(database),
    }
