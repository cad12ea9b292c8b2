"""Log lines carry what the work belongs to, for machines and for people."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from photochanger.entrypoints.logging_setup import correlated, set_up_logging

IDS = {"request_id": "booth-7", "job_id": "0198", "slot_id": "slot-001", "trace_id": "4bf9"}
_log = logging.getLogger("photochanger.test")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_lines_have_the_ids_of_the_work_as_fields(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("json")
    with correlated(**IDS):
        _log.warning("the %s is late", "photo")
    entry = json.loads(capsys.readouterr().err)
    assert entry | IDS | {"level": "warning", "message": "the photo is late"} == entry


def test_console_lines_end_with_them(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("console")
    with correlated(job_id="0198", slot_id="slot-001"):
        _log.info("called")
    assert capsys.readouterr().err.rstrip().endswith("photochanger.test: called [job=0198 slot=slot-001]")


def test_a_piece_of_work_inside_another_shows_its_own_ids_alone(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("json")
    with correlated(**IDS):
        with correlated(job_id="0199"):
            _log.info("inside")
        _log.info("around")
    _log.info("outside")
    inside, around, outside = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert {name: inside.get(name) for name in IDS} == dict.fromkeys(IDS) | {"job_id": "0199"}
    assert around | IDS == around
    assert not IDS.keys() & outside.keys()


def test_a_record_may_name_its_job_itself(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("json")
    _log.info("swept", extra={"job_id": "0200"})
    assert json.loads(capsys.readouterr().err)["job_id"] == "0200"
