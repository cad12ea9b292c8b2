"""`photochanger slots`: out to a file and in again, by the real command on a real PostgreSQL."""

from __future__ import annotations

import json
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from photochanger.core.domain.errors import VersionConflict
from photochanger.core.services.slots.service import SlotService
from photochanger.entrypoints.cli.slots import store
from photochanger.entrypoints.config import Settings

from tests.support.commands import run_command
from tests.support.service import environment, rows

NOWHERE = "01980000-0000-7000-8000-000000000000"


class Operator:
    """Somebody at a shell, with a file to work on."""

    def __init__(self, home: Path, url: str) -> None:
        self.url = url
        self.file = home / "slots.yaml"
        self._environment = environment(home, database_url=url)

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_command("slots", *arguments, env=self._environment)

    def export(self) -> dict[str, Any]:
        """All slots as the command tells of them."""
        done = self("export")
        assert done.returncode == 0, done.stderr
        slots: dict[str, Any] = yaml.safe_load(done.stdout)["slots"]
        return slots

    def write(self, **slots: Any) -> str:
        """A file with these slots, the `_` of their names for a dash; its path."""
        named = {name.replace("_", "-"): deepcopy(slot) for name, slot in slots.items()}
        self.file.write_text(yaml.safe_dump({"photochanger": "slots", "version": 1, "slots": named}))
        return str(self.file)

    def versions(self) -> list[int]:
        """The version of each slot, by id."""
        return [version for (version,) in rows(self.url, "select version from photochanger.slots order by id")]

    def audit(self) -> list[tuple[Any, ...]]:
        return rows(self.url, "select action, actor, target, detail from photochanger.audit_log order by at, id")


@pytest.fixture
def operator(tmp_path: Path, postgres_url: str) -> Operator:
    return Operator(tmp_path, postgres_url)


def slot(name: str = "Wedding", **fields: Any) -> dict[str, Any]:
    entry = {"provider_id": "local", "operation_id": "stylize", "settings": {"look": "comic"}}
    return {"name": name, "active": True, "route": [entry]} | fields


def test_slots_come_back_as_they_went_out(operator: Operator, tmp_path: Path) -> None:
    for name in ("all.yaml", "all.json"):
        path = tmp_path / name
        done = operator("export", str(path))
        assert (done.returncode, done.stdout) == (0, f"15 slots written to {path}.\n"), done.stderr
    assert json.loads((tmp_path / "all.json").read_text()) == yaml.safe_load((tmp_path / "all.yaml").read_text())
    before = operator.export()
    changes = {"prompt_fields": ["guest"], "late_rescue": True, "max_upload_bytes": 5000}
    changed = operator("import", operator.write(slot_001=slot(**changes), slot_015=slot("Last")))
    assert changed.returncode == 0, changed.stderr
    assert operator.export() != before
    assert operator("import", str(tmp_path / "all.json")).stdout.endswith("2 of 15 slots changed.\n")
    assert operator.export() == before
    assert operator("import", str(tmp_path / "all.yaml")).stdout == "0 of 15 slots changed.\n"


def test_a_dry_run_tells_every_difference_and_changes_nothing(operator: Operator) -> None:
    before = operator.export()
    before["slot-003"]["route"][0]["settings"] = {"caption": "\x1b[2J\u202e"}  # what a terminal would obey
    path = operator.write(slot_002=slot("New", hedge=False), slot_003=before["slot-003"], slot_004=before["slot-004"])
    done = operator("import", path, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "slot-002",
        '  name: "Oil painting" -> "New"',
        '  route.0.settings.look: "oil" -> "comic"',
        "slot-003",
        '  route.0.settings.caption: nothing -> "\\u001b[2J\\u202e"',
        "2 of 3 slots would change.",
    ]
    assert operator.versions() == 15 * [1]
    assert operator.audit() == []


def test_an_import_is_in_the_audit_log(operator: Operator) -> None:
    operator.export()
    done = operator("import", operator.write(slot_001=slot(), slot_002=slot()))
    assert done.returncode == 0, done.stderr
    assert operator.versions() == [2, 2, *13 * [1]]
    entries = operator.audit()
    assert [entry[:3] for entry in entries] == [
        ("slot_changed", "command line", "slot-001"),
        ("slot_changed", "command line", "slot-002"),
    ]
    assert entries[0][3]["changed"]["name"] == ["Natural enhance", "Wedding"]


