"""Every field that an entry of the audit log names has words on the page, in both languages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import photochanger.core
import pytest
from photochanger.core.domain.slots.slot import shipped_slots, slot_document
from photochanger.core.ports.provider_limits import ProviderLimit
from photochanger.core.services.settings.validation import UNITS

from .test_page_values import keys

CORE = Path(photochanger.core.__file__).parent
NOT_DETAILS = {"by", "changed", "now", "retired_after", "target"}
MAKERS = {"audit_entry", "_audit_entry", "_audited", "_replace", "_add"}
"""The functions whose keywords become details of an entry."""

IN_VALUES = {"setting_key", "media_id", "provider_id", "operation_id", "settings", *ProviderLimit.__struct_fields__}


def details() -> Iterator[str]:
    """The keywords that the core gives to entries, and the fields whose changes it records."""
    for path in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in MAKERS:
                yield from (keyword.arg for keyword in node.keywords if keyword.arg)
            if isinstance(node, ast.FunctionDef) and node.name == "_permissions_entry":
                yield from ("permissions", "role")
    yield from slot_document(shipped_slots()[0])
    yield from ("ingest_password", *UNITS, *IN_VALUES)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_field_of_an_entry_has_words(language: str) -> None:
    found = {*details()} - NOT_DETAILS
    assert {"attempts", "scope", "unbound", "host", "reason", "max_active_jobs", "route"} <= found
    assert {name for name in found if f"field_{name}" not in keys("settings_audit.js")[language]} == set()
