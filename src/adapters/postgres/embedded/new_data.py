"""The data of a new server: made next to its place, and moved there when it is whole.

`initdb` writes the file by which data are recognised long before it has ended; a first start that is cut short (by a
kill or a power failure) would leave data that no server starts on.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from .access import ROLE
from .programs import EmbeddedServerError, as_account

_PARTIAL = "data.new-"


def is_missing(data: Path) -> bool:
    """Whether there are no data yet."""
    return not (data / "PG_VERSION").exists()


def path_for(data: Path, account: pwd.struct_passwd | None, directory: int) -> str:
    """How the server's programs are given this folder, which is open as `directory`: their account may not enter the
    folders above it."""
    return str(data) if account is None else f"/proc/self/fd/{directory}"


def create(data: Path, programs: Path, account: pwd.struct_passwd | None, *, log: IO[bytes]) -> None:
    """Create the data, and remove what an interrupted creation has left. EmbeddedServerError, OSError."""
    for left in (data, *data.parent.glob(f"{_PARTIAL}*")):
        shutil.rmtree(left, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=data.parent))
    try:
        if account is not None:
            os.chown(partial, account.pw_uid, account.pw_gid)
        _initialize(partial, programs, account, log=log)
        partial.rename(data)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    folder = os.open(data.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _initialize(data: Path, programs: Path, account: pwd.struct_passwd | None, *, log: IO[bytes]) -> None:
    directory = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        place = path_for(data, account, directory)
        command = [str(programs / "initdb"), "-D", place, "-U", ROLE, "-A", "reject", "-E", "UTF8", "--no-locale"]
        options = as_account(account, directory)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, **options)
    finally:
        os.close(directory)
    if done.returncode:
        raise EmbeddedServerError("The data of the embedded PostgreSQL cannot be created. See postgres.log next to it.")
