"""`make chaos ARGS="--seed N --faults 1000 [--form embedded|split]"`: faults by the seed, half of them at each form."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.support.chaos.campaign import FORMS, campaign
from tests.support.chaos.plan import PER_ROUND


def main() -> int:
    """The exit code: 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="what is drawn depends on it; default 1")
    parser.add_argument("--faults", type=int, default=100, help="number of faults over all forms; default 100")
    parser.add_argument("--form", choices=[*FORMS], help="one form only, with all of the faults")
    parser.add_argument("--per-round", type=int, default=PER_ROUND, help="faults between two checks")
    parser.add_argument("--keep", type=Path, help="an empty folder that logs and data stay in")
    given = parser.parse_args()
    forms = [given.form] if given.form else [*FORMS]
    share = given.faults // len(forms)
    reports = []
    with tempfile.TemporaryDirectory(prefix="photochanger-chaos-") as folder:
        home = given.keep or Path(folder)
        for form in forms:
            run = campaign(form, home / form, seed=given.seed, faults=share, per_round=given.per_round, say=_say)
            reports.append(asyncio.run(run))
            print(reports[-1].summary(), flush=True)
    broken = sum(len(report.violations) for report in reports)
    print(f"{sum(report.figures['faults'] for report in reports)} faults, {broken} violations")
    return 1 if broken else 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
