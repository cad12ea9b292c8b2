"""Connections that are held for nothing, heads and bodies that drip, answers that are never read."""

from __future__ import annotations

import pytest

from tests.support.hostile.scenarios import Scenario, connections
from tests.support.hostile.siege import besiege
from tests.support.hostile.target import Target


@pytest.mark.parametrize("scenario", connections(), ids=lambda scenario: scenario.name)
def test_held_connections_leave_room_for_the_camera(target: Target, scenario: Scenario) -> None:
    besiege(target, scenario)
