"""The file that slots travel in: what is written is read again as it was, and what could mislead is refused."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import msgspec
import pytest
from photochanger.core.domain.slots.slot import Slot, shipped_slots, slot_document
from photochanger.entrypoints.cli.slots_file import MAX_BYTES, SlotsFileRefused, as_json, as_yaml, read_file, write_file

TEXTS = [
    "",
    "no",
    "2026-05-01",
    "12:30",
    "0x1F",
    "1e3",
    "null",
    "~",
    "*name",
    "&name",
    "!tag",
    "<<",
    "# no comment",
    "two\nlines  \n\n and more\n",
    "\ttab\rreturn",
    "'\"\\",
    "Müller, Свадьба 👩‍👩‍👧 \u2028\u0085\ufeff",
    "{guest}: [a, b]",
    " leading and trailing ",
    "x" * 3000,
]


def slots_with(*texts: str) -> list[Slot]:
    """The shipped slots, the first of which holds these texts as settings and as names of settings."""
    first, *others = shipped_slots()
    entry = msgspec.structs.replace(
        first.route.entries[0],
        settings={"texts": [*texts], "by_name": dict.fromkeys(texts, 1), "numbers": [1, -2.5, 10**15, True, None]},
    )
    route = msgspec.structs.replace(first.route, entries=(entry,), prompt_fields=("on", "y"))
    return [msgspec.structs.replace(first, name="yes", route=route), *others]


def written(folder: Path, text: str | bytes, name: str = "slots.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("name", ["slots.yaml", "slots.JSON", "slots"])
def test_what_is_written_is_read_as_it_was(tmp_path: Path, name: str) -> None:
    slots = slots_with(*TEXTS)
    write_file(tmp_path / name, slots)
    expected = json.loads(json.dumps({slot.id: slot_document(slot) for slot in slots}))
    assert read_file(tmp_path / name) == expected
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_end_of_the_name_says_which_form_it_has(tmp_path: Path) -> None:
    slots = shipped_slots()
    for name, text in (("a.json", as_json(slots)), ("a.yaml", as_yaml(slots)), ("a.txt", as_yaml(slots))):
        write_file(tmp_path / name, slots)
        assert (tmp_path / name).read_text() == text
    assert as_yaml(slots).startswith(
        "photochanger: slots\nversion: 1\nslots:\n  slot-001:\n    name: Natural enhance\n"
    )
    assert "&id" not in as_yaml(slots)
    assert json.loads(as_json(slots))["version"] == 1


def test_a_prompt_of_several_lines_is_written_as_such() -> None:
    assert "- |-\n" in as_yaml(slots_with("An oil painting\nof the guests"))


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "old")

    def full(self: Path, target: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        write_file(path, shipped_slots())
    assert path.read_text() == "old"
    assert [path] == list(tmp_path.iterdir())


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=write_file, args=(pipe, shipped_slots()))
    writing.start()
    assert pipe.read_text() == as_yaml(shipped_slots())
    writing.join()
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.yaml", "", "Not an export of slots"),
        ("a.yaml", "[]", "Not an export of slots"),
        ("a.yaml", "slots: {}", "Not an export of slots"),
        ("a.yaml", "photochanger: settings\nversion: 1\nslots: {}", "Not an export of slots"),
        ("a.yaml", "photochanger: slots\nslots: {}", "version None"),
        ("a.yaml", "photochanger: slots\nversion: 2\nslots: {}", "version 2"),
        ("a.yaml", "photochanger: slots\nversion: yes\nslots: {}", "version True"),
        ("a.yaml", "photochanger: slots\nversion: 1\nslots: []", "must have an object `slots`"),
        ("a.yaml", "photochanger: slots\nversion: 1\nslots: {}\nwebhooks: {}", "unknown fields: webhooks"),
        (
            "a.yaml",
            "photochanger: slots\nversion: 1\nversion: 1",
            "line 3, column 1: duplicate name 'version'",
        ),
        ("a.yaml", "slots: {slot-001: {name: a, name: b}}", "line 1, column 29: duplicate name 'name'"),
        ("a.yaml", "slots:\n  1: {}", "line 2, column 3: the name must be text"),
        ("a.yaml", "a: &a [1]\nb: *a", "are not supported"),
        ("a.yaml", "a: {<<: {b: 1}}", "line 1, column 5"),
        ("a.yaml", "a: !!python/object/apply:os.system ['true']", "line 1, column 4"),
        ("a.yaml", "a: !!set {b, c}", "Not a JSON value"),
        ("a.yaml", "a: !!binary aGk=", "Not a JSON value"),
        ("a.yaml", "a: .nan", "out of range"),
        ("a.yaml", "a: .inf", "out of range"),
        ("a.yaml", "a: [1, 2", "line 1"),
        ("a.yaml", "a: 1\n---\nb: 2", "line 2"),
        ("a.yaml", "a: \x07", "cannot be used"),
        ("a.yaml", 'a: "\\0"', "the character NUL"),
        ("a.yaml", "[" * 100_000, "deeper than 32"),
        ("a.yaml", "a: " + "[" * 40 + "]" * 40, "deeper than 32"),
        ("a.yaml", b"\xff\xfea", "cannot be used"),
        ("a.yaml", "#" * (MAX_BYTES + 1), f"larger than {MAX_BYTES}"),
        ("a.json", '{"photochanger": "slots", "version": 1, "slots": {}, "slots": {}}', "Duplicate name 'slots'"),
        ("a.json", '{"a": NaN}', "NaN is not a JSON number"),
        ("a.json", '{"a": 1e999}', "out of range"),
        ("a.json", '{"a": "\\ud800"}', "a lone surrogate"),
        ("a.json", '{"a": ' + "9" * 5000 + "}", "cannot be used"),
        ("a.json", '{"a": ', "cannot be used"),
        ("a.json", "[" * 100_000, "deeper than 32"),
        ("a.json", "photochanger: slots", "cannot be used"),
    ],
)
def test_a_file_that_could_mislead_is_refused_with_what_is_wrong(
    tmp_path: Path, name: str, text: str | bytes, expected: str
) -> None:
    with pytest.raises(SlotsFileRefused, match=expected):
        read_file(written(tmp_path, text, name))


def test_dates_in_yaml_are_texts(tmp_path: Path) -> None:
    text = "photochanger: slots\nversion: 1\nslots: {slot-001: {gallery_open_until: 2026-05-01T00:00:00Z}}"
    assert read_file(written(tmp_path, text)) == {"slot-001": {"gallery_open_until": "2026-05-01T00:00:00Z"}}


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    text = '\ufeff{"photochanger": "slots", "version": 1, "slots": {}}'
    assert read_file(written(tmp_path, text, "a.json")) == {}
