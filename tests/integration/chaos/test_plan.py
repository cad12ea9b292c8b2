"""What a seed draws."""

from __future__ import annotations

from itertools import chain

from tests.support.chaos.plan import ANYWHERE, SPLIT_ONLY, FaultKind, rounds

KINDS = (*ANYWHERE, *SPLIT_ONLY)


def test_the_same_seed_draws_the_same_faults_and_another_seed_others() -> None:
    first = rounds(5, faults=100, kinds=KINDS)
    assert first == rounds(5, faults=100, kinds=KINDS)
    assert first != rounds(6, faults=100, kinds=KINDS)
    assert sum(len(planned.faults) for planned in first) == 100


def test_every_kind_is_drawn_before_any_is_drawn_again() -> None:
    drawn = [
        fault.kind for fault in chain.from_iterable(planned.faults for planned in rounds(5, faults=28, kinds=KINDS))
    ]
    assert set(drawn) == set(KINDS) == set(FaultKind)
    assert len(drawn) == len(KINDS)


def test_a_longer_campaign_begins_like_a_shorter_one() -> None:
    assert rounds(5, faults=1000, kinds=KINDS)[:4] == rounds(5, faults=20, kinds=KINDS)
