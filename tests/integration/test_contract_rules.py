"""The contract keeps its rules, and clients of its last release are not let down without a word."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from photochanger.core.domain.field_errors import FieldErrorCode
from photochanger.core.domain.slots.slot_health import SlotIssueCode
from photochanger.entrypoints.http.protocol.problems import STATUS

from tests.support import contract_rules
from tests.support.contract_compat import version_of, version_problems
from tests.support.contract_releases import released, tags_without_their_contract

OPENAPI = Path(__file__).parents[2] / "openapi"
CONTRACT = yaml.safe_load((OPENAPI / "photochanger.yaml").read_text())
RELEASED = released(OPENAPI.parent)

NEVER_DESCRIBED = {
    "webhook_unreachable",  # of deliveries, which tell it in `last_error`
    "method_not_allowed",  # of methods that are not in the contract
    "schema_outdated",  # found at the start; a service that has it takes no requests
    "worker_missing",  # told by /readyz, whose body is no problem
}


def test_the_contract_says_nothing_twice() -> None:
    assert list(contract_rules.keys_that_stand_twice((OPENAPI / "photochanger.yaml").read_text())) == []


@pytest.mark.parametrize(
    "rule",
    [
        contract_rules.operations_without_a_name_of_their_own,
        contract_rules.operations_without_a_summary,
        contract_rules.operations_outside_of_the_declared_tags,
        contract_rules.operations_without_success_or_error,
        contract_rules.operations_that_do_not_say_who_may,
        contract_rules.parameters_without_a_word,
        contract_rules.components_without_a_description,
        contract_rules.unused_components,
        contract_rules.problems_without_codes,
        contract_rules.errors_with_a_body_of_their_own,
        contract_rules.refusals_that_do_not_say_when_to_come_back,
        contract_rules.json_answers_that_leave_their_shape_open,
        contract_rules.json_bodies_without_an_example,
        contract_rules.wrong_examples,
    ],
)
def test_the_contract_has_no(rule: Callable[[Any], Iterator[str]]) -> None:
    found = list(rule(CONTRACT))
    assert not found, "\n".join(found)


def test_every_code_stands_at_the_status_that_the_service_answers_with() -> None:
    found = list(contract_rules.problems_under_the_wrong_status(CONTRACT, STATUS))
    assert not found, "\n".join(found)


def test_every_code_of_the_service_is_documented() -> None:
    assert contract_rules.undocumented_codes(CONTRACT, STATUS) == NEVER_DESCRIBED


def test_the_contract_lists_the_codes_of_the_core() -> None:
    schemas = CONTRACT["components"]["schemas"]
    assert schemas["FieldError"]["properties"]["code"]["enum"] == [code.value for code in FieldErrorCode]
    assert schemas["SlotReason"]["properties"]["code"]["enum"] == [code.value for code in SlotIssueCode]


def test_released_contracts_lie_under_their_versions() -> None:
    assert RELEASED, "no contract has been released"
    for name, document in RELEASED.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", name)
        assert document["info"]["version"] == name


def test_the_version_of_the_contract_tells_what_changed_since_the_last_release() -> None:
    last = max(RELEASED.values(), key=version_of)
    found = version_problems(last, CONTRACT)
    assert not found, "\n".join(found)


def test_every_tagged_contract_is_among_the_released_ones_as_it_was_tagged() -> None:
    assert tags_without_their_contract(OPENAPI.parent) == []
