"""The health of a slot: whether it works, and why not, from its route and its recent jobs."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from ..field_errors import SentenceCode
from ..job import FailureReason

LATELY = timedelta(minutes=15)
"""The age of the oldest jobs that count for the health of a slot."""

NOT_THE_SLOTS = frozenset({FailureReason.CANCELLED, FailureReason.INVALID_PHOTO})
"""Failure reasons that say nothing about the slot: the job was cancelled, or the photo is not valid."""

_MIN_FAILED = 3
_FAILING_SHARE = 0.5
_DEGRADED_SHARE = 0.1


class SlotState(enum.StrEnum):
    """The health of a slot.

    OFF: it accepts no photos. FAILING: most photos get no picture. DEGRADED: some photos get no picture or only a
    fallback. ACTIVE: healthy.
    """

    OFF = "off"
    FAILING = "failing"
    DEGRADED = "degraded"
    ACTIVE = "active"


class RecentOutcomes(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The outcomes of the jobs of a slot that ended recently.

    Test runs, cancelled jobs and invalid photos are not counted: they say nothing about the slot. `fallbacks` counts
    the jobs whose failure answer was a picture, `failed` those without any picture.
    """

    ended: int = 0
    failed: int = 0
    fallbacks: int = 0


class SlotIssueCode(SentenceCode):
    """Why a slot is not `active`."""

    CIRCUIT_OPEN = "circuit_open", "{provider} is failing; its calls are paused between trials."
    KEY_MISSING = "key_missing", "{provider} has no key."
    KEY_UNREADABLE = (
        "key_unreadable",
        "Cannot decrypt the stored key of {provider}: PHOTOCHANGER_SECRET_KEY has changed.",
    )
    OPERATION_UNKNOWN = "operation_unknown", "The provider {provider} has no operation {operation}."
    PHOTOS_FAILED = "photos_failed", "{count} of the last {total} photos got no picture."
    PHOTOS_WITH_FALLBACK = "photos_with_fallback", "{count} of the last {total} photos got a fallback."
    PROVIDER_FAILING = "provider_failing", "{provider} is failing: {count} of its last {total} calls made a picture."
    PROVIDER_UNKNOWN = "provider_unknown", "Unknown provider: {provider}."
    ROUTE_EMPTY = "route_empty", "The route is empty."


class SlotIssue(msgspec.Struct, frozen=True):
    """One reason why a slot is not `active`, as a code with parameters."""

    code: SlotIssueCode
    params: dict[str, Any] = {}

    @property
    def message(self) -> str:
        """The English sentence of the code."""
        return self.code.message(self.params)


class SlotHealth(msgspec.Struct, frozen=True):
    """A slot's state, and every reason why it is not `active`."""

    state: SlotState
    reasons: tuple[SlotIssue, ...] = ()


_ACTIVE = SlotHealth(SlotState.ACTIVE)


def condition_of(issues: Sequence[SlotIssue | None], last: RecentOutcomes) -> SlotHealth:
    """The health of a slot that is switched on.

    `issues`: for each entry of its route, in order, why it cannot work now; None if it can.
    """
    reasons = [issue for issue in issues if issue is not None]
    if issues and not reasons and not last.failed and not last.fallbacks:
        return _ACTIVE
    if not issues:
        reasons.append(SlotIssue(SlotIssueCode.ROUTE_EMPTY))
    missed = last.failed + last.fallbacks
    if last.failed:
        reasons.append(SlotIssue(SlotIssueCode.PHOTOS_FAILED, {"count": last.failed, "total": last.ended}))
    if last.fallbacks:
        reasons.append(SlotIssue(SlotIssueCode.PHOTOS_WITH_FALLBACK, {"count": last.fallbacks, "total": last.ended}))
    if None not in issues:
        return SlotHealth(SlotState.FAILING, tuple(reasons))
    if last.failed >= _MIN_FAILED and last.failed > last.ended * _FAILING_SHARE:
        return SlotHealth(SlotState.FAILING, tuple(reasons))
    if issues[0] is not None or missed > last.ended * _DEGRADED_SHARE:
        return SlotHealth(SlotState.DEGRADED, tuple(reasons))
    return _ACTIVE
