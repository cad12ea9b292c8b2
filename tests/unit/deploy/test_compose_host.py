"""deploy/compose.host.yml: a host of several keeps nothing that another host, or its next start, would miss."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
import yaml
from photochanger.adapters.imaging.children.limits import MIB, memory_of_all
from photochanger.entrypoints.config import Settings

from tests.support.compose_file import DEPLOY, filled_in, services

HOST = yaml.safe_load((DEPLOY / "compose.host.yml").read_text())
(SERVICE,) = HOST["services"].values()
EXAMPLE = (DEPLOY / "host.env.example").read_text()
SCHEMA = json.loads((DEPLOY.parent / "tests/vendored/compose-spec.json").read_text())


def test_it_follows_the_compose_specification() -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(HOST)


def test_it_has_no_volume() -> None:
    assert "volumes" not in HOST
    assert "volumes" not in SERVICE
    assert SERVICE["environment"]["PHOTOCHANGER_HOME"].startswith("/var/lib/photochanger/")
    assert SERVICE["tmpfs"][0].startswith("/var/lib/photochanger:size=2g,mode=0700,uid=10001,gid=10001")


def test_it_is_shut_in_like_the_service_of_one_machine() -> None:
    alone = services()["photochanger"]
    same = (
        "build",
        "image",
        "init",
        "restart",
        "read_only",
        "cap_drop",
        "security_opt",
        "stop_grace_period",
        "logging",
    )
    assert {name: SERVICE[name] for name in same} == {name: alone[name] for name in same}
    assert [port for port in SERVICE["ports"] if port.endswith(":9464")] == ["${METRICS_ADDRESS:-127.0.0.1}:9464:9464"]


def test_it_has_room_for_the_largest_photos_and_what_lies_in_memory() -> None:
    limit = int(SERVICE["deploy"]["resources"]["limits"]["memory"].removesuffix("m")) * MIB
    needed = (250 + 400 + 256 + 2048) * MIB + 2 * memory_of_all()
    assert needed <= limit <= needed * 1.1


def test_it_does_not_start_without_what_all_hosts_share() -> None:
    needed = ("PHOTOCHANGER_DATABASE_URL", "PHOTOCHANGER_SECRET_KEY", "PHOTOCHANGER_S3_BUCKET")
    for name in needed:
        assert f"\n{name}=\n" in EXAMPLE
        with pytest.raises(KeyError, match=name):
            filled_in(SERVICE["environment"][name], {})
    filled = {name: filled_in(SERVICE["environment"][name], {name: "x" * 32}) for name in needed}
    assert set(filled.values()) == {"x" * 32}


def test_the_example_names_settings_that_exist() -> None:
    known = {f"PHOTOCHANGER_{field.upper()}" for field in Settings.__struct_fields__}
    named = set(re.findall(r"^#?(PHOTOCHANGER_\w+)=", EXAMPLE, re.M))
    s3 = {name for name in named if name.startswith("PHOTOCHANGER_S3_")}
    assert len(s3) == 6
    assert named - s3 <= known
    text = (DEPLOY / "compose.host.yml").read_text()
    others = set(re.findall(r"^#?([A-Z]\w+)=", EXAMPLE, re.M)) - named
    assert all(f"${{{name}:" in text for name in others)
