"""Figures made of cells: histograms merge, and their percentiles stay within the stated bound."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photochanger.core.domain.stats.summary import (
    BUCKET_BOUNDS_MS,
    NO_BUCKET,
    Latency,
    StatsCell,
    StatsOutcome,
    StatsSummary,
    bucket_of,
    by_provider,
    figures_of,
    percentile,
)

MILLISECOND = timedelta(milliseconds=1)
latencies = st.lists(st.integers(50, 110_000), min_size=1, max_size=200)


def histogram(values: list[int]) -> Counter[int]:
    return Counter(bucket_of(value * MILLISECOND) for value in values)


@given(latencies, st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_within_eight_percent_of_the_exact_one(values: list[int], share: float) -> None:
    exact = sorted(values)[math.ceil(len(values) * share) - 1]
    assert percentile(histogram(values), share) == pytest.approx(exact, rel=0.08)


@given(latencies, latencies)
def test_merged_histograms_are_the_histogram_of_all(one: list[int], other: list[int]) -> None:
    cells = [
        StatsCell(period, "local", StatsOutcome.SUCCESS, bucket, count)
        for period, values in enumerate((one, other))
        for bucket, count in histogram(values).items()
    ]
    gather_in_order = histogram(one + other)
    expected = Latency(*(percentile(gather_in_order, share) for share in (0.5, 0.95, 0.99)))
    assert figures_of(cells).latency_ms == expected
    assert figures_of(cells).success == len(one) + len(other)


def test_buckets_begin_at_their_bounds() -> None:
    for number, bound in enumerate(BUCKET_BOUNDS_MS):
        assert bucket_of(bound * MILLISECOND - timedelta(microseconds=1)) == number
        assert bucket_of(bound * MILLISECOND) == number + 1
    assert bucket_of(timedelta(0)) == bucket_of(timedelta(days=-3)) == 0
    assert bucket_of(timedelta(days=3)) == len(BUCKET_BOUNDS_MS)


def test_what_is_beyond_the_buckets_is_held_to_their_ends() -> None:
    assert percentile({0: 1}, 0.5) == BUCKET_BOUNDS_MS[0]
    assert percentile({len(BUCKET_BOUNDS_MS): 1}, 0.5) == BUCKET_BOUNDS_MS[-1]


def test_without_pictures_there_is_no_latency() -> None:
    assert percentile({}, 0.5) is None
    cells = [StatsCell(0, "", StatsOutcome.TIMEOUTS, NO_BUCKET, 7)]
    assert figures_of(cells) == StatsSummary(timeouts=7, ingest_count=7)


def test_providers_are_told_apart() -> None:
    cells = [
        StatsCell(0, "local", StatsOutcome.SUCCESS, 5, 2),
        StatsCell(1, "local", StatsOutcome.ERRORS, NO_BUCKET, 1),
        StatsCell(0, "", StatsOutcome.CANCELLED, NO_BUCKET, 1),
    ]
    found = by_provider(cells)
    assert list(found) == ["", "local"]
    assert (found[""].cancelled, found["local"].success, found["local"].errors) == (1, 2, 1)
    assert found["local"].ingest_count == 3
