"""The page's texts of codes: one for each code of the core, in both languages, with parameters that the code has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import photochanger
import pytest
from photochanger.core.domain.costs.call_cost import PriceUnit
from photochanger.core.domain.field_errors import TYPES, FieldErrorCode
from photochanger.core.domain.routing.failure_cause import FailureCause
from photochanger.core.domain.routing.provider_check import ProviderFindingCode
from photochanger.core.domain.routing.provider_usage import CallOutcome
from photochanger.core.domain.slots.slot_check import NO_CALL
from photochanger.core.domain.slots.slot_health import SlotIssueCode
from photochanger.entrypoints.http.protocol.problems import STATUS

TEXTS = Path(photochanger.__file__).parent / "entrypoints/http/page/static/i18n"

_KEY = re.compile(r'^    "?([\w-]+)"?: "(.+)",$', re.M)
_PARAMETER = re.compile(r"\{(\w+)\}")

FIELD_ERRORS = {str(code): code.parameters for code in FieldErrorCode}
SLOT_ISSUES = {str(code): code.parameters for code in SlotIssueCode}


def texts(name: str, *, part: int = 0) -> dict[str, dict[str, str]]:
    """The texts of a module by language and key; `part` counts its objects of languages."""
    source = (TEXTS / name).read_text("utf-8")
    english, russian = re.findall(r"^  (?:en|ru): \{\n(.*?)^  \},$", source, re.M | re.S)[2 * part : 2 * part + 2]
    return {"en": dict(_KEY.findall(english)), "ru": dict(_KEY.findall(russian))}


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize(
    ("name", "part", "codes"),
    [
        ("field_errors.js", 0, FIELD_ERRORS),
        ("field_errors.js", 1, dict.fromkeys(TYPES, ())),
        ("slot_issues.js", 0, SLOT_ISSUES),
        ("problems.js", 0, dict.fromkeys(STATUS, ())),
        ("causes.js", 0, dict.fromkeys(FailureCause, ())),
        ("attempts.js", 0, dict.fromkeys([*map(str, CallOutcome), NO_CALL], ())),
    ],
)
def test_every_code_has_a_text_and_no_text_is_left_over(
    name: str, part: int, codes: Mapping[str, tuple[str, ...]], language: str
) -> None:
    found = texts(name, part=part)[language]
    assert set(found) == set(codes)
    for code, text in found.items():
        assert set(_PARAMETER.findall(text)) <= set(codes[code]), f"{code}: {text}"


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize(
    ("prefix", "values"), [("finding_", ProviderFindingCode), ("unit_", PriceUnit)], ids=["findings", "units"]
)
def test_every_finding_of_a_provider_and_every_unit_has_a_text(
    prefix: str, values: type[StrEnum], language: str
) -> None:
    found = texts("settings_secrets.js")[language]
    named = {key.removeprefix(prefix) for key in found if key.startswith(prefix)}
    assert named == {str(value) for value in values}


def test_both_languages_of_every_module_have_the_same_keys() -> None:
    modules = [path.name for path in TEXTS.glob("*.js") if path.name != "providers.js"]
    assert modules
    for name in modules:
        keys = [
            re.findall(r'^    "?([\w:-]+)"?: ', block, re.M)
            for block in re.findall(r"^  (?:en|ru): \{\n(.*?)^  \},$", (TEXTS / name).read_text("utf-8"), re.M | re.S)
        ]
        for english, russian in zip(keys[::2], keys[1::2], strict=True):
            assert english == russian, name
            assert len(set(english)) == len(english), name


def test_russian_texts_are_russian() -> None:
    for name in ("field_errors.js", "slot_issues.js", "problems.js", "attempts.js"):
        for code, text in texts(name)["ru"].items():
            assert re.search("[а-я]", text), f"{name}: {code}"
