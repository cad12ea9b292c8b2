"""Where the credentials of the bucket come from."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from ..system_clock import SYSTEM_CLOCK
from .credential_places import AwsPlaces
from .faults import S3Unavailable
from .settings import S3Settings
from .signing import Credentials

_AHEAD = timedelta(minutes=5)
"""Temporary credentials are replaced so long before they expire."""

Source = Callable[[], Awaitable[Credentials | None]]
"""One place of credentials: None where it has none. S3Unavailable where it should have some and does not give them."""


class NoCredentials(S3Unavailable):
    """No place has credentials."""

    def __init__(self) -> None:
        super().__init__("There are no credentials for the object store.", status=401)


class CredentialSource:
    """The credentials of the first of some places that has any; temporary ones are fetched again in time."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._fetching = asyncio.Lock()
        self._latest: Credentials | None = None

    async def current(self) -> Credentials:
        """Credentials that are valid now; S3Unavailable."""
        if (latest := self._valid()) is not None:
            return latest
        async with self._fetching:
            if (latest := self._valid()) is not None:
                return latest
            for source in self._sources:
                if (found := await source()) is not None:
                    self._latest = found
                    return found
        raise NoCredentials

    def _valid(self) -> Credentials | None:
        latest = self._latest
        if latest is None or latest.expires_at is None or latest.expires_at - SYSTEM_CLOCK.now() > _AHEAD:
            return latest
        return None


def credentials_of(settings: S3Settings, environment: Mapping[str, str] = os.environ) -> CredentialSource:
    """The key of the settings, else what the usual places of AWS have."""

    async def configured() -> Credentials | None:
        if settings.access_key_id is None or settings.secret_access_key is None:
            return None
        return Credentials(settings.access_key_id, settings.secret_access_key)

    aws = AwsPlaces(environment, region=settings.region)
    return CredentialSource([configured, aws.variables, aws.web_identity, aws.shared_file, aws.container, aws.machine])
