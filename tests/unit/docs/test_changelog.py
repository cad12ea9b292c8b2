"""The changelog has the form of Keep a Changelog, and what a reader can take in."""

from __future__ import annotations

import re
import tomllib
from datetime import date

import pytest

from tests.support.documents import ROOT

KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
MAX_LINES = 30

_VERSION = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<day>\S+))?$")
_LINK = re.compile(r"^\[(?P<name>[^\]]+)\]: (?P<target>\S+)$")


def faults(text: str) -> list[str]:
    """What is wrong with a changelog, a line each."""
    found: list[str] = []
    links = {match["name"]: match["target"] for line in text.splitlines() if (match := _LINK.match(line))}
    sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]
    versions: list[tuple[int, ...]] = []
    days: list[date] = []
    for at, section in enumerate(sections):
        heading, *lines = (line for line in section.splitlines() if line.strip() and not _LINK.match(line))
        match = _VERSION.match(heading)
        if match is None:
            found.append(f"{heading}: is not `## [version] - year-month-day`")
            continue
        name, day = match["name"], match["day"]
        if name not in links:
            found.append(f"{name}: has no link")
        if len(lines) > MAX_LINES:
            found.append(f"{name}: {len(lines)} lines, more than {MAX_LINES}")
        kinds = [line.removeprefix("### ") for line in lines if line.startswith("#")]
        if kinds != [kind for kind in KINDS if kind in kinds]:
            found.append(f"{name}: the sections are {', '.join(kinds)}")
        found += [f"{name}: {line}" for line in lines if not line.startswith(("### ", "- ", "  "))]
        if name == "Unreleased":
            if at or day:
                found.append("Unreleased is the first one, without a day")
        elif day is None or not re.fullmatch(r"\d+\.\d+\.\d+", name):
            found.append(f"{name}: is not a version with its day")
        else:
            versions.append(tuple(map(int, name.split("."))))
            days.append(date.fromisoformat(day))
    if versions != sorted(versions, reverse=True) or days != sorted(days, reverse=True):
        found.append("the newest version is not the first one")
    return found


def test_the_changelog_has_its_form() -> None:
    assert faults((ROOT / "CHANGELOG.md").read_text()) == []


def test_the_version_is_the_same_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == version
    contract = (ROOT / "openapi/photochanger.yaml").read_text()
    assert set(re.findall(r"\bversion: (\d+\.\d+\.\d+)", contract)) == {version}
    documents = "\n".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    assert set(re.findall(r"photochanger-(\d+\.\d+\.\d+)", documents)) == {version}


GOOD = """# Changelog

## [Unreleased]

### Added
- One thing.

## [0.2.0] - 2026-02-01

### Added
- One thing,
  on two lines.

### Fixed
- Another thing.

## [0.1.0] - 2026-01-01

[Unreleased]: a.yaml
[0.2.0]: b.yaml
[0.1.0]: c.yaml
"""


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("## [0.2.0] - 2026-02-01", "## 0.2.0 - 2026-02-01", "is not `## [version]"),
        ("[0.2.0]: b.yaml\n", "", "0.2.0: has no link"),
        (" - 2026-02-01", "", "is not a version with its day"),
        ("2026-02-01", "2025-02-01", "newest version"),
        ("### Fixed", "### Improved", "the sections are"),
        ("### Added\n- One thing,", "### Security\n- One thing,", "the sections are"),
        ("- Another thing.", "- Another thing.\n" * 30, "more than 30"),
        ("- Another thing.", "Another thing.", "0.2.0: Another thing."),
    ],
)
def test_a_fault_of_a_changelog_would_be_seen(before: str, after: str, fault: str) -> None:
    assert faults(GOOD) == []
    assert before in GOOD
    assert [found for found in faults(GOOD.replace(before, after)) if fault in found]
