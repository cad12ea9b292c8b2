"""Forty faults drawn by a seed against the real processes, in both forms. `make chaos` has any number of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chaos.campaign import FORMS, campaign
from tests.support.chaos.plan import FaultKind

SEEDS = {"embedded": 11, "split": 12}
FAULTS = 20
PER_ROUND = 10


@pytest.mark.anyio
@pytest.mark.parametrize("form", FORMS)
async def test_no_photo_is_lost_and_no_request_hangs_whatever_fails(form: str, tmp_path: Path) -> None:
    report = await campaign(form, tmp_path / form, seed=SEEDS[form], faults=FAULTS, per_round=PER_ROUND)
    assert not report.violations, report.summary()
    assert sum(report.happened.values()) == FAULTS
    assert report.happened[FaultKind.KILL_SERVICE]
    assert report.figures["photos with a picture"] > report.figures["photos"] / 2
    assert report.figures["photos"] >= FAULTS / 2
