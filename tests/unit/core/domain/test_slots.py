"""Slots as a new installation gets them, and which form fields are metadata."""

from __future__ import annotations

import pytest
from photochanger.core.domain.slots.slot import SLOT_IDS, FailureAnswer, is_field_name, shipped_slots


def test_fifteen_slots_are_shipped_and_the_first_four_work_without_a_key() -> None:
    slots = shipped_slots()
    assert tuple(slot.id for slot in slots) == SLOT_IDS
    assert (len(SLOT_IDS), SLOT_IDS[0], SLOT_IDS[-1]) == (15, "slot-001", "slot-015")
    assert [slot.active for slot in slots] == [True] * 4 + [False] * 11
    assert [[(entry.provider_id, entry.operation_id) for entry in slot.route.entries] for slot in slots[:4]] == [
        [("local", "enhance")],
        [("local", "stylize")],
        [("local", "frame")],
        [("local", "background")],
    ]
    assert all(slot.route.entries == () for slot in slots[4:])
    assert {slot.route.failure_answer for slot in slots} == {FailureAnswer.ERROR}
    assert len({slot.name for slot in slots}) == 15


@pytest.mark.parametrize("name", ["guest", "_x", "Survey_2", "a" * 64])
def test_a_field_name_is_letters_digits_and_underscores(name: str) -> None:
    assert is_field_name(name)


@pytest.mark.parametrize("name", ["", "2nd", "a b", "a-b", "a" * 65, "guest\n", "{guest}", "gäst", "a.b", "../x"])
def test_anything_else_is_no_field_name(name: str) -> None:
    assert not is_field_name(name)
