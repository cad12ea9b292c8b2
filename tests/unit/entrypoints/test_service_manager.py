"""The notifications of systemd's protocol."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from photochanger.entrypoints.process.service_manager import ServiceManager


def received(address: str, manager: ServiceManager) -> list[bytes]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        manager.ready()
        manager.alive()
        manager.stopping()
        return [listening.recv(64) for _ in range(3)]


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_the_manager_hears_ready_alive_and_stopping(
    abstract: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    named = f"@{tmp_path}/notify" if abstract else "notify"
    address = "\0" + named[1:] if abstract else named
    assert received(address, ServiceManager({"NOTIFY_SOCKET": named})) == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_a_manager_that_is_gone_and_none_at_all_are_no_error(tmp_path: Path) -> None:
    for environ in ({"NOTIFY_SOCKET": str(tmp_path / "gone")}, {}):
        manager = ServiceManager(environ)
        manager.ready()
        manager.alive()
        manager.stopping()
