"""The rules that the image is built by, and that each of them finds what it is for."""

from __future__ import annotations

import re

import pytest

from tests.support.dockerfile import ROOT, faults, ignores, left_out, parse

DOCKERFILE = (ROOT / "Dockerfile").read_text()
BASE = "FROM python:3.13-slim-bookworm@${PYTHON_DIGEST}\n"
PATTERNS = ignores((ROOT / ".dockerignore").read_text())


def test_the_dockerfile_keeps_the_rules() -> None:
    assert faults(parse(DOCKERFILE), PATTERNS) == []


@pytest.mark.parametrize(
    ("line", "instead", "fault"),
    [
        (BASE, "FROM python:latest\n", "not pinned"),
        (BASE, "FROM python\n", "not pinned"),
        (BASE, "FROM python:3.13-slim-bookworm\n", "not pinned"),
        (BASE, "FROM python@${PYTHON_DIGEST}\n", "not pinned"),
        (BASE, "FROM python:latest@${PYTHON_DIGEST}\n", "not pinned"),
        (BASE, "FROM python:3.13-slim-bookworm@sha256:12\n", "not pinned"),
        ("USER 10001:10001", "USER 0:0", "root"),
        ("USER 10001:10001", "", "root"),
        ("EXPOSE 8000", "ADD https://host.example/file /file", "ADD"),
        ("EXPOSE 8000", "ENV ADMIN_PASSWORD=guess", "a secret: PASSWORD"),
        ("EXPOSE 8000", "ARG GEMINI_API_KEY", "a secret: _KEY"),
        ("EXPOSE 8000", "RUN apt-get update && apt-get install -y curl", "lists"),
        ('ENTRYPOINT ["photochanger"]', "ENTRYPOINT photochanger", "by a shell"),
        ('CMD ["serve"]', "CMD serve", "by a shell"),
        ('["photochanger", "healthcheck"]', "photochanger healthcheck", "HEALTHCHECK is run by a shell"),
        ("HEALTHCHECK --interval=10s", "# HEALTHCHECK", "no HEALTHCHECK"),
        ("STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL", "STOPSIGNAL"),
        ("COPY src src", "COPY sources src", "not there"),
        ("COPY src src", "COPY tests src", ".dockerignore"),
        ("COPY --from=build", "COPY --from=built", "no stage"),
    ],
)
def test_a_fault_of_the_dockerfile_is_found(line: str, instead: str, fault: str) -> None:
    assert DOCKERFILE.count(line) == 1
    found = faults(parse(DOCKERFILE.replace(line, instead)), PATTERNS)
    assert [text for text in found if fault in text], found


def test_the_digest_of_the_base_has_no_default_so_that_a_build_without_it_fails() -> None:
    assert re.findall(r"^ARG .*", DOCKERFILE, re.MULTILINE) == ["ARG PYTHON_DIGEST"]
    assert {stage.base for stage in parse(DOCKERFILE)} == {BASE.removeprefix("FROM ").strip()}


def test_nothing_but_what_is_built_is_sent_to_the_build() -> None:
    sent = sorted(path.name for path in ROOT.iterdir() if not left_out(path.name, PATTERNS))
    assert sent == ["LICENSE", "README.md", "openapi", "pyproject.toml", "requirements", "setup.py", "src"]
    assert left_out("src/core/__pycache__/jobs.pyc", PATTERNS)
    assert not left_out("src/core/jobs.py", PATTERNS)
    assert left_out("deploy/.env", PATTERNS)
