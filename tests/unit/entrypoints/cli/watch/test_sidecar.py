"""Files of form fields next to photos."""

from __future__ import annotations

from pathlib import Path

import pytest
from photochanger.entrypoints.cli.watch.sidecar import (
    MAX_FIELDS,
    MAX_SIDECAR_BYTES,
    SidecarUnusable,
    read_fields,
    sidecar_of,
)


def fields(tmp_path: Path, name: str, data: bytes) -> dict[str, str]:
    (tmp_path / name).write_bytes(data)
    return read_fields(tmp_path / name)


def test_json_objects_of_texts_and_numbers(tmp_path: Path) -> None:
    data = '{"guest": "Zoë", "table": 7, "vip": true, "ratio": 1.5, "none": null, "имя": "Ада"}'.encode()
    assert fields(tmp_path, "a.json", data) == {
        "guest": "Zoë",
        "table": "7",
        "vip": "true",
        "ratio": "1.5",
        "имя": "Ада",
    }


def test_lines_of_name_and_value(tmp_path: Path) -> None:
    data = "\ufeffguest = Ada = Zoë\r\n\r\n# comment\r\ntable=7\r\n".encode()
    assert fields(tmp_path, "a.txt", data) == {"guest": "Ada = Zoë", "table": "7"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json", b"[1]"),
        ("a.json", b'{"a": {"b": 1}}'),
        ("a.json", b"\xff"),
        ("a.json", b'{"password": "x"}'),
        ("a.json", b'{"File": "x"}'),
        ("a.json", b'{"a\\"; x": "y"}'),
        ("a.json", b'{"a\\r\\nb": "y"}'),
        ("a.json", b'{"1a": "y"}'),
        ("a.txt", b"no equals sign"),
        ("a.txt", b"\xff\xfe"),
        ("a.txt", b"=value"),
        ("a.txt", b"x" * (MAX_SIDECAR_BYTES + 1)),
        ("a.txt", b"".join(b"f%d=1\n" % number for number in range(MAX_FIELDS + 1))),
    ],
)
def test_anything_else_is_unusable_and_the_reason_names_the_file(tmp_path: Path, name: str, data: bytes) -> None:
    with pytest.raises(SidecarUnusable, match=name):
        fields(tmp_path, name, data)


def test_the_sidecar_has_the_name_of_its_photo(tmp_path: Path) -> None:
    assert sidecar_of(tmp_path / "a.jpg") is None
    (tmp_path / "a.txt").touch()
    assert sidecar_of(tmp_path / "a.jpg") == tmp_path / "a.txt"
    (tmp_path / "a.json").touch()
    assert sidecar_of(tmp_path / "a.jpg") == tmp_path / "a.json"
    assert sidecar_of(tmp_path / "b.jpg") is None
