"""A contract is kept under its version once, and a tag whose contract was not kept is found."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.contract_releases import (
    CONTRACT,
    RELEASED,
    NotReleasable,
    release,
    released,
    tags_without_their_contract,
)


class Project:
    """A repository with a contract."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "openapi").mkdir(parents=True)
        self.git("init", "-q")

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@studio.example", "-c", "tag.gpgsign=false")
        command = ("git", *who, "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null", *arguments)
        subprocess.run(command, cwd=self.root, check=True, capture_output=True)

    def contract(self, version: str, *paths: str) -> None:
        """The contract as it is now."""
        served = "".join(f"  {path}: {{get: {{responses: {{'200': {{description: Yes.}}}}}}}}\n" for path in paths)
        (self.root / CONTRACT).write_text(f"info: {{version: {version}}}\npaths:\n{served}")

    def tag(self, name: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", name)
        self.git("tag", name)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def test_the_contract_is_kept_as_it_stands(project: Project) -> None:
    project.contract("0.1.0", "/photos")
    kept = release(project.root)
    assert kept == project.root / RELEASED / "0.1.0.yaml"
    assert kept.read_bytes() == (project.root / CONTRACT).read_bytes()
    assert release(project.root) == kept, "said again, it changes nothing"
    assert list(released(project.root)) == ["0.1.0"]


def test_another_contract_is_not_kept_under_a_version_that_was_released(project: Project) -> None:
    project.contract("0.1.0", "/photos")
    kept = release(project.root)
    before = kept.read_bytes()
    project.contract("0.1.0", "/photos", "/more")
    with pytest.raises(NotReleasable, match=r"0\.1\.0 was released already"):
        release(project.root)
    assert kept.read_bytes() == before


def test_a_contract_that_breaks_clients_is_not_kept_under_a_version_that_does_not_say_so(project: Project) -> None:
    project.contract("0.1.0", "/photos")
    release(project.root)
    project.contract("0.1.1", "/pictures")
    with pytest.raises(NotReleasable, match=r"/photos is gone \(needs version 0\.2\.0\)"):
        release(project.root)
    assert list(released(project.root)) == ["0.1.0"]


def test_a_tag_whose_contract_was_kept_is_in_order(project: Project) -> None:
    project.contract("0.1.0", "/photos")
    release(project.root)
    project.tag("v1.0.0")
    project.contract("0.2.0", "/pictures")
    assert tags_without_their_contract(project.root) == []


def test_a_tag_whose_contract_was_not_kept_is_found(project: Project) -> None:
    project.contract("0.1.0", "/photos")
    project.tag("v1.0.0")
    assert tags_without_their_contract(project.root) == ["v1.0.0 has contract 0.1.0, which is not in openapi/released"]


def test_a_released_contract_that_was_edited_after_its_tag_is_found(project: Project) -> None:
    project.contract("0.1.0", "/photos")
    kept = release(project.root)
    project.tag("v1.0.0")
    kept.write_text(kept.read_text().replace("/photos", "/pictures"))
    assert tags_without_their_contract(project.root) == ["v1.0.0 has another contract 0.1.0 than openapi/released"]


def test_tags_that_are_none_of_versions_or_older_than_the_contract_say_nothing(project: Project) -> None:
    (project.root / "README.md").write_text("PhotoChanger")
    project.tag("v0.0.1")
    project.contract("0.1.0", "/photos")
    project.tag("before-the-wedding")
    assert tags_without_their_contract(project.root) == []


def test_a_copy_without_its_history_has_no_tags(tmp_path: Path) -> None:
    assert tags_without_their_contract(tmp_path) == []
