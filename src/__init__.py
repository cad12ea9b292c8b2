"""PhotoChanger: a photo goes in, a finished picture comes out before a hard deadline.

The public face. Names are loaded when they are first used: importing the package starts nothing and costs little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapters.memory import memory_adapters
    from .core.domain.errors import ConfigurationError, JobFailure, PhotoChangerError, QueueFull
    from .core.domain.job import FailureReason, Job, JobState
    from .core.domain.slots.slot import Route, RouteEntry, Slot
    from .core.ports.accounts import PasswordHasher
    from .core.ports.clock import Clock
    from .core.ports.image_tool import ImageTool
    from .core.ports.job_queue import JobQueue, JobSignals
    from .core.ports.job_service import JobService
    from .core.ports.media_service import MediaService
    from .core.ports.media_store import MediaStore
    from .core.ports.provider import Provider, ProviderContext
    from .core.ports.provider_limits import ProviderLimits
    from .core.ports.repositories.job_log import JobLog
    from .core.ports.repositories.job_repository import JobRepository
    from .core.ports.repositories.media_repository import MediaRepository
    from .core.ports.repositories.result_index import ResultIndex
    from .core.ports.repositories.settings_repository import SettingsRepository
    from .core.ports.repositories.slot_repository import SlotRepository
    from .core.ports.secrets import SecretBox, SecretRepository
    from .core.ports.stats_service import StatsService
    from .entrypoints.config import Settings
    from .entrypoints.embed.app import PhotoChanger
    from .entrypoints.embed.asgi import create_app

_HOMES = {
    "adapters.memory": ("memory_adapters",),
    "core.domain.errors": ("ConfigurationError", "JobFailure", "PhotoChangerError", "QueueFull"),
    "core.domain.job": ("FailureReason", "Job", "JobState"),
    "core.domain.slots.slot": ("Route", "RouteEntry", "Slot"),
    "core.ports.accounts": ("PasswordHasher",),
    "core.ports.clock": ("Clock",),
    "core.ports.image_tool": ("ImageTool",),
    "core.ports.repositories.job_log": ("JobLog",),
    "core.ports.job_queue": ("JobQueue", "JobSignals"),
    "core.ports.repositories.job_repository": ("JobRepository",),
    "core.ports.job_service": ("JobService",),
    "core.ports.repositories.media_repository": ("MediaRepository",),
    "core.ports.media_service": ("MediaService",),
    "core.ports.media_store": ("MediaStore",),
    "core.ports.provider": ("Provider", "ProviderContext"),
    "core.ports.provider_limits": ("ProviderLimits",),
    "core.ports.repositories.result_index": ("ResultIndex",),
    "core.ports.secrets": ("SecretBox", "SecretRepository"),
    "core.ports.repositories.settings_repository": ("SettingsRepository",),
    "core.ports.repositories.slot_repository": ("SlotRepository",),
    "core.ports.stats_service": ("StatsService",),
    "entrypoints.config": ("Settings",),
    "entrypoints.embed.app": ("PhotoChanger",),
    "entrypoints.embed.asgi": ("create_app",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Clock",
    "ConfigurationError",
    "FailureReason",
    "ImageTool",
    "Job",
    "JobFailure",
    "JobLog",
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
    "ResultIndex",
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
