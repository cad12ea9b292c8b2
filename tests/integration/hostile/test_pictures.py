"""Files that are dear to decode: without the right password nothing is decoded, with it they cost no other photo."""

from __future__ import annotations

import pytest

from tests.support.hostile.scenarios import pictures, together
from tests.support.hostile.siege import besiege
from tests.support.hostile.target import Target


@pytest.mark.parametrize("file", pictures())
def test_a_file_that_is_dear_to_decode_costs_no_other_photo(target: Target, file: str) -> None:
    """Without a password, with a wrong one behind the photo, with the right one: then it is an odd photo."""
    answers = besiege(target, together(*pictures()[file])).answers
    assert not [status for status in answers if status is not None and status >= 500], answers