def test_an_ingest_password_is_imported_and_never_exported(operator: Operator) -> None:
    operator.export()
    path = operator.write(slot_001=slot(ingest_password="of the rented booth"))
    tried = operator("import", path, "--dry-run")
    assert tried.stdout.splitlines()[-2:] == ["  ingest_password: set", "1 of 1 slots would change."]
    done = operator("import", path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 of 1 slots changed."), done.stderr
    is_set = "select ingest_password is not null from photochanger.slots where id = 'slot-001'"
    assert rows(operator.url, is_set) == [(True,)]
    exported = operator.export()["slot-001"]
    assert "ingest_password" not in exported
    unchanged = operator("import", operator.write(slot_001=exported))
    assert unchanged.stdout == "0 of 1 slots changed.\n"
    assert rows(operator.url, is_set) == [(True,)]
    removed = operator("import", operator.write(slot_001=exported | {"ingest_password": None}))
    assert removed.stdout.splitlines() == ["slot-001", "  ingest_password: removed", "1 of 1 slots changed."]
    assert rows(operator.url, is_set) == [(False,)]
    assert "rented" not in done.stdout + tried.stdout + repr(operator.audit())


def test_all_errors_of_all_slots_are_reported_and_nothing_is_stored(operator: Operator) -> None:
    template = {"setting_key": "frame", "media_id": NOWHERE}
    framed = {"provider_id": "local", "operation_id": "frame"}
    oily = {"provider_id": "local", "operation_id": "stylize", "settings": {"look": "oily"}}
    path = operator.write(
        slot_001=slot("Good"),
        slot_002=slot("", colour="red", route=[framed, oily]),
        slot_003=slot(route=[framed], templates=[template]),
        slot_004=7,
        slot_016=slot(),
    )
    for options in ([], ["--dry-run"]):
        done = operator("import", path, *options)
        assert (done.returncode, done.stdout) == (1, "")
        head, *lines = done.stderr.splitlines()
        assert head == "photochanger: The file is invalid; nothing was stored:"
        places = [line.split(": ")[0].strip() for line in lines]
        assert sorted(places) == [
            "slot-002.colour",
            "slot-002.name",
            "slot-002.route.1.settings.look",
            "slot-003.templates.0.media_id",
            "slot-004",
            "slot-016",
        ]
        assert "  slot-003.templates.0.media_id: Template not found." in lines
    assert operator.versions() == 15 * [1]
    assert operator.audit() == []


def test_what_is_no_file_of_slots_is_refused(operator: Operator, tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("photochanger: slots\nversion: 1\nslots:\n  slot-001: {name: a, name: b}\n")
    done = operator("import", str(path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("photochanger: The file cannot be used: line 4, column 23: duplicate name 'name'.\n")
    missing = operator("import", str(tmp_path / "missing.yaml"))
    assert missing.returncode == 2
    assert "does not exist" in missing.stderr
    folder = operator("export", str(tmp_path / "no" / "such" / "folder.yaml"))
    assert (folder.returncode, folder.stdout) == (1, "")


@pytest.mark.anyio
async def test_a_concurrent_change_stops_the_import_and_names_the_stored_slots(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = SlotService.put

    async def overtaken(self: SlotService, slot_id: str, document: Any, **how: Any) -> Any:
        if slot_id == "slot-002":
            rows(postgres_url, "update photochanger.slots set version = 9 where id = 'slot-002' returning id")
        return await put(self, slot_id, document, **how)

    monkeypatch.setattr(SlotService, "put", overtaken)
    settings = Settings(home=tmp_path, database_url=postgres_url)
    with pytest.raises(VersionConflict, match=r"slot-002 has been modified.* Already stored: slot-001\."):
        await store(settings, {f"slot-00{number}": slot() for number in (3, 1, 2)})
    names = rows(postgres_url, "select name from photochanger.slots order by id limit 3")
    assert names == [("Wedding",), ("Oil painting",), ("Party frame",)]
