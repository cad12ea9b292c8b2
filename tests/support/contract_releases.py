"""Contracts that clients were promised: kept under their versions in `openapi/released`, and the ones that tags hold.

As a command (`make release-contract`) it keeps the contract as it is now, as the last step before a tag (ADR 21).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.support.contract_compat import version_of, version_problems

ROOT = Path(__file__).parents[2]
CONTRACT = "openapi/photochanger.yaml"
RELEASED = "openapi/released"


class NotReleasable(Exception):
    """Why the contract cannot be kept under its version."""


def released(root: Path) -> dict[str, Any]:
    """The contracts that were released, by the names of their files."""
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((root / RELEASED).glob("*.yaml"))}


def release(root: Path) -> Path:
    """Keep the contract under its version; one that is kept already stays as it is. NotReleasable."""
    text = (root / CONTRACT).read_bytes()
    contract = yaml.safe_load(text)
    others = released(root)
    version = contract["info"]["version"]
    kept = root / RELEASED / f"{version}.yaml"
    if version in others:
        if kept.read_bytes() != text:
            raise NotReleasable(f"{version} was released already, and as another contract: set a higher info.version")
        return kept
    if others and (problems := version_problems(max(others.values(), key=version_of), contract)):
        raise NotReleasable("\n".join(problems))
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(text)
    return kept


def tags_without_their_contract(root: Path) -> list[str]:
    """Tags of versions whose contract is not kept as it was tagged. A checkout without its history has none."""
    if not (root / ".git").exists():
        return []
    found = []
    for tag in _git(root, "tag", "--list", "v*").decode().split():
        if not _git(root, "ls-tree", "--name-only", tag, CONTRACT):
            continue  # older than the contract
        text = _git(root, "show", f"{tag}:{CONTRACT}")
        version = yaml.safe_load(text)["info"]["version"]
        kept = root / RELEASED / f"{version}.yaml"
        if not kept.exists():
            found.append(f"{tag} has contract {version}, which is not in {RELEASED}")
        elif kept.read_bytes() != text:
            found.append(f"{tag} has another contract {version} than {RELEASED}")
    return found


def _git(root: Path, *arguments: str) -> bytes:
    return subprocess.run(("git", *arguments), cwd=root, check=True, capture_output=True).stdout


if __name__ == "__main__":
    try:
        print(f"kept as {release(ROOT).relative_to(ROOT)}")
    except NotReleasable as error:
        sys.exit(str(error))
