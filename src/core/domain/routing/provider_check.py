"""The result of asking an image service whether its key and models work, without a picture being made."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ..stored_values import StoredEnum


class ProviderFindingCode(StoredEnum):
    """What was found at a provider's service."""

    KEY_MISSING = "key_missing"
    KEY_UNREADABLE = "key_unreadable"
    KEY_REFUSED = "key_refused"
    NOT_CONFIGURED = "not_configured"
    UNREACHABLE = "unreachable"
    QUOTA_EXHAUSTED = "quota_exhausted"
    MODEL_UNKNOWN = "model_unknown"
    MODEL_RETIRED = "model_retired"
    MODEL_DEPRECATED = "model_deprecated"
    MODEL_NOT_CHECKED = "model_not_checked"
    FAILED = "failed"
    BROKEN = "broken"


_HARMLESS = frozenset({ProviderFindingCode.MODEL_DEPRECATED, ProviderFindingCode.MODEL_NOT_CHECKED})
"""With these, calls succeed all the same."""


class ProviderFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found.

    Attributes:
        detail: one English sentence, without secrets.
        params: what a translation needs with the detail: `model`, `replacement`, `retires_on`.
    """

    code: ProviderFindingCode
    detail: str
    params: dict[str, str] = {}

    @property
    def stops(self) -> bool:
        """Whether calls fail because of it."""
        return self.code not in _HARMLESS


class ProviderCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The last check of a provider's service.

    Attributes:
        models: the models that were asked for; empty where the provider has none.
        findings: what was found; none where everything works.
    """

    provider_id: str
    checked_at: datetime
    models: tuple[str, ...] = ()
    findings: tuple[ProviderFinding, ...] = ()

    @property
    def works(self) -> bool:
        """Whether calls are expected to succeed."""
        return not any(finding.stops for finding in self.findings)
