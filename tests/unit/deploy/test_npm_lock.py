"""Programs from npm are pinned by hash, whatever registry they come from."""

from __future__ import annotations

import json
import re

from tests.support.npm_tools import PINNED


def test_every_package_has_its_hash_and_none_the_address_of_a_registry() -> None:
    lock = json.loads((PINNED / "package-lock.json").read_text())
    root = lock["packages"].pop("")
    assert root["devDependencies"] == json.loads((PINNED / "package.json").read_text())["devDependencies"]
    assert lock["packages"]
    for name, package in lock["packages"].items():
        if not package.get("inBundle"):
            assert re.match(r"sha(512|1)-", package["integrity"]), name
        assert "resolved" not in package, name


def test_programs_that_tests_call_have_one_version() -> None:
    wanted = json.loads((PINNED / "package.json").read_text())["devDependencies"]
    assert {name: version for name, version in wanted.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)} == {}
