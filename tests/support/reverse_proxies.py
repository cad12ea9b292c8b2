"""nginx and Caddy with the files of `deploy/` before the service of a test: only ports and certificates differ."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.monitoring import program
from tests.support.ports import kept_port
from tests.support.service import HANG_SECONDS, eventually

DEPLOY = Path(__file__).parents[2] / "deploy"
NAME = "photos.example"

_NGINX = """
daemon off;
{further}
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""

_CADDY = """{{
    admin off
    default_bind 127.0.0.1
    http_port {http}
    https_port {https}
    local_certs
    skip_install_trust
}}
"""


def nginx_settings(folder: Path, *, further: str = "") -> str:
    """The main file of an nginx that keeps all of its files in this folder, with the site in `site.conf`."""
    user = "user root;" if os.getuid() == 0 else ""
    return _NGINX.format(folder=folder, user=user, further=further)


@contextlib.contextmanager
def nginx(folder: Path, upstream: str) -> Iterator[httpx.Client]:
    """nginx with `deploy/nginx/photochanger.conf` before this service; a client that sends to it."""
    with kept_port() as http, kept_port() as https:
        certificate, key = _certificate(folder)
        site = (DEPLOY / "nginx/photochanger.conf").read_text()
        for pattern, instead in {
            "listen 80;": f"listen 127.0.0.1:{http};",
            "listen 443 ssl;": f"listen 127.0.0.1:{https} ssl;",
            "http://127.0.0.1:8000": upstream,
            f"/etc/letsencrypt/live/{NAME}/fullchain.pem": str(certificate),
            f"/etc/letsencrypt/live/{NAME}/privkey.pem": str(key),
        }.items():
            site = _replaced(site, pattern, instead)
        (folder / "site.conf").write_text(site)
        (folder / "nginx.conf").write_text(nginx_settings(folder))
        command = (
            program("nginx"),
            "-p",
            str(folder),
            "-e",
            str(folder / "nginx.log"),
            "-c",
            str(folder / "nginx.conf"),
        )
        checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        with _running(command, folder, root=certificate, port=https, stop=signal.SIGQUIT) as client:
            yield client


@contextlib.contextmanager
def caddy(folder: Path, upstream: str) -> Iterator[httpx.Client]:
    """Caddy with `deploy/caddy/Caddyfile` before this service; a client that sends to it."""
    with kept_port() as http, kept_port() as https:
        shipped = DEPLOY / "caddy/Caddyfile"
        own = {"HOME": str(folder), "XDG_DATA_HOME": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config")}
        environment = {**os.environ, **own}
        checked = subprocess.run(
            [program("caddy"), "validate", "--config", str(shipped), "--adapter", "caddyfile"],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert checked.returncode == 0, checked.stderr
        site = _replaced(shipped.read_text(), "127.0.0.1:8000", upstream.removeprefix("http://"))
        (folder / "Caddyfile").write_text(_CADDY.format(http=http, https=https) + site)
        command = (program("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile")
        root = folder / "data/caddy/pki/authorities/local/root.crt"
        with _running(command, folder, root=root, port=https, stop=signal.SIGTERM, environment=environment) as client:
            yield client


@contextlib.contextmanager
def _running(
    command: tuple[str, ...],
    folder: Path,
    *,
    root: Path,
    port: int,
    stop: signal.Signals,
    environment: dict[str, str] | None = None,
) -> Iterator[httpx.Client]:
    """Run a proxy; a client once it serves its name with a certificate that `root` vouches for."""
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        eventually(lambda: process.poll() is not None or _serves(root, port))
        assert process.poll() is None, (folder / "output").read_text()[-2000:]
        with _client(root, port) as client:
            yield client
    finally:
        process.send_signal(stop)
        process.wait(HANG_SECONDS)


def _client(root: Path, port: int) -> httpx.Client:
    """A client that trusts this certificate, and finds the proxy under its name."""

    def to_the_name(request: httpx.Request) -> None:
        request.headers["Host"] = NAME
        request.extensions = {**request.extensions, "sni_hostname": NAME}

    context = ssl.create_default_context(cafile=str(root))
    hooks = {"request": [to_the_name]}
    return httpx.Client(
        base_url=f"https://127.0.0.1:{port}", verify=context, event_hooks=hooks, timeout=HANG_SECONDS, trust_env=False
    )


def _serves(root: Path, port: int) -> bool:
    """Whether a TLS connection can be made; Caddy listens before it has made its certificates."""
    try:
        context = ssl.create_default_context(cafile=str(root))
        with socket.create_connection(("127.0.0.1", port), HANG_SECONDS) as connection:
            context.wrap_socket(connection, server_hostname=NAME).close()
    except OSError:  # nothing listens, no root certificate yet, or no certificate for the name yet
        return False
    return True


def _replaced(text: str, what: str, instead: str) -> str:
    assert re.search(re.escape(what), text), f"{what} is not in the file"
    return text.replace(what, instead)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for NAME that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths
