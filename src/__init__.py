"""PhotoChanger: a photo goes in, a finished picture comes out before a hard deadline.

The public face. Names are loaded when they are first used: importing the package starts nothing and costs little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapters.memory import memory_adapters
    from .core.errors import ConfigurationError, JobFailure, PhotoChangerError, QueueFull
    from .core.jobs import FailureReason, Job, JobState
    from .core.ports.clock import Clock
    from .core.ports.limits import ProviderLimits
    from .core.ports.media import ImageTool, MediaStore
    from .core.ports.providers import Provider, ProviderContext
    from .core.ports.queue import JobQueue, JobSignals
    from .core.ports.repositories import JobRepository, MediaRepository, SettingsRepository, SlotRepository
    from .core.ports.secrets import SecretBox, SecretRepository
    from .core.ports.security import PasswordHasher
    from .core.ports.services import JobService, MediaService
    from .core.ports.stats import StatsService
    from .core.slots import Route, RouteEntry, Slot
    from .entrypoints.config import Settings
    from .entrypoints.embed import PhotoChanger
    from .entrypoints.mount import create_app

_HOMES = {
    "adapters.memory": ("memory_adapters",),
    "core.errors": ("ConfigurationError", "JobFailure", "PhotoChangerError", "QueueFull"),
    "core.jobs": ("FailureReason", "Job", "JobState"),
    "core.ports.clock": ("Clock",),
    "core.ports.limits": ("ProviderLimits",),
    "core.ports.media": ("ImageTool", "MediaStore"),
    "core.ports.providers": ("Provider", "ProviderContext"),
    "core.ports.queue": ("JobQueue", "JobSignals"),
    "core.ports.repositories": ("JobRepository", "MediaRepository", "SettingsRepository", "SlotRepository"),
    "core.ports.secrets": ("SecretBox", "SecretRepository"),
    "core.ports.security": ("PasswordHasher",),
    "core.ports.services": ("JobService", "MediaService"),
    "core.ports.stats": ("StatsService",),
    "core.slots": ("Route", "RouteEntry", "Slot"),
    "entrypoints.config": ("Settings",),
    "entrypoints.embed": ("PhotoChanger",),
    "entrypoints.mount": ("create_app",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Clock",
    "ConfigurationError",
    "FailureReason",
    "ImageTool",
    "Job",
    "JobFailure",
    "JobQueue",
    "JobRepository",
    "JobService",
    "JobSignals",
    "JobState",
    "MediaRepository",
    "MediaService",
    "MediaStore",
    "PasswordHasher",
    "PhotoChanger",
    "PhotoChangerError",
    "Provider",
    "ProviderContext",
    "ProviderLimits",
    "QueueFull",
    "Route",
    "RouteEntry",
    "SecretBox",
    "SecretRepository",
    "Settings",
    "SettingsRepository",
    "Slot",
    "SlotRepository",
    "StatsService",
    "create_app",
    "memory_adapters",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
