"""All hosts of an external database must have one secret key: a start without it is refused."""

from __future__ import annotations

import logging

from dishka import AsyncContainer

from ..core.domain.accounts import Actor
from ..core.domain.errors import ConfigurationError
from ..core.ports.secrets import SecretKeyUnavailable
from ..core.services.auth.shared_secret_key import SharedSecretKey
from .config import PREFIX, Settings

CHANGE_COMMAND = "photochanger admin change-secret-key"

_log = logging.getLogger("photochanger.start")
_SERVICE = Actor("service")
_ON_PURPOSE = f"To change the key on purpose, stop all hosts and run `{CHANGE_COMMAND}`"


async def require_shared_key(container: AsyncContainer) -> None:
    """Record the fingerprint of this process's secret key in a database without one, else compare the two.

    ConfigurationError where an external database is used with another key. An embedded one belongs to this host alone:
    its fingerprint is replaced. SecretKeyUnavailable (external database only), QueueUnavailable.
    """
    settings, shared = await container.get(Settings), await container.get(SharedSecretKey)
    if settings.database_url is None:
        await _follow(shared)
        return
    generated = settings.secret_key is None
    # A key that would be generated now is another one.
    if generated and not settings.secret_key_file.exists() and await shared.is_recorded():
        raise _refused(f"is not set. Set it to the key of the other hosts of this database. {_ON_PURPOSE}")
    if await shared.agree():
        return
    own = f"is not set, and {settings.secret_key_file}" if generated else "is set, and"
    raise _refused(f"{own} differs from the key of the other hosts of this database. Set it to theirs. {_ON_PURPOSE}")


async def _follow(shared: SharedSecretKey) -> None:
    try:
        if not await shared.agree():
            await shared.change(by=_SERVICE)
            _log.warning("secret key changed: set the keys of providers and the secrets of webhooks again")
    except SecretKeyUnavailable as error:
        _log.warning("stored keys cannot be used: %s", error.detail)


def _refused(detail: str) -> ConfigurationError:
    return ConfigurationError(PREFIX + "SECRET_KEY", detail)
