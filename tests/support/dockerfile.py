"""A Dockerfile as data, the rules that ours keeps, and its steps carried out in a folder without a container engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]

PINNED = re.compile(r"[a-z0-9./-]+:(?!latest@)[\w.-]+@(sha256:[0-9a-f]{64}|\$\{[A-Z]+_DIGEST(:\?[^}]+)?\})")
"""An image with its version and the digest of its bytes, or the variable that has to hold that digest."""

_SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY\b|DATABASE_URL")


class Step(msgspec.Struct, frozen=True):
    """One instruction; `options` are its `--name=value`."""

    word: str
    text: str
    options: dict[str, str] = {}

    @property
    def words(self) -> list[str] | None:
        """The words of an exec form; None where it is a shell form."""
        try:
            found = json.loads(self.text)
        except json.JSONDecodeError:
            return None
        return found if isinstance(found, list) else None


class Stage(msgspec.Struct, frozen=True):
    """What follows one FROM."""

    base: str
    name: str | None
    steps: list[Step]

    def last(self, word: str) -> Step | None:
        """The instruction that holds."""
        return next((step for step in reversed(self.steps) if step.word == word), None)

    def environment(self) -> dict[str, str]:
        """What its ENV instructions set."""
        pairs = (pair for step in self.steps if step.word == "ENV" for pair in step.text.split())
        return dict(pair.split("=", 1) for pair in pairs)


def parse(text: str) -> list[Stage]:
    """The stages of a Dockerfile. Comments go, continued lines are joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        options: dict[str, str] = {}
        while option := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
            options[option[1]] = option[2]
            rest = rest[option.end() :]
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base.strip(), name.strip() or None, []))
        elif stages or word != "ARG":  # before the first stage they only fill in its FROM
            stages[-1].steps.append(Step(word, rest.strip(), options))
    return stages


def ignores(text: str) -> list[tuple[re.Pattern[str], bool]]:
    """The patterns of a .dockerignore, and whether each leaves out (or takes in again) what it matches."""
    lines = (line.strip() for line in text.splitlines())
    return [(_pattern(line.removeprefix("!")), not line.startswith("!")) for line in lines if line and line[0] != "#"]


def _pattern(glob: str) -> re.Pattern[str]:
    """Patterns begin at the root of the context; `**` stands for any number of folders, and what matches takes all
    below it along."""
    parts = (re.sub(r"\*", "[^/]*", re.escape(part).replace(r"\*", "*")) for part in glob.strip("/").split("/"))
    return re.compile("/".join(parts).replace("[^/]*[^/]*/", "(?:.*/)?") + "(?:/.*)?")


def left_out(path: str, patterns: list[tuple[re.Pattern[str], bool]]) -> bool:
    """Whether this path of the context is not sent to the build: the last pattern that matches decides."""
    verdicts = [out for pattern, out in patterns if pattern.fullmatch(path)]
    return bool(verdicts) and verdicts[-1]


def faults(stages: list[Stage], patterns: list[tuple[re.Pattern[str], bool]]) -> list[str]:
    """What is wrong with an image that is built like this, a line each."""
    found = [fault for stage in stages for fault in _of_stage(stage, stages, patterns)]
    final = stages[-1]
    user = final.last("USER")
    if user is None or user.text.split(":")[0] in ("root", "0"):
        found.append("the last USER is root")
    if final.last("HEALTHCHECK") is None:
        found.append("no HEALTHCHECK")
    stop = final.last("STOPSIGNAL")
    if stop is None or stop.text != "SIGTERM":
        found.append("STOPSIGNAL is not SIGTERM")
    return found


def _of_stage(stage: Stage, stages: list[Stage], patterns: list[tuple[re.Pattern[str], bool]]) -> Iterator[str]:
    names = {other.name for other in stages[: stages.index(stage)]}
    if stage.base not in names and not PINNED.fullmatch(stage.base):
        yield f"{stage.base} is not pinned by a tag and a digest"
    for step in stage.steps:
        if step.word == "ADD":
            yield f"ADD fetches and unpacks unseen: {step.text}"
        if step.word in ("ENV", "ARG") and (secret := _SECRET_NAME.search(step.text)):
            yield f"{step.word} holds a secret: {secret[0]}"
        if step.word in ("ENTRYPOINT", "CMD") and step.words is None:
            yield f"{step.word} is run by a shell, which takes no signal on"
        if step.word == "HEALTHCHECK" and Step("CMD", step.text.removeprefix("CMD")).words is None:
            yield "HEALTHCHECK is run by a shell"
        if step.word == "RUN" and "apt-get install" in step.text and "rm -rf /var/lib/apt/lists" not in step.text:
            yield "apt-get leaves its lists behind"
        if step.word == "COPY":
            yield from _of_copy(step, names, patterns)


def _of_copy(step: Step, names: set[str | None], patterns: list[tuple[re.Pattern[str], bool]]) -> Iterator[str]:
    if "from" in step.options:
        if step.options["from"] not in names:
            yield f"COPY from {step.options['from']}, which is no stage before it"
        return
    for source in step.text.split()[:-1]:
        if not (ROOT / source).exists():
            yield f"COPY of {source}, which is not there"
        elif left_out(source, patterns):
            yield f"COPY of {source}, which .dockerignore leaves out"


def carry_out(stage: Stage, folder: Path, patterns: list[tuple[re.Pattern[str], bool]]) -> None:
    """Do what a stage does, with `folder` in the place of the root of its file system; AssertionError where it fails.

    The Python of the base image is the one of this run, and bytes are compiled only where somebody needs them.
    """
    programs = folder / "usr/local/bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(Path(sys.executable).resolve())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environ = kept | stage.environment() | {"UV_COMPILE_BYTECODE": "0", "PATH": f"{programs}:/usr/bin:/bin"}
    here = folder
    for step in stage.steps:
        if step.word == "WORKDIR":
            here = folder / step.text.strip("/")
            here.mkdir(parents=True)
        elif step.word == "COPY":
            *sources, target = step.text.split()
            for source in sources:
                _copy(source, here / target, into=target.endswith("/"), patterns=patterns)
        elif step.word == "RUN":
            command = step.text.replace("/opt/", f"{folder}/opt/")
            done = subprocess.run(("sh", "-c", command), cwd=here, env=environ, capture_output=True, text=True)
            assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        else:
            assert step.word == "ENV", f"unsupported step {step.word}"


def _copy(source: str, target: Path, *, into: bool, patterns: list[tuple[re.Pattern[str], bool]]) -> None:
    def skipped(folder: str, names: list[str]) -> set[str]:
        at = Path(folder).relative_to(ROOT)
        return {name for name in names if left_out(str(at / name), patterns)}

    if (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, target, ignore=skipped, dirs_exist_ok=True)
    else:
        place = target / Path(source).name if into else target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, place)
