"""Every value that the API can send has words on the page, in both languages; every text that is used exists."""

from __future__ import annotations

import enum
import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import photochanger.core
import pytest
import yaml
from photochanger.entrypoints.diagnostics.finding import FindingCode

STATIC = Path(photochanger.core.__file__).parents[1] / "entrypoints/http/page/static"
CONTRACT = Path(__file__).parents[5] / "openapi/photochanger.yaml"

_KEY = re.compile(r'^    "?([\w:.-]+)"?: ', re.M)
_BLOCK = re.compile(r"^  (en|ru): \{\n(.*?)^  \},$", re.M | re.S)
_IMPORTED = re.compile(r'^import (\w+)(?:, \{[^}]*\})? from "(?:\.\./)*(?:\./)?i18n/(\w+\.js)";$', re.M)
_SPEAKER = re.compile(r"^const (\w+) = translator\((\w+)\);$", re.M)

SHOWN = {
    "AtLimit": [("settings_costs.js", "at_limit_")],
    "AuditAction": [("settings_audit.js", "action_")],
    "Breaker": [("settings_health.js", "breaker_")],
    "CallOutcome": [("attempts.js", "")],
    "CheckOutcome": [("settings_ready.js", "outcome_")],
    "FailureCause": [("causes.js", "")],
    "FailureAnswer": [("slot.js", "answer_")],
    "FailureReason": [("jobs.js", "reason_")],
    "FieldErrorCode": [("field_errors.js", "")],
    "JobSource": [("jobs.js", "source_")],
    "JobState": [("common.js", "state_")],
    "KeySource": [("settings_secrets.js", "key_"), ("settings_ready.js", "key_")],
    "LogEvent": [("job.js", "event_")],
    "PasswordCheck": [("connect.js", "password_")],
    "JobResult": [("jobs.js", "result_")],
    "ProviderState": [("settings_health.js", "provider_")],
    "Period": [("statistics.js", "group_")],
    "Permission": [("settings.js", "permission_")],
    "PurgeScope": [("settings.js", "purge_"), ("settings_audit.js", "value_")],
    "Role": [("settings_admins.js", "role_"), ("settings_admins.js", "can_"), ("settings_audit.js", "value_")],
    "ResponseMode": [("slot.js", "mode_"), ("connect.js", "mode_")],
    "SlotIssueCode": [("slot_issues.js", "")],
    "SlotState": [("common.js", "slot_")],
    "StatsOutcome": [("statistics.js", "")],
    "Visibility": [("picture.js", "visibility_")],
}
"""The enumerations that the page shows: where their words are."""

UNSHOWN = {
    "Charged": "no answer of the API has it yet",
    "ConnectionEnd": "logs and metrics",
    "DeliveryState": "the page shows no deliveries of webhooks",
    "IngestOutcome": "spans",
    "JobOrder": "words of the page's own",
    "LimitKind": "texts of attempts",
    "MediaKind": "folders of the media store",
    "ModelStatus": "no answer of the API has it yet",
    "PriceUnit": "no answer of the API has it yet",
    "ProviderFindingCode": "findings of diagnoses, which the page does not show",
    "Refusal": "the reason of a 429, which cameras read",
    "SentenceCode": "has no values itself",
    "ServerRole": "findings of `doctor`",
    "SortBy": "words of the page's own",
    "SortOrder": "words of the page's own",
    "StoredEnum": "has no values itself",
}

CONTRACT_ONLY: dict[tuple[str, ...], str | list[tuple[str, str]]] = {
    tuple(FindingCode): [("findings.js", "")],
    ("owner", "operator", "viewer", "custom"): [("settings_admins.js", "role_"), ("settings_admins.js", "can_")],
    ("ready", "not_ready"): "of `/readyz`, for machines",
    ("success", "fallback"): "an outcome: the page only marks the fallback",
    ("stored", "environment", "missing", "not_needed", "unreadable"): [
        ("settings_secrets.js", "key_"),
        ("settings_ready.js", "key_"),
    ],
    ("any", "maskable"): "purposes of icons in the manifest",
    ("jpeg", "png", "webp"): "an example of a provider's settings",
    ("true", "false"): "of requests only",
    ("en", "ru"): "of requests only",
    ("portrait", "cat", "coffee"): [("try_it.js", "sample_")],
}
"""Enumerations of the contract that are none of the core."""


