"""What a command does not need is not imported: a start takes little time and memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from photochanger.entrypoints.cli.main import COMMANDS, cli

SERVER = {"litestar", "uvicorn", "sqlalchemy", "psycopg", "alembic", "dishka", "opentelemetry", "jwt", "pwdlib"}
IMAGES = {"PIL", "pyvips", "pillow_heif", "numpy"}
SDKS = {"google.genai", "openai"}

HTTP_PROCESS = """
import asyncio, sys
from pathlib import Path
import photochanger.entrypoints.cli.serve, photochanger.entrypoints.serve
from photochanger import Settings, create_app, memory_adapters

async def start():
    async with create_app(Settings(home=Path(sys.argv[1]), workers=0), adapters=memory_adapters()).lifespan():
        pass

asyncio.run(start())
"""


def imported_by(code: str, *arguments: str) -> set[str]:
    """The modules that a new interpreter has after running this."""
    script = f"{code}\nimport sys\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def test_the_http_process_loads_no_image_library_and_no_sdk(tmp_path: Path) -> None:
    modules = imported_by(HTTP_PROCESS, str(tmp_path / "home"))
    assert "litestar" in modules
    assert modules.isdisjoint(IMAGES | SDKS | {"rich", "httpx2", "opentelemetry.exporter", "alembic"})


def test_send_loads_no_server() -> None:
    modules = imported_by("import photochanger.entrypoints.cli.send.command")
    assert "httpx2" in modules
    assert modules.isdisjoint(SERVER | IMAGES | SDKS)


def test_the_help_of_the_group_loads_no_command() -> None:
    help = "from photochanger.entrypoints.cli.main import cli\ncli(['--help'], standalone_mode=False)"
    modules = imported_by(help)
    assert modules.isdisjoint(SERVER | IMAGES | SDKS | {"rich", "httpx2"})
    assert not [name for name in modules if name.startswith("photochanger.entrypoints.cli.") and "main" not in name]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_found_under_its_name(name: str) -> None:
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command is not None
    assert command.name == name
    assert command.help


def test_an_unknown_command_is_refused() -> None:
    assert cli.get_command(click.Context(cli), "no-such") is None
