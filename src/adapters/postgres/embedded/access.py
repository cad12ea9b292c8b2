"""Who may connect to the embedded server: clients with its password, which only the service's account can read.

The account of the server proves nothing: where the service runs as root it is a shared one, such as `nobody`.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from ...atomic_file import atomic_file
from .programs import EmbeddedServerError

ROLE = "photochanger"

_RULES = b"# Written by PhotoChanger at each start of the server.\nlocal all all scram-sha-256\n"
_PASSWORD_BYTES = 32
_LINE_START = f"*:*:*:{ROLE}:"


def password_file(folder: Path) -> Path:
    """The password of the server of this folder, in the form that libpq reads (`passfile`)."""
    return folder / "password"


def client_arguments(folder: Path, *, host: str) -> dict[str, Any]:
    """What a client needs to connect to the server of this folder."""
    return {"host": host, "user": ROLE, "dbname": "postgres", "passfile": str(password_file(folder))}


def require_password(folder: Path, single: Sequence[str], options: dict[str, Any], *, log: IO[bytes]) -> None:
    """Have the stopped server of this folder ask every client for the password, which is generated if it is missing.

    `single` runs it for one user without a socket, with these options of `subprocess`. EmbeddedServerError, OSError.
    """
    rules = folder / "data" / "pg_hba.conf"
    if rules.read_bytes() != _RULES:
        owner = rules.stat()
        with atomic_file(rules, replace=True) as file:
            file.write(_RULES)
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
    if not password_file(folder).exists():
        password = secrets.token_hex(_PASSWORD_BYTES)
        _set_password(password, single, options, log=log)
        with atomic_file(password_file(folder), replace=True) as file:
            file.write(f"{_LINE_START}{password}\n".encode())


def _set_password(password: str, single: Sequence[str], options: dict[str, Any], *, log: IO[bytes]) -> None:
    # Should the statement fail, the log does not quote it.
    command = [*single, "-c", "log_min_error_statement=panic", "-c", "log_statement=none", "postgres"]
    statement = f"alter role {ROLE} password '{password}'\n"
    done = subprocess.run(command, input=statement.encode(), stdout=log, stderr=subprocess.PIPE, check=False, **options)
    log.write(done.stderr)
    log.flush()
    if done.returncode or b"ERROR:" in done.stderr or b"FATAL:" in done.stderr:
        raise EmbeddedServerError(
            "The password of the embedded PostgreSQL cannot be set. See postgres.log next to its data."
        )