def enumerations() -> dict[str, list[str]]:
    """The enumerations of the core with their values."""
    for module in pkgutil.walk_packages(photochanger.core.__path__, f"{photochanger.core.__name__}."):
        importlib.import_module(module.name)
    found: dict[str, list[str]] = {}
    open_ends: list[type[Any]] = [enum.Enum]
    while open_ends:
        one = open_ends.pop()
        open_ends += one.__subclasses__()
        if one.__module__.startswith("photochanger.core."):
            found[one.__name__] = [str(value.value) for value in one]
    return found


def contract_enumerations(node: Any) -> Iterator[tuple[str, ...]]:
    """The enumerations of the contract without null."""
    if isinstance(node, Mapping):
        if isinstance(node.get("enum"), list):
            yield tuple(str(value) for value in node["enum"] if value is not None)
        for child in node.values():
            yield from contract_enumerations(child)
    elif isinstance(node, list):
        for child in node:
            yield from contract_enumerations(child)


def keys(name: str) -> dict[str, set[str]]:
    """The keys of the texts of a module, by language."""
    found: dict[str, set[str]] = {"en": set(), "ru": set()}
    for language, block in _BLOCK.findall((STATIC / "i18n" / name).read_text("utf-8")):
        found[language] |= {*_KEY.findall(block)}
    return found


def missing(values: list[str] | tuple[str, ...], places: list[tuple[str, str]]) -> list[str]:
    """The values without a text, with the place where it belongs."""
    return [
        f"{name} {language}: {prefix}{value}"
        for name, prefix in places
        for language, known in keys(name).items()
        for value in values
        if f"{prefix}{value}" not in known
    ]


def test_every_enumeration_of_the_core_is_shown_or_known_not_to_be() -> None:
    assert {*enumerations()} == {*SHOWN, *UNSHOWN}


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_every_value_of_the_core_has_words_in_both_languages(name: str) -> None:
    assert missing(enumerations()[name], SHOWN[name]) == []


def test_every_value_of_the_contract_has_words_in_both_languages() -> None:
    core = [{*values} for values in enumerations().values()]
    found = [*contract_enumerations(yaml.safe_load(CONTRACT.read_text("utf-8")))]
    assert len(found) > 20
    for values in found:
        if any({*values} <= known for known in core):
            continue  # its words are those of the core
        places = CONTRACT_ONLY[values]
        assert isinstance(places, str) or missing(values, places) == []


def scripts() -> list[Path]:
    """The page's own scripts."""
    return [path for path in STATIC.rglob("*.js") if path.parent.name not in ("vendor", "i18n")]


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.relative_to(STATIC).as_posix())
def test_every_text_that_a_script_names_exists(path: Path) -> None:
    source = path.read_text("utf-8")
    modules = dict(_IMPORTED.findall(source))
    for speaker, words in _SPEAKER.findall(source):
        known = keys(modules[words])["en"]
        # `t("a")`, and the branches of `t(b ? "a" : "c")`.
        calls = re.findall(rf"(?<![\w.]){speaker}\(([^)`]*)", source)
        named = {key for call in calls for key in re.findall(r'^(?:[^"]*\? )?"([\w:.-]+)"| : "([\w:.-]+)"', call)}
        assert {key for pair in named for key in pair if key} - known == set(), speaker


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.relative_to(STATIC).as_posix())
def test_no_script_builds_a_key_of_a_value_that_the_service_sends(path: Path) -> None:
    """`t.of(group, value)` shows a value without words as it is; `t` of a built key would show the key."""
    speakers = "|".join(speaker for speaker, _ in _SPEAKER.findall(path.read_text("utf-8")))
    built = re.findall(rf"\b(?:{speakers or 'no'})\(`\w*\$\{{(\w+\.[\w.]+)\}}", path.read_text("utf-8"))
    assert {*built} <= {"software.mode"}


OLD_WORDS = {
    "en": (
        "ingest password",
        "the window",
        "sealed",
        "hedg",
        "circuit",
        "half open",
        'failure answer"',
        "facts",
        "forgotten",
    ),
    "ru": (
        "снимок",
        "снимк",
        "картинк",
        "пароль приёма",
        "предохранитель",
        "пункт маршрута",
        "окно ожидания",
        "окна ожидания",
    ),
}
"""Words that the page does not use, by language: jargon, and second words for what already has one."""


@pytest.mark.parametrize("path", sorted((STATIC / "i18n").glob("*.js")), ids=lambda path: path.name)
def test_the_page_has_one_plain_word_for_each_thing(path: Path) -> None:
    if path.name == "providers.js":
        return  # texts of providers
    for language, block in _BLOCK.findall(path.read_text("utf-8")):
        found = [
            line.strip()
            for line in block.lower().splitlines()
            for word in OLD_WORDS[language]
            if word in line.split(":", 1)[-1]
        ]
        assert found == []
