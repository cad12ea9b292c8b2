"""What surrounds the check of a password: the addresses that were right, the count and the record of wrong ones."""

from __future__ import annotations

from collections.abc import Collection

from ...domain.accounts import Actor
from ...domain.audit import AuditAction
from ...domain.errors import TooManyAttempts
from .failure_log import FailureLog
from .known_addresses import KnownAddresses
from .login_throttle import LoginThrottle


class Attempts:
    """Attempts to authenticate. Methods may raise QueueUnavailable, except `succeeded` and `is_known`."""

    def __init__(self, throttle: LoginThrottle, failures: FailureLog, known: KnownAddresses) -> None:
        self._throttle = throttle
        self._failures = failures
        self._known = known

    def is_known(self, address: str) -> bool:
        """Whether this address sent a right password lately."""
        return address in self._known

    def succeeded(self, address: str) -> None:
        """Note a right password. It resets no count: what others send from the same address stays counted."""
        self._known.note(address)

    async def is_blocked(self, keys: Collection[str]) -> bool:
        """Whether too many wrong passwords were counted under one of these keys."""
        return await self._throttle.is_blocked(keys)

    async def failed(
        self, keys: Collection[str], action: AuditAction, by: Actor, *, target: str | None = None
    ) -> TooManyAttempts | None:
        """Count and record a wrong password; the error to answer while the keys are blocked, None otherwise."""
        refused: TooManyAttempts | None = None
        try:
            await self._throttle.failed(keys)
        except TooManyAttempts as error:
            refused = error
        await self._failures.record(action, by, target)
        return refused
