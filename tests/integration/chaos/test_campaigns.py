"""Forty faults drawn by a seed against the real processes, in both forms. `make chaos` has any number of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chaos.campaign import FORMS, campaign
from tests.support.chaos.plan import FaultKind

SEEDS = {"embedded": 2755, "split": 334}
"""Chosen for faults of many kinds, and for a `serve` that is away late in a round, not while other faults happen."""

FAULTS = 20
PER_ROUND = 10
ENOUGH_PICTURES = 10
"""So many photos at least had their picture: nothing holds for a service that does nothing."""


@pytest.mark.anyio
@pytest.mark.parametrize("form", FORMS)
async def test_no_photo_is_lost_and_no_request_hangs_whatever_fails(form: str, tmp_path: Path) -> None:
    report = await campaign(form, tmp_path / form, seed=SEEDS[form], faults=FAULTS, per_round=PER_ROUND)
    assert not report.violations, report.summary()
    assert sum(report.happened.values()) == FAULTS
    assert report.happened[FaultKind.KILL_SERVICE]
    assert len(report.happened) >= FAULTS / 2, "of many kinds"
    assert report.figures["photos with a picture"] >= ENOUGH_PICTURES
