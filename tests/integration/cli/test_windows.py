"""The command line on Windows: clients run without what Windows lacks, commands of the server say where they run.

`watch` and `fetch` are run in the same way by their own tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from photochanger.entrypoints.cli import main

from tests.support import photos
from tests.support.http_server import PICTURE, serving
from tests.support.sender import Studio, url_of
from tests.support.windows import WITHOUT_UNIX

pytestmark = pytest.mark.anyio

CLIENTS = {"fetch", "send", "watch"}


async def test_send_runs_without_what_windows_lacks(tmp_path: Path) -> None:
    studio = Studio(tmp_path / "studio")
    async with serving(tmp_path / "home") as service:
        done = await studio.send(studio.photo(), url=url_of(service), wrapper=WITHOUT_UNIX)
    assert done.code == 0, done.errors
    (picture,) = studio.pictures()
    assert photos.load(studio.output / picture) == PICTURE


@pytest.mark.parametrize("command", sorted({*main.COMMANDS} - CLIENTS))
@pytest.mark.parametrize("arguments", [(), ("--help",)], ids=["called", "help"])
def test_commands_of_the_server_say_where_they_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr(main, "ON_WINDOWS", True)
    monkeypatch.setattr(sys, "argv", ["photochanger", command, *arguments])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    written = capsys.readouterr()
    other = "On Windows use `photochanger send`, `watch` and `fetch`."
    assert (written.out, written.err) == ("", f"Error: `photochanger {command}` needs Linux or macOS. {other}\n")
