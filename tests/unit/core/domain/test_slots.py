"""Slots as a new installation gets them, and which form fields are metadata."""

from __future__ import annotations

import pytest
from photochanger.core.domain.slots.slot import (
    FailureAnswer,
    is_field_name,
    is_slot_id,
    shipped_slots,
    slot_ids,
    slot_order,
)


def test_fifteen_slots_are_shipped_and_the_first_four_work_without_a_key() -> None:
    slots = shipped_slots()
    assert [slot.id for slot in slots] == [f"slot-{number:03d}" for number in range(1, 16)]
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


@pytest.mark.parametrize(("count", "last"), [(1, "slot-001"), (999, "slot-999"), (1000, "slot-1000")])
def test_as_many_slots_as_wanted_are_shipped(count: int, last: str) -> None:
    slots = shipped_slots(count)
    assert tuple(slot.id for slot in slots) == slot_ids(count)
    assert (len(slots), slots[-1].id) == (count, last)
    assert len({slot.name for slot in slots}) == count
    assert all(is_slot_id(slot.id) for slot in slots)
    assert sorted(slot_ids(count), key=slot_order) == [*slot_ids(count)]


@pytest.mark.parametrize(
    "text", ["slot-000", "slot-0001", "slot-1001", "slot-01", "slot-0100", "Slot-001", "slot-٠٠١", "slot-001\n", ""]
)
def test_what_is_no_id_of_a_slot(text: str) -> None:
    assert not is_slot_id(text)


@pytest.mark.parametrize("name", ["guest", "_x", "Survey_2", "a" * 64])
def test_a_field_name_is_letters_digits_and_underscores(name: str) -> None:
    assert is_field_name(name)


@pytest.mark.parametrize("name", ["", "2nd", "a b", "a-b", "a" * 65, "guest\n", "{guest}", "gäst", "a.b", "../x"])
def test_anything_else_is_no_field_name(name: str) -> None:
    assert not is_field_name(name)
