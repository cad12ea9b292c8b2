"""Maintenance of accounts: old audit entries, ended counts of wrong passwords and expired revocations are deleted."""

from __future__ import annotations

from datetime import timedelta

from ...domain.audit import WRONG_PASSWORDS
from ...ports.accounts import FailureCounter, RevokedTokens
from ...ports.clock import Clock
from ...ports.repositories.audit_log import AuditLog
from ..maintenance.task import BATCH, MaintenanceTask, in_batches

_AUDIT_LIFE = timedelta(days=400)
"""Retention of the audit log: more than a season and the one before it."""

_CLOCK_DIFFERENCE = timedelta(minutes=5)
"""How much later than its expiry a revoked token is forgotten: another host's clock may be behind."""

_FAILURE_LIFE = timedelta(days=30)
"""Retention of wrong passwords, which anonymous requests cause."""


class AuthRetention:
    """Deletes what is no longer needed to protect and trace accounts."""

    def __init__(self, audit: AuditLog, failures: FailureCounter, revoked: RevokedTokens, clock: Clock) -> None:
        self._audit = audit
        self._failures = failures
        self._revoked = revoked
        self._clock = clock

    def tasks(self) -> list[MaintenanceTask]:
        return [
            MaintenanceTask("audit_entries", self._delete_audit_entries),
            MaintenanceTask("failed_passwords", self._delete_failures),
            MaintenanceTask("failure_counts", lambda: self._failures.prune(now=self._clock.now())),
            MaintenanceTask(
                "revoked_tokens", lambda: self._revoked.prune(before=self._clock.now() - _CLOCK_DIFFERENCE)
            ),
        ]

    async def _delete_audit_entries(self) -> int:
        before = self._clock.now() - _AUDIT_LIFE
        return await in_batches(lambda: self._audit.prune(before=before, limit=BATCH))

    async def _delete_failures(self) -> int:
        before = self._clock.now() - _FAILURE_LIFE
        return await in_batches(lambda: self._audit.prune(before=before, limit=BATCH, actions=WRONG_PASSWORDS))
