"""The environment variables: each one is read, and a value that cannot be used names its variable."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from photochanger.core.domain.errors import ConfigurationError
from photochanger.core.domain.settings import AppSettings
from photochanger.entrypoints.config import Settings, key_variable

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("HOME", "/srv/photos", "home", Path("/srv/photos")),
        ("HOST", "0.0.0.0", "host", "0.0.0.0"),
        ("PORT", "0", "port", 0),
        ("PORT", "65535", "port", 65535),
        ("DATABASE_URL", "postgresql://u:p@db/photos", "database_url", "postgresql://u:p@db/photos"),
        ("DATABASE_URL", "postgres://db/photos", "database_url", "postgres://db/photos"),
        ("MEDIA_ROOT", "/srv/media", "media_root", Path("/srv/media")),
        ("MIN_FREE_BYTES", "0", "min_free_bytes", 0),
        ("MIN_FREE_BYTES", "1073741824", "min_free_bytes", 1024 * MIB),
        ("WORKERS", "0", "workers", 0),
        ("WORKERS", "256", "workers", 256),
        ("SLOT_COUNT", "1", "slot_count", 1),
        ("SLOT_COUNT", "1000", "slot_count", 1000),
        ("MAX_ACTIVE_JOBS", "1", "max_active_jobs", 1),
        ("MAX_ACTIVE_JOBS", "10000", "max_active_jobs", 10_000),
        ("SYNC_RESPONSE_SECONDS", "10", "sync_response", timedelta(seconds=10)),
        ("SYNC_RESPONSE_SECONDS", "59.5", "sync_response", timedelta(seconds=59.5)),
        ("SYNC_RESPONSE_SECONDS", "60", "sync_response", timedelta(seconds=60)),
        ("RESULT_RETENTION_HOURS", "0.5", "result_retention", timedelta(minutes=30)),
        ("HISTORY_DAYS", "31", "history", timedelta(days=31)),
        ("MAX_UPLOAD_BYTES", "1024", "max_upload_bytes", 1024),
        ("MAX_UPLOAD_BYTES", str(1024 * MIB), "max_upload_bytes", 1024 * MIB),
        ("MAX_IMAGE_PIXELS", "1000000000", "max_image_pixels", 1_000_000_000),
        ("PUBLIC_BASE_URL", "https://photos.example/", "public_base_url", "https://photos.example"),
        ("INGEST_PASSWORD", "12345678", "ingest_password", "12345678"),
        ("INGEST_PASSWORD", "x" * 1024, "ingest_password", "x" * 1024),
        ("ADMIN_USERNAME", " Ada@Booth ", "admin_username", "ada@booth"),
        ("ADMIN_PASSWORD", "pässwörter", "admin_password", "pässwörter"),
        ("CORS_ORIGINS", "https://studio.example", "cors_origins", ("https://studio.example",)),
        (
            "CORS_ORIGINS",
            " HTTPS://Studio.Example:443/ ,http://localhost:3000,,http://[::1]:80",
            "cors_origins",
            ("https://studio.example", "http://localhost:3000", "http://[::1]"),
        ),
        ("METRICS_PORT", "0", "metrics_port", 0),
        ("METRICS_HOST", "0.0.0.0", "metrics_host", "0.0.0.0"),
        ("METRICS_TOKEN", "x" * 24, "metrics_token", "x" * 24),
        ("SECRET_KEY", "s" * 32, "secret_key", "s" * 32),
        ("SECRET_KEY", "s" * 4096, "secret_key", "s" * 4096),
        ("GEMINI_API_KEY", "AIza-key", "provider_keys", {"gemini": "AIza-key"}),
        ("OPENAI_API_KEY", " sk-key\n", "provider_keys", {"openai": "sk-key"}),
        ("TURBOTEXT_API_KEY", "k", "provider_keys", {"turbotext": "k"}),
        ("HTTP_API_KEY", "user pass", "provider_keys", {"http": "user pass"}),
        ("GEMINI_BASE_URL", "http://127.0.0.1:8080/", "provider_base_urls", {"gemini": "http://127.0.0.1:8080"}),
        ("OPENAI_BASE_URL", "https://gate.example/v1", "provider_base_urls", {"openai": "https://gate.example/v1"}),
        (
            "OPENAI_BASE_URL",
            "https://gate.example/openai/v1?api-version=2025-04-01-preview",
            "provider_base_urls",
            {"openai": "https://gate.example/openai/v1?api-version=2025-04-01-preview"},
        ),
        (
            "GEMINI_API_KEY",
            '{\n  "type": "service_account"\n}',
            "provider_keys",
            {"gemini": '{"type":"service_account"}'},
        ),
        ("TURBOTEXT_BASE_URL", "https://t.example", "provider_base_urls", {"turbotext": "https://t.example"}),
        ("HTTP_BASE_URL", "http://[::1]:9", "provider_base_urls", {"http": "http://[::1]:9"}),
        ("PRIVATE_HOSTS", "renderer.local", "private_hosts", ("renderer.local",)),
        (
            "PRIVATE_HOSTS",
            " 10.0.0.7:8188, 192.168.0.0/16 ,,renderer:80,[::1]:80,fd00::/8,::1",
            "private_hosts",
            ("10.0.0.7:8188", "192.168.0.0/16", "renderer:80", "[::1]:80", "fd00::/8", "::1"),
        ),
        ("TRUSTED_PROXIES", "10.0.0.7, 10.1.0.0/16,::1", "trusted_proxies", ("10.0.0.7/32", "10.1.0.0/16", "::1/128")),
        (
            "ALLOWED_HOSTS",
            " Booth.example.,*.b.example,[::1]",
            "allowed_hosts",
            ("booth.example", "*.b.example", "::1"),
        ),
        ("ALLOWED_HOSTS", "*", "allowed_hosts", ("*",)),
        ("MODELS_DIR", "/", "models_dir", Path("/")),
        ("LOG_FORMAT", "json", "log_format", "json"),
        ("LOG_FORMAT", " console ", "log_format", "console"),
    ],
)
def test_each_variable_sets_its_field_and_no_other(variable: str, text: str, field: str, value: Any) -> None:
    settings = Settings.from_env({f"PHOTOCHANGER_{variable}": text, "HOME": "/root", "PORT": "x"})
    for name in Settings.__struct_fields__:
        assert getattr(settings, name) == (value if name == field else getattr(Settings(), name)), name


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("GEMINI_BASE_URL", "https://g.example?api-version=v1", "must not contain a user name, password, query"),
        ("OPENAI_BASE_URL", "https://g.example?api-version=v1&key=1", "must not contain a user name, password, query"),
        ("MODELS_DIR", "/no/such", "'/no/such' is not a folder"),
        ("PORT", "http", "must be a whole number between 0 and 65535, not 'http'"),
        ("PORT", "-1", "between 0 and 65535"),
        ("PORT", "65536", "between 0 and 65535"),
        ("DATABASE_URL", "mysql://db/photos", "postgresql://"),
        ("LISTEN_DATABASE_URL", "mysql://db/photos", "postgresql://"),
        ("LISTEN_DATABASE_URL", "postgresql://db/photos", "has no use without PHOTOCHANGER_DATABASE_URL"),
        ("DATABASE_URL", "postgresql://[db/photos", "postgresql://"),
        ("WORKERS", "1.5", "must be a whole number"),
        ("WORKERS", "257", "between 0 and 256"),
        ("SLOT_COUNT", "0", "between 1 and 1000"),
        ("SLOT_COUNT", "1001", "between 1 and 1000"),
        ("MAX_ACTIVE_JOBS", "0", "between 1 and 10000"),
        ("SYNC_RESPONSE_SECONDS", "9.99", "between 10 and 60"),
        ("SYNC_RESPONSE_SECONDS", "60.01", "between 10 and 60"),
        ("SYNC_RESPONSE_SECONDS", "nan", "must be a number of seconds"),
        ("SYNC_RESPONSE_SECONDS", "inf", "must be a number of seconds"),
        ("SYNC_RESPONSE_SECONDS", "48s", "must be a number of seconds"),
        ("RESULT_RETENTION_HOURS", "0", "between 0.0166667 and 87600"),
        ("RESULT_RETENTION_HOURS", "1e300", "must be a number of hours"),
        ("MAX_UPLOAD_BYTES", "64M", "must be a whole number"),
        ("MAX_UPLOAD_BYTES", "1023", "between 1024 and"),
        ("MAX_IMAGE_PIXELS", "0", "between 1 and"),
        ("PUBLIC_BASE_URL", "photos.example", "http://"),
        ("PUBLIC_BASE_URL", "ftp://photos.example", "http://"),
        ("INGEST_PASSWORD", "1234567", "must have 8 to 1024 characters"),
        ("INGEST_PASSWORD", "x" * 1025, "must have 8 to 1024 characters"),
        ("ADMIN_USERNAME", "Ada Lovelace", "must have 1 to 64 of a-z"),
        ("ADMIN_PASSWORD", "ninechars", "10 to 1024 characters"),
        ("ADMIN_PASSWORD", "e\u0301" * 9, "10 to 1024 characters"),
        ("ADMIN_PASSWORD", "1234567890", "one of the most common passwords"),
        ("CORS_ORIGINS", "*", "'*' is not an origin"),
        ("CORS_ORIGINS", "https://*.example", "is not an origin"),
        ("CORS_ORIGINS", "null", "'null' is not an origin"),
        ("CORS_ORIGINS", "studio.example", "is not an origin"),
        ("CORS_ORIGINS", "ftp://studio.example", "is not an origin"),
        ("CORS_ORIGINS", "https://studio.example/admin", "is not an origin"),
        ("CORS_ORIGINS", "https://studio.example?a", "is not an origin"),
        ("CORS_ORIGINS", "https://user@studio.example", "is not an origin"),
        ("CORS_ORIGINS", "https://studio.example:70000", "is not an origin"),
        ("CORS_ORIGINS", "https://", "is not an origin"),
        ("CORS_ORIGINS", "https://bücher.example", "is not an origin"),
        ("CORS_ORIGINS", "https://a example", "is not an origin"),
        ("CORS_ORIGINS", "https://a.example https://b.example", "is not an origin"),
        ("METRICS_PORT", "65536", "between 0 and 65535"),
        ("METRICS_TOKEN", "x" * 23, "must have 24 to 1024"),
        ("METRICS_TOKEN", "two words that are long enough", "must have 24 to 1024"),
        ("SECRET_KEY", "s" * 31, "must have 32 to 4096 characters"),
        ("SECRET_KEY", "s" * 4097, "must have 32 to 4096 characters"),
        ("GEMINI_API_KEY", "two\nlines", "printable ASCII characters on one line"),
        ("OPENAI_API_KEY", "x" * 4097, "1–4096"),
        ("GEMINI_BASE_URL", "localhost:8080", "http://"),
        ("GEMINI_BASE_URL", "https://", "no host name"),
        ("GEMINI_BASE_URL", "https://user@gate.example", "must not contain"),
        ("GEMINI_BASE_URL", "https://gate.example/?a=1", "must not contain"),
        ("PRIVATE_HOSTS", "10.0.0.0/33", "10.0.0.0/33"),
        ("PRIVATE_HOSTS", "10.0.0.1,renderer:0", "renderer:0"),
        ("PRIVATE_HOSTS", "renderer:65536", "renderer:65536"),
        ("PRIVATE_HOSTS", "http://renderer", "http://renderer"),
        ("PRIVATE_HOSTS", "10.0.1", "10.0.1"),
        ("PRIVATE_HOSTS", "10.0.0.1 10.0.0.2", "10.0.0.1 10.0.0.2"),
        ("TRUSTED_PROXIES", "proxy.example", "'proxy.example' is not an address or network"),
        ("TRUSTED_PROXIES", "10.0.0.7/8", "'10.0.0.7/8' is not an address or network"),
        ("ALLOWED_HOSTS", "https://booth.example", "'https://booth.example' is not a host"),
        ("ALLOWED_HOSTS", "booth.example:8000", "'booth.example:8000' is not a host"),
        ("LOG_FORMAT", "xml", "must be console or json, not 'xml'"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_variable(variable: str, text: str, said: str) -> None:
    name = f"PHOTOCHANGER_{variable}"
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_env({name: text})
    assert refused.value.variable == name
    assert str(refused.value).startswith(f"{name}: ")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_password_of_the_first_administrator_must_not_be_the_name() -> None:
    given = {"PHOTOCHANGER_ADMIN_USERNAME": "grace.hopper", "PHOTOCHANGER_ADMIN_PASSWORD": "Grace.Hopper"}
    with pytest.raises(ConfigurationError, match="PHOTOCHANGER_ADMIN_PASSWORD: must not be the user name"):
        Settings.from_env(given)


@pytest.mark.parametrize(
    ("variable", "secret"),
    [
        ("DATABASE_URL", "mysql://u:s3cret@db/x"),
        ("LISTEN_DATABASE_URL", "mysql://u:s3cret@db/x"),
        ("INGEST_PASSWORD", "s3cret"),
        ("ADMIN_PASSWORD", "s3cret"),
        ("METRICS_TOKEN", "s3cret"),
        ("SECRET_KEY", "s3cret"),
        ("GEMINI_API_KEY", "s3cret\nkey"),
        ("HTTP_BASE_URL", "https://u:s3cret@gate.example"),
    ],
)
def test_the_error_does_not_repeat_a_secret(variable: str, secret: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_env({f"PHOTOCHANGER_{variable}": secret})
    assert "s3cret" not in str(refused.value)


def test_a_misspelt_variable_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match="is not a setting") as refused:
        Settings.from_env({"PHOTOCHANGER_WORKRES": "4"})
    assert refused.value.variable == "PHOTOCHANGER_WORKRES"


@pytest.mark.parametrize("name", ["NO_SUCH_API_KEY", "NO_SUCH_BASE_URL", "LOCAL_API_KEY", "API_KEY", "GEMINI_KEY"])
def test_a_variable_of_a_provider_that_is_not_here_stops_the_start(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a setting") as refused:
        Settings.from_env({f"PHOTOCHANGER_{name}": "https://s3cret.example"})
    assert refused.value.variable == f"PHOTOCHANGER_{name}"
    assert "s3cret" not in str(refused.value)


def test_an_installed_package_has_a_key_and_an_address_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photochanger.entrypoints.config.installed_ids", lambda: ["sepia-booth"])
    settings = Settings.from_env(
        {
            "PHOTOCHANGER_SEPIA_BOOTH_API_KEY": "key of the booth",
            "PHOTOCHANGER_SEPIA_BOOTH_BASE_URL": "http://booth.example",
            "PHOTOCHANGER_GEMINI_API_KEY": "key of gemini",
        }
    )
    assert settings.provider_keys == {"sepia-booth": "key of the booth", "gemini": "key of gemini"}
    assert settings.provider_base_urls == {"sepia-booth": "http://booth.example"}
    assert key_variable("sepia-booth") == "PHOTOCHANGER_SEPIA_BOOTH_API_KEY"


def test_packages_are_looked_for_only_where_a_name_may_be_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    def look() -> list[str]:
        raise AssertionError("looking costs milliseconds at each start")

    monkeypatch.setattr("photochanger.entrypoints.config.installed_ids", look)
    assert Settings.from_env({"PHOTOCHANGER_GEMINI_API_KEY": "k", "PHOTOCHANGER_PORT": "1"}).port == 1


def test_a_collector_is_named_by_its_base_url() -> None:
    settings = Settings.from_env({"PHOTOCHANGER_OTLP_ENDPOINT": "http://collector:4318"})
    assert settings.otlp_endpoint == "http://collector:4318"


@pytest.mark.parametrize("text", ["collector:4318", "grpc://collector", "http://user:pass@collector", "http://c?key=x"])
def test_what_is_no_base_url_of_a_collector_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="PHOTOCHANGER_OTLP_ENDPOINT"):
        Settings.from_env({"PHOTOCHANGER_OTLP_ENDPOINT": text})


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_variable_is_one_that_is_not_set(text: str) -> None:
    names = ("HOME", "PORT", "DATABASE_URL", "SYNC_RESPONSE_SECONDS", "INGEST_PASSWORD", "LOG_FORMAT", "SECRET_KEY")
    names += ("GEMINI_API_KEY", "HTTP_BASE_URL", "PRIVATE_HOSTS", "ADMIN_USERNAME", "ADMIN_PASSWORD", "CORS_ORIGINS")
    assert Settings.from_env({f"PHOTOCHANGER_{name}": text for name in names}) == Settings()


def test_without_a_mapping_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOCHANGER_PORT", "8123")
    assert Settings.from_env().port == 8123


def test_secrets_are_not_shown() -> None:
    settings = Settings(
        database_url="postgresql://u:s3cret@db/x",
        ingest_password="s3cret-too",
        admin_password="s3cret-as-well",
        secret_key="s3cret" * 6,
        provider_keys={"gemini": "s3cret-key"},
        workers=7,
    )
    for text in (repr(settings), str(settings), f"{settings}"):
        assert "s3cret" not in text
        assert "workers=7" in text


def test_the_media_folder_lies_in_the_data_folder_unless_said_otherwise() -> None:
    assert Settings(home=Path("/srv")).media_folder == Path("/srv/media")
    assert Settings(home=Path("/srv"), media_root=Path("/mnt/x")).media_folder == Path("/mnt/x")


def test_what_is_configured_applies_until_something_is_stored() -> None:
    fields = {
        "sync_response": timedelta(seconds=20),
        "result_retention": timedelta(hours=2),
        "max_active_jobs": 3,
        "max_upload_bytes": 4096,
        "max_image_pixels": 5,
    }
    assert Settings(**fields).defaults == AppSettings(**fields)  # type: ignore[arg-type]
    assert Settings().defaults == AppSettings()


def test_each_variable_says_what_it_means() -> None:
    described = {field.name: str(field.type) for field in msgspec.structs.fields(Settings)}
    for name in described.keys() - {"provider_keys", "provider_base_urls"}:
        assert "description='" in described[name], name


def test_the_generated_secret_lies_in_the_data_folder() -> None:
    assert Settings(home=Path("/srv")).secret_key_file == Path("/srv/secret.key")


BUCKET = {"PHOTOCHANGER_S3_BUCKET": "photos"}
KEYS = {"PHOTOCHANGER_S3_ACCESS_KEY_ID": "AKIA", "PHOTOCHANGER_S3_SECRET_ACCESS_KEY": "the secret/of+it"}


def test_a_bucket_is_described_by_variables() -> None:
    keys = {**KEYS, "PHOTOCHANGER_S3_SECRET_ACCESS_KEY": "secret/of+it"}
    place = {"PHOTOCHANGER_S3_ENDPOINT": "https://s3.example/", "PHOTOCHANGER_S3_PREFIX": "booths/2026"}
    settings = Settings.from_env({**BUCKET, **keys, **place, "PHOTOCHANGER_S3_REDIRECT": "true"})
    assert (settings.s3_bucket, settings.s3_endpoint, settings.s3_region) == (
        "photos",
        "https://s3.example",
        "us-east-1",
    )
    assert (settings.s3_prefix, settings.s3_redirect) == ("booths/2026/", True)
    assert "secret/of" not in repr(settings)
    assert Settings.from_env(BUCKET).s3_access_key_id is None


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({"PHOTOCHANGER_S3_BUCKET": "Photos"}, "S3_BUCKET"),
        ({"PHOTOCHANGER_S3_REGION": "eu-central-1"}, "S3_BUCKET"),
        ({**KEYS, "PHOTOCHANGER_S3_SECRET_ACCESS_KEY": "x"}, "S3_BUCKET"),
        ({**BUCKET, "PHOTOCHANGER_S3_ACCESS_KEY_ID": "AKIA"}, "S3_SECRET_ACCESS_KEY"),
        ({**BUCKET, "PHOTOCHANGER_S3_SECRET_ACCESS_KEY": "x"}, "S3_ACCESS_KEY_ID"),
        ({**BUCKET, **KEYS}, "S3_SECRET_ACCESS_KEY"),
        ({**BUCKET, "PHOTOCHANGER_S3_PREFIX": "/booths"}, "S3_PREFIX"),
        ({**BUCKET, "PHOTOCHANGER_S3_PREFIX": "../booths"}, "S3_PREFIX"),
        ({**BUCKET, "PHOTOCHANGER_S3_ENDPOINT": "s3.example"}, "S3_ENDPOINT"),
        ({**BUCKET, "PHOTOCHANGER_S3_REDIRECT": "perhaps"}, "S3_REDIRECT"),
    ],
)
def test_what_is_wrong_with_a_bucket_is_named(environ: dict[str, str], variable: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Settings.from_env(environ)
    assert f"PHOTOCHANGER_{variable}:" in f"{error.value.detail}:"
    assert "the secret/of+it" not in error.value.detail


def test_keywords_of_libpq_may_contain_what_looks_like_a_url() -> None:
    keywords = "host=db1,db2 port=5432,5433 dbname=photos password='a://b' target_session_attrs=read-write"
    assert Settings.from_env({"PHOTOCHANGER_DATABASE_URL": keywords}).database_url == keywords
