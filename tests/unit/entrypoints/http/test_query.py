"""Query parameters and cursors: typed, complete in what they complain of, and never trusted."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from litestar.datastructures import MultiDict
from photochanger.core.domain.errors import InvalidRequest, VersionRequired
from photochanger.core.domain.job import JobState
from photochanger.core.domain.pagination import Position
from photochanger.entrypoints.http.api.jobs import JobQuery
from photochanger.entrypoints.http.api.templates import RemoveQuery
from photochanger.entrypoints.http.protocol.etag import expected_version, matches, required_version
from photochanger.entrypoints.http.protocol.query import cursor_of, position_of, read_query, several


def request(*pairs: tuple[str, str], **headers: str) -> Any:
    """A request with this query and these headers."""
    return SimpleNamespace(
        query_params=MultiDict(pairs), headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def test_parameters_become_their_types() -> None:
    query = read_query(request(("limit", "7"), ("created_from", "2026-05-01T00:00:00Z")), JobQuery)
    assert query.limit == 7
    assert query.created_from == datetime(2026, 5, 1, tzinfo=UTC)
    assert read_query(request(("force", "true")), RemoveQuery).force is True


def test_the_word_null_is_a_text_and_not_nothing() -> None:
    assert read_query(request(("slot_id", "null")), JobQuery).slot_id == "null"
    with pytest.raises(InvalidRequest):
        read_query(request(("source", "null")), JobQuery)


@pytest.mark.parametrize("text", ["0.5", "1700000000", "yesterday", "2026-05", "20260501T000000Z"])
def test_a_moment_is_a_date_and_a_time(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_query(request(("created_to", text)), JobQuery)


def test_every_invalid_parameter_is_reported_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_query(request(("limit", "0"), ("sort", "sideways"), ("colour", "red"), ("slot_id", "a\0b")), JobQuery)
    assert sorted(error.field for error in caught.value.errors) == ["colour", "limit", "slot_id", "sort"]


def test_a_duplicate_parameter_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="Duplicate parameter"):
        read_query(request(("limit", "1"), ("limit", "2")), JobQuery)


def test_several_values_are_separated_by_commas() -> None:
    assert several("failed,timed_out", JobState, name="state") == (JobState.FAILED, JobState.TIMED_OUT)
    assert several(None, JobState, name="state") == ()
    with pytest.raises(InvalidRequest):
        several("failed,", JobState, name="state")


def test_a_cursor_leads_back_to_its_position() -> None:
    position = Position(datetime(2026, 5, 1, 18, 0, 0, 123456, tzinfo=UTC), uuid4())
    assert position_of(cursor_of(position)) == position
    assert cursor_of(None) is None
    assert position_of(None) is None


@pytest.mark.parametrize("cursor", ["", "x", "???", "MjAyNg", "4pyT", "MjAyNi0wNS0wMVQwMDowMDowMCB4"])
def test_a_cursor_that_was_never_given_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        position_of(cursor)


def test_a_cursor_without_a_time_zone_is_refused() -> None:
    naive = Position(datetime(2026, 5, 1, 18, 0, 0), uuid4())  # noqa: DTZ001
    with pytest.raises(InvalidRequest, match="cursor"):
        position_of(cursor_of(naive))


@pytest.mark.parametrize(("given", "version"), [('"7"', 7), ('"7.0af3"', 7), (' "12.ab" ', 12)])
def test_the_version_is_the_tag_or_its_part_before_the_dot(given: str, version: int) -> None:
    assert required_version(request(if_match=given)) == version


@pytest.mark.parametrize("given", ["7", '"x"', "*", 'W/"7"', '"7", "8"', '"-1"'])
def test_a_tag_that_was_never_given_out_is_refused(given: str) -> None:
    with pytest.raises(InvalidRequest):
        required_version(request(if_match=given))


def test_a_version_that_is_needed_is_asked_for() -> None:
    with pytest.raises(VersionRequired):
        required_version(request())
    assert expected_version(request()) is None
    assert expected_version(request(if_match=" ")) is None


def test_tags_are_compared_weakly() -> None:
    assert matches('W/"a"', '"a"')
    assert matches('"b", "a"', '"a"')
    assert matches("*", '"a"')
    assert not matches('"b"', '"a"')
    assert not matches(None, '"a"')
