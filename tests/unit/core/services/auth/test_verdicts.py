"""Verdicts of the slow hash are remembered for their hash, and memory is bounded."""

from __future__ import annotations

from photochanger.core.services.auth.verdicts import MAX_RIGHT, MAX_WRONG, Verdicts


def test_a_verdict_holds_for_its_hash_alone() -> None:
    verdicts = Verdicts()
    assert verdicts.of("right", "hash") is None
    verdicts.note_right("right", "hash")
    verdicts.note_wrong("wrong", "another")
    assert verdicts.of("right", "hash") is True
    assert verdicts.of("wrong", "hash") is False  # there is one right password
    assert verdicts.of("wrong", "another") is False
    assert verdicts.of("right", "another") is None
    assert verdicts.of("h right", "has") is None


def test_memory_is_bounded() -> None:
    verdicts = Verdicts()
    for number in range(MAX_WRONG + 10):
        verdicts.note_wrong(str(number), "hash")
    for number in range(MAX_RIGHT + 10):
        verdicts.note_right("right", str(number))
    assert (len(verdicts._wrong), len(verdicts._right)) == (MAX_WRONG, MAX_RIGHT)
    assert verdicts.of("0", "hash") is None
    assert verdicts.of(str(MAX_WRONG + 9), "hash") is False
    assert verdicts.of("right", "0") is None
    assert verdicts.of("right", str(MAX_RIGHT + 9)) is True
