"""PostgreSQL: the queue and everything that is kept, in an external server or the embedded one."""

from .embedded import EmbeddedServer, EmbeddedServerError
from .engine import Database
from .limits import PostgresProviderLimits
from .migrate import migrate, require_current_schema
from .queue import PostgresJobQueue
from .records import PostgresJobRepository
from .repositories import PostgresMediaRepository, PostgresSettingsRepository, PostgresSlotRepository
from .secrets import PostgresSecretRepository
from .signals import PostgresJobSignals
from .stats import PostgresStatsService

__all__ = [
    "Database",
    "EmbeddedServer",
    "EmbeddedServerError",
    "PostgresJobQueue",
    "PostgresJobRepository",
    "PostgresJobSignals",
    "PostgresMediaRepository",
    "PostgresProviderLimits",
    "PostgresSecretRepository",
    "PostgresSettingsRepository",
    "PostgresSlotRepository",
    "PostgresStatsService",
    "migrate",
    "require_current_schema",
]
