"""A disk that is full or read-only for a while, in every Python process that has this folder in its PYTHONPATH.

The file named by CHAOS_DISK says `full` or `read-only`; it holds for files below CHAOS_DISK_ROOT. It works for root
too, whom permissions and quotas do not stop. A further `sitecustomize` in PYTHONPATH is run as well.
"""

import errno
import os
import sys
from pathlib import Path

_FLAG, _ROOT = os.environ.get("CHAOS_DISK", ""), os.environ.get("CHAOS_DISK_ROOT", "")
_CHANGES = ("unlink", "remove", "rename", "replace", "link", "symlink", "mkdir", "rmdir", "truncate")


def _below(place):
    try:
        path = os.readlink(f"/proc/self/fd/{place}") if isinstance(place, int) else os.fspath(place)
    except OSError:
        return False
    return isinstance(path, str) and path.startswith(_ROOT)


def _mood():
    try:
        with open(_FLAG) as file:
            return file.read()
    except OSError:
        return ""


def _refuse(number, place):
    raise OSError(number, os.strerror(number), place if isinstance(place, str) else None)


def _install():
    real_open, real_write = os.open, os.write

    def open_file(path, flags, *rest, **options):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and _below(path) and _mood() == "read-only":
            _refuse(errno.EROFS, os.fspath(path))
        return real_open(path, flags, *rest, **options)

    def write(descriptor, data):
        if _below(descriptor) and _mood() == "full":
            _refuse(errno.ENOSPC, None)
        return real_write(descriptor, data)

    def changing(real):
        def change(place, *rest, **options):
            if _below(place) and _mood() == "read-only":
                _refuse(errno.EROFS, os.fspath(place))
            return real(place, *rest, **options)

        return change

    os.open, os.write = open_file, write
    for name in _CHANGES:
        setattr(os, name, changing(getattr(os, name)))


def _run_next():
    own = Path(__file__).parent
    for folder in sys.path:
        other = Path(folder, "sitecustomize.py")
        if Path(folder) != own and other.is_file():
            exec(compile(other.read_text(), str(other), "exec"), {"__name__": "sitecustomize", "__file__": str(other)})
            return


if _FLAG and _ROOT:
    _install()
_run_next()
