"""The health of a slot: each rule alone, at its bounds, and their order."""

from __future__ import annotations

import pytest
from photochanger.core.domain.slots.slot_health import RecentOutcomes, SlotIssue, SlotIssueCode, SlotState, condition_of

NO_KEY = SlotIssue(SlotIssueCode.KEY_MISSING, {"provider": "gemini"})


@pytest.mark.parametrize(
    ("issues", "last", "state"),
    [
        ([None], RecentOutcomes(), SlotState.ACTIVE),
        ([None, NO_KEY], RecentOutcomes(), SlotState.ACTIVE),
        ([NO_KEY, None], RecentOutcomes(), SlotState.DEGRADED),
        ([NO_KEY, NO_KEY], RecentOutcomes(), SlotState.FAILING),
        ([NO_KEY], RecentOutcomes(ended=50), SlotState.FAILING),
        ([], RecentOutcomes(), SlotState.FAILING),
        ([None], RecentOutcomes(ended=10, failed=1), SlotState.ACTIVE),
        ([None], RecentOutcomes(ended=9, failed=1), SlotState.DEGRADED),
        ([None], RecentOutcomes(ended=10, fallbacks=1), SlotState.ACTIVE),
        ([None], RecentOutcomes(ended=19, failed=1, fallbacks=1), SlotState.DEGRADED),
        ([None], RecentOutcomes(ended=3, fallbacks=3), SlotState.DEGRADED),
        ([None], RecentOutcomes(ended=2, failed=2), SlotState.DEGRADED),
        ([None], RecentOutcomes(ended=3, failed=3), SlotState.FAILING),
        ([None], RecentOutcomes(ended=6, failed=3), SlotState.DEGRADED),
        ([None], RecentOutcomes(ended=5, failed=3), SlotState.FAILING),
        ([NO_KEY, None], RecentOutcomes(ended=5, failed=3), SlotState.FAILING),
    ],
)
def test_the_state_follows_from_the_route_and_the_last_jobs(
    issues: list[SlotIssue | None], last: RecentOutcomes, state: SlotState
) -> None:
    condition = condition_of(issues, last)
    assert condition.state is state
    assert bool(condition.reasons) == (state is not SlotState.ACTIVE)


def test_every_reason_is_reported() -> None:
    condition = condition_of([NO_KEY, None], RecentOutcomes(ended=40, failed=2, fallbacks=5))
    assert condition.reasons == (
        NO_KEY,
        SlotIssue(SlotIssueCode.PHOTOS_FAILED, {"count": 2, "total": 40}),
        SlotIssue(SlotIssueCode.PHOTOS_WITH_FALLBACK, {"count": 5, "total": 40}),
    )
    assert [reason.message for reason in condition.reasons] == [
        "gemini has no key.",
        "2 of the last 40 photos got no picture.",
        "5 of the last 40 photos got a fallback.",
    ]
