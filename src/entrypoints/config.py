"""`PHOTOCHANGER_*` environment variables as one frozen struct; errors name the variable as the operator wrote it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ..adapters.http_client.address_guard import AddressGuard
from ..core.domain.accounts import is_password, normal_password, normal_username
from ..core.domain.deadlines import DEFAULT_HISTORY, DEFAULT_RESULT_RETENTION, DEFAULT_SYNC_RESPONSE
from ..core.domain.errors import ConfigurationError
from ..core.domain.settings import (
    COUNT_BOUNDS,
    DURATION_BOUNDS,
    MIB,
    AppSettings,
)
from ..core.ports.secrets import MIN_SECRET_CHARS
from ..core.services.auth.admins import PASSWORD_RULE, USERNAME_RULE
from ..core.services.providers.api_keys import KEY_RULE, is_key
from .provider_plugins import BUILT_IN, installed_ids

PREFIX = "PHOTOCHANGER_"

_KEY = "API_KEY"
_BASE_URL = "BASE_URL"


_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")


def key_variable(provider_id: str) -> str:
    """The environment variable of a provider's key."""
    return PREFIX + _provider_variable(provider_id, _KEY)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a process of PhotoChanger is set up.

    Attributes:
        home: the data folder: embedded database, media folder.
        host, port: where HTTP is served; port 0 lets the system choose.
        database_url: an external PostgreSQL; None starts the embedded one in `home`.
        media_root: the folder of the media store; None means `home`/media.
        min_free_bytes: no photo is taken while less is free in the media store; 0 refuses none.
        workers: concurrent jobs of this host; 0 runs none here.
        sync_response, result_retention, max_active_jobs, max_upload_bytes, max_image_pixels: see AppSettings; what an
            administrator has stored goes over them.
        history: how long ended jobs and their logs are kept; statistics stay.
        public_base_url: what public links begin with; None takes it from the request.
        ingest_password: the password of the first start; None generates one.
        admin_username, admin_password: the administrator of the first start; None means `admin` and a generated one.
        cors_origins: from where pages in a browser may use the API (`https://studio.example`).
        secret_key: what seals stored keys; None keeps a generated one in `home`/secret.key once it is needed.
        provider_keys, provider_base_urls: by provider id; a key that an administrator has stored goes over this one.
        private_hosts: host names, addresses, networks (CIDR) and host:port that providers and webhooks may reach
            although private.
        log_format: `console` or `json`.
        otlp_endpoint: base URL of the collector that traces and metrics go to (OTLP over HTTP); None exports none.
        metrics_port: where a `worker` serves its figures to Prometheus; None serves none, 0 lets the system choose.
    """

    home: Path = Path("var")
    host: str = "127.0.0.1"
    port: int = 8000
    database_url: str | None = None
    media_root: Path | None = None
    min_free_bytes: int = 256 * MIB
    workers: int = 4
    history: timedelta = DEFAULT_HISTORY
    max_active_jobs: int = 64
    sync_response: timedelta = DEFAULT_SYNC_RESPONSE
    result_retention: timedelta = DEFAULT_RESULT_RETENTION
    max_upload_bytes: int = 64 * MIB
    max_image_pixels: int = 100_000_000
    public_base_url: str | None = None
    ingest_password: str | None = None
    admin_username: str | None = None
    admin_password: str | None = None
    cors_origins: tuple[str, ...] = ()
    secret_key: str | None = None
    provider_keys: dict[str, str] = {}
    provider_base_urls: dict[str, str] = {}
    private_hosts: tuple[str, ...] = ()
    log_format: str = "console"
    otlp_endpoint: str | None = None
    metrics_port: int | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """The settings that the environment describes; ConfigurationError names the variable that cannot be used."""
        environ = os.environ if environ is None else environ
        named = {name.removeprefix(PREFIX): text for name, text in environ.items() if name.startswith(PREFIX)}
        values: dict[str, Any] = {
            field: _read(name, named[name].strip(), read)
            for name, (field, read) in _VARIABLES.items()
            if named.get(name, "").strip()
        }
        left = {name: text.strip() for name, text in named.items() if name not in _VARIABLES}
        return cls(**values | _of_providers(left))

    @property
    def defaults(self) -> AppSettings:
        """What applies until an administrator stores something else."""
        return AppSettings(
            sync_response=self.sync_response,
            result_retention=self.result_retention,
            max_active_jobs=self.max_active_jobs,
            max_upload_bytes=self.max_upload_bytes,
            max_image_pixels=self.max_image_pixels,
        )

    @property
    def media_folder(self) -> Path:
        return self.media_root or self.home / "media"

    @property
    def secret_key_file(self) -> Path:
        """Where the generated secret is kept if none is configured."""
        return self.home / "secret.key"

    def __repr__(self) -> str:
        hidden = {"database_url", "ingest_password", "admin_password", "secret_key", "provider_keys"}
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in hidden)
        return f"Settings({', '.join(shown)})"


def _read(name: str, text: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise ConfigurationError(PREFIX + name, str(error)) from None


def _of_providers(named: Mapping[str, str]) -> dict[str, Any]:
    """Keys and base URLs by provider. Only where another name than the built-in ones is there are packages looked for.

    ConfigurationError for a name that belongs to no provider.
    """
    readers = {_KEY: ("provider_keys", _provider_key), _BASE_URL: ("provider_base_urls", _service_url)}

    def variables(provider_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        return {_provider_variable(id, what): (id, what) for id in provider_ids for what in readers}

    known = variables(id for id in BUILT_IN if id != "local")
    if named.keys() - known:
        known = variables(installed_ids()) | known
    values: dict[str, dict[str, str]] = {field: {} for field, _ in readers.values()}
    for name, text in sorted(named.items()):
        if name not in known:
            raise ConfigurationError(PREFIX + name, "there is no such setting")
        if text:
            provider_id, what = known[name]
            field, read = readers[what]
            values[field][provider_id] = _read(name, text, read)
    return values


def _provider_variable(provider_id: str, what: str) -> str:
    return f"{provider_id.upper().replace('-', '_')}_{what}"


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a whole number") from None
        if not low <= value <= high:
            raise ValueError(f"{value} is not between {low} and {high}")
        return value

    return read


def _duration(unit: str, low: timedelta, high: timedelta) -> Callable[[str], timedelta]:
    def read(text: str) -> timedelta:
        try:
            value = timedelta(**{unit: float(text)})
        except (ValueError, OverflowError):
            raise ValueError(f"{text!r} is not a number of {unit}") from None
        if not low <= value <= high:
            one = timedelta(**{unit: 1})
            raise ValueError(f"{text} {unit} is not between {low / one:g} and {high / one:g}")
        return value

    return read


def _url(*schemes: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        try:
            parts = urlsplit(text)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in schemes:
            raise ValueError(f"is not an URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return text.rstrip("/")

    return read


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return read


def _password(text: str) -> str:
    if not 8 <= len(text) <= 1024:
        raise ValueError("is not between 8 and 1024 characters long")
    return text


def _username(text: str) -> str:
    name = normal_username(text)
    if name is None:
        raise ValueError(f"is no user name. {USERNAME_RULE}")
    return name


def _admin_password(text: str) -> str:
    if not is_password(normal_password(text)):
        raise ValueError(f"cannot be used. {PASSWORD_RULE}")
    return text


def _origins(text: str) -> tuple[str, ...]:
    return tuple(_origin(entry.strip()) for entry in text.split(",") if entry.strip())


def _origin(text: str) -> str:
    """As a browser writes it in `Origin`: in small letters, without the usual port, and nothing after it."""
    try:
        parts = urlsplit(text.lower().removesuffix("/"))
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    usual = {"http": 80, "https": 443}
    if (
        not host
        or not _HOST.fullmatch(host)
        or parts.scheme not in usual
        or f"{parts.scheme}://{parts.netloc}" != parts.geturl()
        or "@" in parts.netloc
    ):
        raise ValueError(f"{text!r} is no origin such as https://studio.example")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, usual[parts.scheme]) else f":{port}")


def _secret_key(text: str) -> str:
    if not MIN_SECRET_CHARS <= len(text) <= 4096:
        raise ValueError(f"is not between {MIN_SECRET_CHARS} and 4096 characters long")
    return text


def _provider_key(text: str) -> str:
    if not is_key(text):
        raise ValueError(f"is no key. {KEY_RULE}")
    return text


def _service_url(text: str) -> str:
    url = _url("http", "https")(text)
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("has no host name")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("has a user name, a password, a query or a fragment, which does not belong there")
    return url


def _hosts(text: str) -> tuple[str, ...]:
    entries = tuple(entry.strip() for entry in text.split(",") if entry.strip())
    AddressGuard(entries)  # knows what an entry can be, and names the variable where one is none
    return entries


_VARIABLES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "HOME": ("home", Path),
    "HOST": ("host", str),
    "PORT": ("port", _whole(0, 65535)),
    "DATABASE_URL": ("database_url", _url("postgresql", "postgres")),
    "MEDIA_ROOT": ("media_root", Path),
    "MIN_FREE_BYTES": ("min_free_bytes", _whole(0, 1024**5)),
    "WORKERS": ("workers", _whole(0, 256)),
    "MAX_ACTIVE_JOBS": ("max_active_jobs", _whole(*COUNT_BOUNDS["max_active_jobs"])),
    "SYNC_RESPONSE_SECONDS": ("sync_response", _duration("seconds", *DURATION_BOUNDS["sync_response"])),
    "RESULT_RETENTION_HOURS": ("result_retention", _duration("hours", *DURATION_BOUNDS["result_retention"])),
    "HISTORY_DAYS": ("history", _duration("days", timedelta(days=31), timedelta(days=36500))),
    "MAX_UPLOAD_BYTES": ("max_upload_bytes", _whole(*COUNT_BOUNDS["max_upload_bytes"])),
    "MAX_IMAGE_PIXELS": ("max_image_pixels", _whole(*COUNT_BOUNDS["max_image_pixels"])),
    "PUBLIC_BASE_URL": ("public_base_url", _url("http", "https")),
    "INGEST_PASSWORD": ("ingest_password", _password),
    "ADMIN_USERNAME": ("admin_username", _username),
    "ADMIN_PASSWORD": ("admin_password", _admin_password),
    "CORS_ORIGINS": ("cors_origins", _origins),
    "SECRET_KEY": ("secret_key", _secret_key),
    "PRIVATE_HOSTS": ("private_hosts", _hosts),
    "LOG_FORMAT": ("log_format", _one_of("console", "json")),
    "OTLP_ENDPOINT": ("otlp_endpoint", _service_url),
    "METRICS_PORT": ("metrics_port", _whole(0, 65535)),
}
