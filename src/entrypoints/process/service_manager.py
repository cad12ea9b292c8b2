"""What a service manager that speaks systemd's notification protocol is given: ready, alive, stopping."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""The variables that the service manager sets for the main process alone."""


class ServiceManager:
    """Sends notifications where the environment names a socket for them, and nothing elsewhere."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def ready(self) -> None:
        """Report that the service has started."""
        self._notify("READY=1")

    def alive(self) -> None:
        """Report that the event loop runs: without this for `WatchdogSec` the service is killed and restarted."""
        self._notify("WATCHDOG=1")

    def stopping(self) -> None:
        """Report that the service has begun to stop."""
        self._notify("STOPPING=1")

    def _notify(self, state: str) -> None:
        if self._address:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
                notifications.setblocking(False)
                with contextlib.suppress(OSError):  # the manager restarts, or does not keep up: the next one counts
                    notifications.sendto(state.encode(), self._address)
