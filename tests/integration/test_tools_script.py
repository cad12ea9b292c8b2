"""scripts/test-tools on a machine that has none of the programs; its apt-get writes down what it is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.monitoring import ROOT

COMMANDS = ["bash", "dirname", "id", "ln", "mkdir", "mktemp", "mv", "rm", "sort", "cp", "touch", "dpkg-deb", "tar"]
COMMANDS += ["cat", "chmod", "tr"]

INSTALLED = ("chromium", "firefox", "php", "node")

PACKAGES = {
    "prometheus": ("bin", ["prometheus", "promtool"]),
    "nginx": ("sbin", ["nginx"]),
    "caddy": ("bin", ["caddy"]),
    "pgbouncer": ("sbin", ["pgbouncer"]),
}

NEEDS = {"pgbouncer": "a-service, libpresent (>= 1), libmissing (>= 2) | libother"}
"""What packages depend on; `libpresent` is installed."""

LIBRARIES = ("libmissing",)

DOWNLOADS = ["download"] * (len(PACKAGES) + len(LIBRARIES))

PROGRAMS = [name for _, programs in PACKAGES.values() for name in programs]

APT_GET = """#!/bin/bash
set -e
echo "$*" >>"$MACHINE/asked"
case "$*" in
  *update) touch "$MACHINE/lists" ;;
  *install*) for program in chromium firefox php node; do cp "$MACHINE/bin/apt-get" "$MACHINE/bin/$program"; done ;;
  *download*) [ -e "$MACHINE/lists" ] && cp "$MACHINE/${*: -1}.deb" . ;;
esac
"""

DPKG_QUERY = """#!/bin/bash
[ "${*: -1}" = libpresent ] && printf installed
"""

pytestmark = pytest.mark.skipif(
    shutil.which("dpkg-deb") is None, reason="packages of Debian are unpacked with dpkg-deb"
)


class Machine:
    """A checkout in a folder, and a PATH with nothing on it but what every Debian has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tools = folder / "checkout/.tools"
        (folder / "bin").mkdir()
        for name in COMMANDS:
            (folder / "bin" / name).symlink_to(str(shutil.which(name)))
        self.program("apt-get", APT_GET)
        self.program("dpkg-query", DPKG_QUERY)
        (folder / "checkout/scripts").mkdir(parents=True)
        shutil.copy(ROOT / "scripts/test-tools", folder / "checkout/scripts")
        for package, (place, programs) in PACKAGES.items():
            self._package(package, place, programs)
        for library in LIBRARIES:
            self._package(library, "lib/any-linux-gnu", [f"{library}.so"])

    def program(self, name: str, text: str = "#!/bin/bash\n") -> None:
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        """The script, as `make test` calls it."""
        environment = {"PATH": str(self.folder / "bin"), "MACHINE": str(self.folder)}
        script = [str(self.folder / "bin/bash"), "scripts/test-tools"]
        return subprocess.run(
            script, cwd=self.folder / "checkout", env=environment, capture_output=True, text=True, timeout=180
        )

    def asked(self) -> list[str]:
        """The verbs that apt-get was asked for."""
        log = self.folder / "asked"
        words = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
        return [next(word for word in line if word in {"update", "install", "download"}) for line in words]

    def _package(self, package: str, folder: str, programs: list[str]) -> None:
        made = self.folder / "made" / package
        (made / "DEBIAN").mkdir(parents=True)
        (made / "DEBIAN/control").write_text(
            f"Package: {package}\nVersion: 1\nArchitecture: all\nMaintainer: a <test@localhost>\nDescription: a test\n"
            + (f"Depends: {NEEDS[package]}\n" if package in NEEDS else "")
        )
        (made / "DEBIAN/postinst").write_text('#!/bin/sh\ntouch "$MACHINE/started"\n')
        (made / "DEBIAN/postinst").chmod(0o755)
        (made / "usr" / folder).mkdir(parents=True)
        for name in programs:
            (made / "usr" / folder / name).write_text('#!/bin/sh\necho "1$LD_LIBRARY_PATH"\n')
            (made / "usr" / folder / name).chmod(0o755)
        subprocess.run(
            ["dpkg-deb", "--build", "--root-owner-group", str(made), str(self.folder / f"{package}.deb")],
            check=True,
            capture_output=True,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    if os.getuid() != 0:
        machine.program("sudo", '#!/bin/bash\nexec "$@"\n')
    return machine


def test_a_fresh_machine_gets_everything_and_nothing_is_started(machine: Machine) -> None:
    ended = machine.run()
    assert ended.returncode == 0, ended.stderr
    assert machine.asked() == ["update", "install", *DOWNLOADS]
    for name in PROGRAMS:
        said = subprocess.run([machine.tools / "bin" / name], capture_output=True, text=True, check=True)
        libraries = machine.tools / "pgbouncer/usr/lib/any-linux-gnu"
        assert said.stdout == (f"1{libraries}\n" if name == "pgbouncer" else "1\n")
    assert not (machine.folder / "started").exists()
    assert sorted(path.name for path in machine.tools.iterdir()) == sorted(["bin", *PACKAGES])
    assert sorted(path.name for path in libraries.iterdir()) == [f"{library}.so" for library in LIBRARIES]


def test_what_is_there_is_left_alone_and_apt_is_not_asked(machine: Machine) -> None:
    machine.run()
    before = machine.asked()
    ended = machine.run()
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert machine.asked() == before


def test_lists_are_fetched_only_where_the_package_cannot_be_had_without(machine: Machine) -> None:
    for name in INSTALLED:
        machine.program(name)
    (machine.folder / "lists").touch()
    assert machine.run().returncode == 0
    assert machine.asked() == DOWNLOADS
    shutil.rmtree(machine.tools)
    (machine.folder / "lists").unlink()
    assert machine.run().returncode == 0
    again = ["download", "update", *DOWNLOADS]
    assert machine.asked() == [*DOWNLOADS, *again]


def test_programs_of_the_machine_are_taken_as_they_are(machine: Machine) -> None:
    for name in (*INSTALLED, *PROGRAMS):
        machine.program(name)
    assert machine.run().returncode == 0
    assert machine.asked() == []
    assert not machine.tools.exists()


def test_without_apt_the_missing_programs_are_named(machine: Machine) -> None:
    (machine.folder / "bin/apt-get").unlink()
    ended = machine.run()
    assert ended.returncode == 1
    assert f"chromium firefox-esr nodejs php-cli php-curl {' '.join(sorted(PACKAGES))}" in ended.stderr
