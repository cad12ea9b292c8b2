"""The configuration: each field of `Settings` is one environment variable, with its bounds and its meaning."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo

from ..core.domain.accounts import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, is_password, normal_password, normal_username
from ..core.domain.deadlines import DEFAULT_HISTORY, DEFAULT_RESULT_RETENTION, DEFAULT_SYNC_RESPONSE
from ..core.domain.errors import ConfigurationError
from ..core.domain.settings import COUNT_BOUNDS, DURATION_BOUNDS, MIB, AppSettings
from ..core.domain.slots.slot import DEFAULT_SLOT_COUNT, MAX_SLOT_COUNT
from ..core.ports.secrets import MIN_SECRET_CHARS
from ..core.services.auth.admin_password import password_errors
from ..core.services.providers.api_keys import MAX_KEY_CHARS, is_key, one_line
from .config_s3 import bucket_name, key_prefix, one_word
from .config_urls import host_patterns, hosts, networks, openai_url, origins, postgres_url, service_url, url
from .provider_plugins import BUILT_IN, installed_ids

PREFIX = "PHOTOCHANGER_"

_MAX_SECRET_CHARS = 4096
_MIN_TOKEN_CHARS = 24
_TOKEN = re.compile(rf"[A-Za-z0-9._~+/=-]{{{_MIN_TOKEN_CHARS},1024}}")
_KEY = "API_KEY"
_BASE_URL = "BASE_URL"


def key_variable(provider_id: str) -> str:
    """The environment variable of a provider's key."""
    return PREFIX + _provider_variable(provider_id, _KEY)


def _provider_variable(provider_id: str, suffix: str) -> str:
    return f"{provider_id.upper().replace('-', '_')}_{suffix}"


def _password(text: str) -> str:
    if not is_password(normal_password(text)):
        raise ValueError(f"must have {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters")
    return text


def _admin_password(text: str) -> str:
    for error in password_errors(text, username=None):
        raise ValueError(error.message[0].lower() + error.message[1:].removesuffix("."))
    return text


def _username(text: str) -> str:
    name = normal_username(text)
    if name is None:
        raise ValueError("must have 1 to 64 of a-z, 0-9 and ._@-, and begin with a letter or a digit")
    return name


def _secret_key(text: str) -> str:
    if not MIN_SECRET_CHARS <= len(text) <= _MAX_SECRET_CHARS:
        raise ValueError(f"must have {MIN_SECRET_CHARS} to {_MAX_SECRET_CHARS} characters")
    return text


def _metrics_token(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"must have {_MIN_TOKEN_CHARS} to 1024 of A-Z, a-z, 0-9 and ._~+/=-")
    return text


def _provider_key(text: str) -> str:
    text = one_line(text)
    if not is_key(text):
        raise ValueError(f"must be 1–{MAX_KEY_CHARS} printable ASCII characters on one line")
    return text


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise ValueError(f"{text[:200]!r} is not a folder")
    return path


def _text(parse: Callable[[str], Any], description: str, *, secret: bool = False) -> Meta:
    """A variable whose text `parse` turns into the value; it raises ValueError with what to do."""
    return Meta(description=description, extra={"parse": parse, "secret": secret})


def _duration(unit: str, bounds: tuple[timedelta, timedelta], description: str) -> Meta:
    """A variable in a unit of time, which is the end of its name."""
    one = timedelta(**{unit: 1})
    return Meta(description=description, extra={"unit": unit, "low": bounds[0] / one, "high": bounds[1] / one})


