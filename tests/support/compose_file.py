"""deploy/compose.yml as a container engine would read it: merged, with its variables filled in."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<rest>[^}]*))?\}")


@functools.cache
def compose() -> dict[str, Any]:
    """The whole file, its variables not yet filled in."""
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yml").read_text())
    return loaded


def services() -> dict[str, dict[str, Any]]:
    """Its services by name."""
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def example_settings(prefix: str = "") -> dict[str, str]:
    """The names and values of .env.example; with the prefix `#` those that are commented out."""
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    found = (re.match(prefix + r"([A-Z_]+)=(.*)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def filled_in(text: str, values: dict[str, str]) -> str:
    """A text with its variables filled in; KeyError where one must be set and is not."""

    def value(match: re.Match[str]) -> str:
        given = values.get(match["name"], "")
        if not given and match["how"] == "?":
            raise KeyError(match["name"])
        return given or (match["rest"] or "" if match["how"] == "-" else "")

    return _VARIABLE.sub(value, text)


def settings_of(service: str, filled: dict[str, str]) -> dict[str, str]:
    """The environment of a service where somebody has filled the .env.example in."""
    values = example_settings() | {"POSTGRES_PASSWORD": "a" * 48, "GRAFANA_PASSWORD": "b" * 48} | filled
    described = services()[service]
    of_file = values if "env_file" in described else {}
    return of_file | {name: filled_in(text, values) for name, text in described.get("environment", {}).items()}
