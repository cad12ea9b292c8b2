"""Each module can be the first one that a program imports: no import circle, no order that only the service knows."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import photochanger

_EACH_ALONE = """
import gc, importlib, os, sys
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from pathlib import Path

names = sys.argv[1:]
gc.disable()  # a collection in a child copies the pages of all that it shares


def in_a_child(work):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            said = work()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode()[:32_000])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


def all_foreign():
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            pass  # reported below, by its own child
    return " ".join(sorted(name for name in sys.modules if name != "__main__" and not is_ours(name)))


def is_ours(name):
    return name.partition(".")[0] == "photochanger"


# What is not ours is imported once, so that a child only pays for our own modules.
for foreign in in_a_child(all_foreign).split():
    try:
        importlib.import_module(foreign)
    except Exception:
        pass  # a part of another package that cannot stand alone

# Our modules are compiled once, but not run: a child only pays for running them.
package = Path(find_spec("photochanger").origin).parent
compiled = {}
for path in package.rglob("*.py"):
    parts = [part for part in path.relative_to(package).with_suffix("").parts if part != "__init__"]
    compiled[".".join(["photochanger", *parts])] = compile(path.read_bytes(), path, "exec")
read = SourceFileLoader.get_code
SourceFileLoader.get_code = lambda loader, name: compiled[name] if name in compiled else read(loader, name)

ours = [name for name in sys.modules if is_ours(name)]
assert not ours, ours
for name in names:
    said = in_a_child(lambda: importlib.import_module(name) and "")
    if said:
        print(name, said)
"""


def modules() -> list[str]:
    """All modules of the package but the scripts that run as they are imported."""
    found = pkgutil.walk_packages(photochanger.__path__, "photochanger.")
    return [
        module.name for module in found if not module.name.endswith("__main__") and ".migrations" not in module.name
    ]


def test_each_module_can_be_imported_first() -> None:
    names = modules()
    assert len(names) > 300
    done = subprocess.run([sys.executable, "-c", _EACH_ALONE, *names], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_the_providers_load_no_http_library_before_it_is_needed() -> None:
    code = (
        "import sys; from photochanger.adapters.providers import http, turbotext; "
        "print([name for name in ('httpx2', 'httpcore2') if name in sys.modules])"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
