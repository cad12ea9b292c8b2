"""Large forms without a right password: what they store is bounded, and cameras have room."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support.hostile.camera import ADDRESS
from tests.support.hostile.crowd import STRANGERS
from tests.support.hostile.scenarios import large_forms, together
from tests.support.hostile.siege import besiege
from tests.support.hostile.target import MIB, Target

UNAUTHENTICATED_BYTES = 256 * MIB
PHOTOS_BYTES = 4 * MIB
"""More than the camera's own photos take."""


@pytest.mark.parametrize("addresses", [STRANGERS, [ADDRESS]], ids=["from afar", "from the camera's address"])
def test_large_forms_of_strangers_take_bounded_room(target: Target, addresses: Sequence[str]) -> None:
    answers = besiege(target, together(*large_forms(addresses=addresses))).answers
    assert target.watch.peak_stored <= UNAUTHENTICATED_BYTES + PHOTOS_BYTES
    assert all(status is None or 400 <= status < 500 for status in answers), answers
