"""What the handlers call, gathered once when the app is made, so that no request pays for finding it."""

from __future__ import annotations

from dataclasses import dataclass

from dishka import AsyncContainer

from ...core.ports.clock import Clock
from ...core.ports.media import MediaStore
from ...core.ports.services import JobService, MediaService
from ...core.services.auth_service import AuthService
from ...core.services.settings_service import SettingsService
from ..readiness import Readiness


@dataclass(frozen=True, kw_only=True)
class HttpServices:
    """The ports behind the HTTP shell, and how public links begin (None: as the request came in)."""

    jobs: JobService
    media: MediaService
    auth: AuthService
    settings: SettingsService
    store: MediaStore
    clock: Clock
    readiness: Readiness
    public_base_url: str | None

    @classmethod
    async def of(cls, container: AsyncContainer, *, readiness: Readiness, public_base_url: str | None) -> HttpServices:
        """Everything from the wiring of this process."""
        return cls(
            jobs=await container.get(JobService),
            media=await container.get(MediaService),
            auth=await container.get(AuthService),
            settings=await container.get(SettingsService),
            store=await container.get(MediaStore),
            clock=await container.get(Clock),
            readiness=readiness,
            public_base_url=public_base_url,
        )