def _count(name: str, description: str) -> Meta:
    low, high = COUNT_BOUNDS[name]
    return Meta(ge=low, le=high, description=description)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a process of PhotoChanger is set up; the description of each field says what it means.

    The variable of a field is PHOTOCHANGER_ and its name in capitals, followed by the unit of a duration:
    PHOTOCHANGER_HISTORY_DAYS. Bounds are checked by `from_env` only.
    """

    home: Annotated[Path, Meta(description="Data folder: embedded database, media, secret.key.")] = Path("var")
    host: Annotated[str, Meta(description="Address to serve HTTP on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to serve HTTP on; 0 lets the system choose.")] = 8000
    database_url: Annotated[
        str | None,
        _text(postgres_url, "External PostgreSQL; None starts the embedded one in `home`.", secret=True),
    ] = None
    listen_database_url: Annotated[
        str | None,
        _text(
            postgres_url,
            "The same database without its pooler, for LISTEN; None: that of `database_url`.",
            secret=True,
        ),
    ] = None
    media_root: Annotated[Path | None, Meta(description="Folder of the media store; None means `home`/media.")] = None
    s3_bucket: Annotated[str | None, _text(bucket_name, "Bucket of the media store; None keeps files in a folder.")] = (
        None
    )
    s3_endpoint: Annotated[str | None, _text(service_url, "URL of the S3 service; None means AWS.")] = None
    s3_region: Annotated[str, _text(one_word, "Region of the bucket.")] = "us-east-1"
    s3_prefix: Annotated[str, _text(key_prefix, "Start of all keys in the bucket, which others may use too.")] = ""
    s3_access_key_id: Annotated[
        str | None, _text(one_word, "Key of the S3 service; None finds one as the AWS tools do.")
    ] = None
    s3_secret_access_key: Annotated[str | None, _text(one_word, "Secret of that key.", secret=True)] = None
    s3_redirect: Annotated[
        bool, Meta(description="Whether public links redirect to links of the S3 service, valid for a minute.")
    ] = False
    min_free_bytes: Annotated[
        int, Meta(ge=0, le=1024**5, description="Photos are refused while the media store has less free space.")
    ] = 256 * MIB
    max_unauthenticated_bytes: Annotated[
        int,
        Meta(
            ge=MIB, le=1024**4, description="Bytes that all uploads together may hold before their password is known."
        ),
    ] = 256 * MIB
    workers: Annotated[int, Meta(ge=0, le=256, description="Concurrent jobs of this host; 0 runs no workers here.")] = 4
    slot_count: Annotated[
        int, Meta(ge=1, le=MAX_SLOT_COUNT, description="Slots to provide; those beyond a smaller number are kept.")
    ] = DEFAULT_SLOT_COUNT
    hang_limit: Annotated[
        timedelta,
        _duration(
            "seconds",
            (timedelta(seconds=2), timedelta(minutes=10)),
            "How long a process may hang before it is ended and replaced.",
        ),
    ] = timedelta(seconds=15)
    history: Annotated[
        timedelta,
        _duration(
            "days",
            (timedelta(days=31), timedelta(days=36500)),
            "How long ended jobs and their logs are kept; statistics are kept for good.",
        ),
    ] = DEFAULT_HISTORY
    max_active_jobs: Annotated[int, _count("max_active_jobs", "Bound on pending and processing jobs.")] = 64
    sync_response: Annotated[
        timedelta,
        _duration("seconds", DURATION_BOUNDS["sync_response"], "Sync window: how long an ingest request is held."),
    ] = DEFAULT_SYNC_RESPONSE
    result_retention: Annotated[
        timedelta, _duration("hours", DURATION_BOUNDS["result_retention"], "How long results can be downloaded.")
    ] = DEFAULT_RESULT_RETENTION
    max_upload_bytes: Annotated[int, _count("max_upload_bytes", "Maximum size of a photo.")] = 64 * MIB
    max_image_pixels: Annotated[int, _count("max_image_pixels", "Maximum pixels of a photo.")] = 100_000_000
    public_base_url: Annotated[
        str | None, _text(url("http", "https"), "Start of public links; None takes it from the request.")
    ] = None
    trusted_proxies: Annotated[
        tuple[str, ...],
        _text(networks, "Addresses and networks (CIDR) of proxies whose forwarded addresses and schemes are believed."),
    ] = ()
    allowed_hosts: Annotated[
        tuple[str, ...],
        _text(
            host_patterns,
            "Further hosts under which the service answers, such as booth.example, *.booth.example.",
        ),
    ] = ()
    ingest_password: Annotated[
        str | None, _text(_password, "Ingest password of the first start; None generates one.", secret=True)
    ] = None
    admin_username: Annotated[str | None, _text(_username, "Administrator of the first start; None means `admin`.")] = (
        None
    )
    admin_password: Annotated[
        str | None, _text(_admin_password, "Password of that administrator; None generates one.", secret=True)
    ] = None
    cors_origins: Annotated[
        tuple[str, ...], _text(origins, "Origins whose pages may use the API, separated by commas.")
    ] = ()
    secret_key: Annotated[
        str | None,
        _text(_secret_key, "Encrypts stored keys; None generates one in `home`/secret.key when needed.", secret=True),
    ] = None
    private_hosts: Annotated[
        tuple[str, ...],
        _text(hosts, "Names, addresses, networks (CIDR) and host:port that may be reached although private."),
    ] = ()
    models_dir: Annotated[
        Path | None,
        _text(_folder, "Folder of changes to the models and prices of providers, one file `<provider>.json` each."),
    ] = None
    log_format: Annotated[Literal["console", "json"], Meta(description="Format of log lines.")] = "console"
    otlp_endpoint: Annotated[
        str | None,
        _text(service_url, "Base URL of the OTLP/HTTP collector for traces and metrics; None exports none."),
    ] = None
    metrics_port: (
        Annotated[int, Meta(ge=0, le=65535, description="Port of its own for Prometheus metrics; 0: a free one.")]
        | None
    ) = None
    metrics_host: Annotated[str, Meta(description="Address to serve that port on.")] = "127.0.0.1"
    metrics_token: Annotated[
        str | None,
        _text(_metrics_token, "Bearer token for `/metrics` at the HTTP address; None serves none there.", secret=True),
    ] = None

    provider_keys: dict[str, str] = {}
    """By provider id, from PHOTOCHANGER_<ID>_API_KEY; a key stored by an administrator takes precedence."""

    provider_base_urls: dict[str, str] = {}
    """By provider id, from PHOTOCHANGER_<ID>_BASE_URL."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment. ConfigurationError names the variable that cannot be used, and says what to do.

        Empty variables count as not set.
        """
        environ = os.environ if environ is None else environ
        texts = {name.removeprefix(PREFIX): text for name, text in environ.items() if name.startswith(PREFIX)}
        values: dict[str, Any] = {
            field.name: _convert(name, text.strip(), field)
            for name, field in _VARIABLES.items()
            if (text := texts.pop(name, "")).strip()
        }
        settings = cls(**values | _provider_settings(texts))
        if settings.admin_password and password_errors(settings.admin_password, username=settings.admin_username):
            raise ConfigurationError(PREFIX + "ADMIN_PASSWORD", "must not be the user name")
        settings._require_whole_s3()
        if settings.listen_database_url and not settings.database_url:
            raise ConfigurationError(
                PREFIX + "LISTEN_DATABASE_URL", f"has no use without {PREFIX}DATABASE_URL; unset it"
            )
        return settings

    @property
    def defaults(self) -> AppSettings:
        """The settings that apply until an administrator stores others."""
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

    def _require_whole_s3(self) -> None:
        """ConfigurationError where variables of the S3 service are set without those that they need."""
        given = {name: getattr(self, name) for name in _S3_FIELDS if getattr(self, name) != getattr(Settings(), name)}
        if given and self.s3_bucket is None:
            raise ConfigurationError(PREFIX + "S3_BUCKET", f"is not set, but {PREFIX}{next(iter(given)).upper()} is")
        for name, other in (("s3_access_key_id", "s3_secret_access_key"), ("s3_secret_access_key", "s3_access_key_id")):
            if name in given and other not in given:
                raise ConfigurationError(PREFIX + other.upper(), f"is not set, but {PREFIX}{name.upper()} is")

    @property
    def secret_key_file(self) -> Path:
        """Where the generated secret is kept if none is configured."""
        return self.home / "secret.key"

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in _SECRET_FIELDS)
        return f"Settings({', '.join(shown)})"


def _annotation(field: FieldInfo) -> tuple[Any, Meta]:
    """Type and Meta of a field, which may be optional."""
    kind = next((part for part in get_args(field.type) if get_origin(part) is Annotated), field.type)
    type, meta = get_args(kind)
    return type, meta


def _options(field: FieldInfo) -> dict[str, Any]:
    return _annotation(field)[1].extra or {}


def _variable(field: FieldInfo) -> str:
    unit = _options(field).get("unit")
    return field.name.upper() + (f"_{unit.upper()}" if unit else "")


_FIELDS = [field for field in msgspec.structs.fields(Settings) if not field.name.startswith("provider_")]
_S3_FIELDS = [field.name for field in _FIELDS if field.name.startswith("s3_")]
_VARIABLES = {_variable(field): field for field in _FIELDS}
_SECRET_FIELDS = {"provider_keys", *(field.name for field in _FIELDS if _options(field).get("secret"))}


def _convert(name: str, text: str, field: FieldInfo) -> Any:
    """The value of a variable. ConfigurationError."""
    options = _options(field)
    try:
        if "parse" in options:
            return options["parse"](text)
        if "unit" in options:
            bounds = Meta(ge=options["low"], le=options["high"])
            number = msgspec.convert(text, Annotated[float, bounds], strict=False)
            return timedelta(**{options["unit"]: number})
        return msgspec.convert(text, field.type, strict=False, dec_hook=lambda type, value: type(value))
    except msgspec.ValidationError:
        raise ConfigurationError(PREFIX + name, f"must be {_expected(field)}, not {text[:64]!r}") from None
    except ValueError as error:
        raise ConfigurationError(PREFIX + name, str(error)) from None


def _expected(field: FieldInfo) -> str:
    """What a number or a choice must be."""
    kind, meta = _annotation(field)
    options = meta.extra or {}
    if "unit" in options:
        return f"a number of {options['unit']} between {options['low']:g} and {options['high']:g}"
    if field.type is bool or kind is bool:
        return "true or false"
    if choices := get_args(kind):
        return " or ".join(choices)
    return f"a whole number between {meta.ge} and {meta.le}"


def _provider_settings(texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Keys and base URLs by provider. Installed packages are searched only for names that no built-in provider has.

    ConfigurationError for a variable of no provider.
    """
    parsers = {_KEY: ("provider_keys", _provider_key), _BASE_URL: ("provider_base_urls", service_url)}
    base_urls = {"openai": openai_url}

    def variables(provider_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        return {_provider_variable(id, suffix): (id, suffix) for id in provider_ids for suffix in parsers}

    known = variables(id for id in BUILT_IN if id != "local")
    if texts.keys() - known:
        known = variables(installed_ids()) | known
    values: dict[str, dict[str, str]] = {field: {} for field, _ in parsers.values()}
    for name, text in sorted(texts.items()):
        if name not in known:
            raise ConfigurationError(PREFIX + name, "is not a setting; check its spelling or unset it")
        if text.strip():
            provider_id, suffix = known[name]
            field, parse = parsers[suffix]
            if suffix == _BASE_URL:
                parse = base_urls.get(provider_id, parse)
            try:
                values[field][provider_id] = parse(text.strip())
            except ValueError as error:
                raise ConfigurationError(PREFIX + name, str(error)) from None
    return values
