"""Where the OpenAPI contract lies: in a checkout at its own place, in an installed package beside this module."""

from __future__ import annotations

from pathlib import Path

_NAME = "photochanger.yaml"


def contract_path() -> Path:
    """The contract's file."""
    packaged = Path(__file__).with_name(_NAME)
    return packaged if packaged.exists() else Path(__file__).parents[4] / "openapi" / _NAME
