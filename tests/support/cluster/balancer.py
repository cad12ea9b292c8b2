"""nginx with `deploy/nginx/several-hosts.conf` before the hosts of the cluster: only addresses, and no TLS, differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.support.monitoring import ROOT, program
from tests.support.reverse_proxies import nginx_settings

_CONF = ROOT / "deploy/nginx/several-hosts.conf"


class Balancer:
    """Its files, its address, and the command that runs it as one process."""

    def __init__(self, folder: Path, port: int, hosts: Sequence[int]) -> None:
        folder.mkdir()
        self.url = f"http://127.0.0.1:{port}"
        self.command = (
            program("nginx"),
            "-p",
            str(folder),
            "-e",
            str(folder / "nginx.log"),
            "-c",
            str(folder / "nginx.conf"),
        )
        site = shipped(hosts)
        site = re.sub(r"server \{\n    listen 80;.*?\n\}\n", "", site, flags=re.DOTALL)
        site = re.sub(r"    ssl_certificate.*?\n", "", site)
        site = site.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};").replace("$host;", "$http_host;")
        (folder / "site.conf").write_text(site)
        # One process: killed, it leaves none behind that listens.
        (folder / "nginx.conf").write_text(nginx_settings(folder, further="master_process off;"))


def shipped(hosts: Sequence[int]) -> str:
    """The shipped file with these hosts of loopback."""
    named = iter(f"127.0.0.1:{port}" for port in hosts)
    text, count = re.subn(r"10\.0\.0\.\d:8000", lambda _: next(named), _CONF.read_text())
    assert count == len(hosts)
    return text
