"""The contract under the linters of others, with the rules in `openapi/`: no error and no warning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.npm_tools import ROOT, run_tool

CONTRACT = ROOT / "openapi/photochanger.yaml"
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}

PLANTED = """
openapi: 3.1.0
info: {title: Planted, version: 1.0.0}
servers: [{url: /}]
paths:
  /a: {get: {operationId: same, summary: A, responses: {'200': {description: Yes.}}}}
  /b: {get: {operationId: same, summary: B, responses: {'200': {description: Yes.}}}}
"""

Findings = set[tuple[str, str]]
"""The name of a file and a rule that it breaks."""


def spectral(*contracts: Path, folder: Path) -> Findings:
    rules = ("--ruleset", str(ROOT / "openapi/spectral.yaml"), "--fail-severity", "hint", "--format", "json")
    done = run_tool("spectral", "lint", *rules, *map(str, contracts), folder=folder)
    assert done.returncode in (0, 1), done.stdout[-2000:] + done.stderr[-2000:]
    return {(Path(found["source"]).name, found["code"]) for found in json.loads(done.stdout)}


def redocly(*contracts: Path, folder: Path) -> Findings:
    rules = ("--config", str(ROOT / "openapi/redocly.yaml"), "--lint-config", "error", "--format", "json")
    findings: Findings = set()
    for contract in contracts:
        done = run_tool("redocly", "lint", *rules, str(contract), folder=folder, **QUIET)
        assert done.returncode in (0, 1), done.stdout[-2000:] + done.stderr[-2000:]
        findings |= {(contract.name, problem["ruleId"]) for problem in json.loads(done.stdout)["problems"]}
    return findings


@pytest.mark.parametrize("linter", [spectral, redocly])
def test_the_linter_finds_a_planted_fault_and_none_in_the_contract(
    linter: Callable[..., Findings], tmp_path: Path
) -> None:
    planted = tmp_path / "planted.yaml"
    planted.write_text(PLANTED)
    found = linter(CONTRACT, planted, folder=tmp_path)
    assert (planted.name, "operation-operationId-unique") in found
    assert {finding for finding in found if finding[0] != planted.name} == set()
