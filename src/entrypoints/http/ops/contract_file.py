"""Where the OpenAPI contract is: its YAML in a checkout's `openapi/`, its JSON, as built, beside this module.

An installed package has both beside this module (setup.py).
"""

from __future__ import annotations

from pathlib import Path

from ....core.domain.errors import PhotoChangerError

_BUILT = Path(__file__).with_name("photochanger.json")


class ContractNotBuilt(PhotoChangerError):
    """The JSON form of the contract is missing or older than the YAML; only in a checkout."""

    code = "internal_error"


def contract_path() -> Path:
    """The contract's YAML file."""
    packaged = _BUILT.with_suffix(".yaml")
    return packaged if packaged.exists() else Path(__file__).parents[4] / "openapi" / packaged.name


def contract_json_path() -> Path:
    """The contract's JSON file; ContractNotBuilt."""
    source = contract_path()
    if not _BUILT.exists():
        raise ContractNotBuilt(f"{_BUILT.name} is missing. Run `make contract`.")
    if source.parent != _BUILT.parent and source.stat().st_mtime > _BUILT.stat().st_mtime:
        raise ContractNotBuilt(f"{_BUILT.name} is older than {source.name}. Run `make contract`.")
    return _BUILT
