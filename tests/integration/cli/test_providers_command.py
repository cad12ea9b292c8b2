"""`photochanger providers` with installed packages: the list, and keys set and deleted while a service runs."""

from __future__ import annotations

import json
import os
import pty
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from photochanger.adapters.postgres import EmbeddedServer
from photochanger.entrypoints.provider_plugins import BUILT_IN

from tests.support import photos
from tests.support.commands import run_command
from tests.support.service import HANG_SECONDS, command, environment, eventually, rows, serving

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "provider-package"
KEY = "sk-a-key-that-must-stay-secret"
OTHERS = ", ".join(id for id in BUILT_IN if id != "local")
KEY_TELLER = f"""
from photochanger.core.domain.media import PictureNeeds
from photochanger.core.ports.provider import NotConfigured, OperationInfo, ProviderInfo, ProviderResult

class KeyTeller:
    needs = PictureNeeds(("image/jpeg",), 10**8, 10**8)
    info = ProviderInfo(
        id="key-teller", title="Key teller", needs_key=True,
        operations=(OperationInfo(id="echo", title="Echo", settings_schema={{"type": "object"}}, needs=needs),),
    )
    def __init__(self, context):
        self.context = context
    def expected_cost(self, operation_id, settings):
        return None

    def check_settings(self, operation_id, settings): ...
    async def process(self, request):
        if await self.context.key() != {KEY!r}:
            raise NotConfigured("The key is not set.")
        return ProviderResult(request.photo.data)
    async def diagnose(self, used): return []
    async def close(self): ...
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example package installed, and one that fails when it is imported."""
    folder = tmp_path_factory.mktemp("packages")
    source = folder / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    target = folder / "site"
    install = (sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-deps", "--no-build-isolation")
    where = ("--python", sys.executable, "--target", str(target), str(source))
    done = subprocess.run((*install, *where), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (target / "old_booth.py").write_text("raise RuntimeError('made for another version')\n")
    facts = target / "old_booth-0.1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: old-booth\nVersion: 0.1\n")
    (facts / "entry_points.txt").write_text("[photochanger.providers]\nold-booth = old_booth:make\n")
    (target / "key_teller.py").write_text(KEY_TELLER)
    facts = target / "key_teller-0.1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: key-teller\nVersion: 0.1\n")
    (facts / "entry_points.txt").write_text("[photochanger.providers]\nkey-teller = key_teller:KeyTeller\n")
    return target


def run(
    *arguments: str, home: Path, site: Path | None = None, stdin: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    env = environment(home, **settings) | {"COLUMNS": "120"}
    if site is None:
        return run_command(*arguments, env=env, stdin=stdin)
    env["PYTHONPATH"] = _path(site)
    called = command(*arguments)
    return subprocess.run(called, env=env, input=stdin, capture_output=True, text=True, timeout=HANG_SECONDS)


def _path(site: Path) -> str:
    return os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])


def listed(*, home: Path, site: Path | None = None, **settings: str) -> dict[str, Any]:
    done = run("providers", "--json", home=home, site=site, **settings)
    assert done.returncode == 0, done.stderr
    listing: dict[str, Any] = json.loads(done.stdout)
    return listing


def key_of(provider_id: str, **options: Any) -> dict[str, Any]:
    return next(one["key"] for one in listed(**options)["providers"] if one["id"] == provider_id)


def test_an_installed_package_is_listed_and_a_broken_one_is_skipped(
    tmp_path: Path, site: Path, postgres_url: str
) -> None:
    listing = listed(home=tmp_path, site=site, database_url=postgres_url)
    by_id = {provider["id"]: provider for provider in listing["providers"]}
    assert set(by_id) == {*BUILT_IN, "sepia-booth", "sepia-lab", "key-teller"}
    (duotone,) = by_id["sepia-booth"]["operations"]
    assert (duotone["id"], duotone["title"]) == ("duotone", "Duotone")
    assert duotone["settings_schema"]["type"] == "object"
    assert by_id["sepia-booth"]["key"] == {
        "state": "not_needed",
        "variable": None,
        "changed_at": None,
        "changed_by": None,
    }
    assert listing["left_out"] == [
        {
            "id": "old-booth",
            "package": "old-booth",
            "reason": "it cannot be imported: RuntimeError: made for another version",
        }
    ]


def test_the_table_says_the_same_to_people(tmp_path: Path, site: Path, postgres_url: str) -> None:
    settings = {"database_url": postgres_url, "openai_api_key": KEY, "turbotext_base_url": "http://127.0.0.1:9"}
    done = run("providers", home=tmp_path, site=site, **settings)
    assert done.returncode == 0, done.stderr
    for said in ("sepia-booth", "duotone", "sepia-lab", "missing", "environment", "http://127.0.0.1:9", "2 concurrent"):
        assert said in done.stdout.replace("\n", " "), done.stdout
    assert "Skipped: old-booth of old-booth: it cannot be imported: RuntimeError" in done.stdout
    assert KEY not in done.stdout + done.stderr


def test_limits_are_set_and_restored_and_health_is_shown(tmp_path: Path, postgres_url: str) -> None:
    def turbotext() -> dict[str, Any]:
        found = listed(home=tmp_path, database_url=postgres_url)["providers"]
        return next(one for one in found if one["id"] == "turbotext")

    assert turbotext()["limits"]["max_concurrent"] == 2
    assert turbotext()["standing"] is None
    done = run(
        *("providers", "set-limits", "turbotext", "--concurrent", "5", "--per-minute", "30"),
        home=tmp_path,
        database_url=postgres_url,
    )
    assert done.returncode == 0, done.stderr
    assert turbotext()["limits"] == {"max_concurrent": 5, "per_minute": 30, "per_day": None}
    usage = '{"verdicts": "1101", "failures": 5, "open_until": "2020-01-01T00:00:00Z"}'
    statement = "insert into photochanger.provider_usage values ('turbotext', %s::jsonb) returning provider_id"
    assert rows(postgres_url, statement, usage) == [("turbotext",)]
    assert (turbotext()["standing"]["health"], turbotext()["standing"]["breaker"]) == (0.75, "half_open")
    table = run("providers", home=tmp_path, database_url=postgres_url).stdout
    for said in ("75% success", "breaker half-open", "30 per minute"):
        assert said in table
    assert (
        run("providers", "set-limits", "turbotext", "--declared", home=tmp_path, database_url=postgres_url).returncode
        == 0
    )
    assert turbotext()["limits"] == {"max_concurrent": 2, "per_minute": None, "per_day": None}
    wrong = run("providers", "set-limits", "turbotext", "--per-day", "0", home=tmp_path, database_url=postgres_url)
    assert wrong.returncode == 2
    assert "--per-day" in wrong.stderr


def test_the_doctor_tells_of_the_broken_package(tmp_path: Path, site: Path, postgres_url: str) -> None:
    done = run("doctor", home=tmp_path, site=site, database_url=postgres_url)
    assert done.returncode == 1
    assert "FIX  provider old-booth: skipped, from the package old-booth" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_package_takes_its_own_variables(tmp_path: Path, site: Path, postgres_url: str) -> None:
    settings = {"database_url": postgres_url, "sepia_booth_base_url": "http://booth.example"}
    listing = listed(home=tmp_path, site=site, **settings)
    assert [one["base_url"] for one in listing["providers"] if one["id"] == "sepia-booth"] == ["http://booth.example"]
    without = run("providers", home=tmp_path, **settings)
    assert without.returncode == 2
    assert (
        without.stderr
        == "photochanger: PHOTOCHANGER_SEPIA_BOOTH_BASE_URL: is not a setting; check its spelling or unset it\n"
    )


def test_a_check_is_printed_and_kept(tmp_path: Path, postgres_url: str) -> None:
    options: dict[str, Any] = {"home": tmp_path, "database_url": postgres_url, "gemini_api_key": KEY}
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        done = run("providers", "check", "gemini", gemini_base_url=address, **options)
    assert done.returncode == 1
    assert "The host cannot be reached" in done.stdout
    (check,) = [one["check"] for one in listed(**options)["providers"] if one["id"] == "gemini"]
    assert not check["works"]
    assert check["models"] == ["gemini-nano-banana-2.1"]
    assert [finding["code"] for finding in check["findings"]] == ["unreachable"]
    assert KEY not in done.stdout + done.stderr


def test_a_wrong_file_of_models_refuses_the_start_in_one_line(tmp_path: Path, postgres_url: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "openai.json").write_text('{"default_model": "gpt-image-77"}')
    done = run("providers", home=tmp_path, database_url=postgres_url, models_dir=str(tmp_path / "models"))
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert "PHOTOCHANGER_MODELS_DIR: openai.json: default_model: there is no model 'gpt-image-77'" in line


def test_a_key_is_set_from_standard_input_sealed_and_forgotten(tmp_path: Path, postgres_url: str) -> None:
    at: dict[str, Any] = {"home": tmp_path, "database_url": postgres_url, "gemini_api_key": "the environment's"}
    assert key_of("gemini", **at)["state"] == "environment"
    assert not (tmp_path / "secret.key").exists()
    done = run("providers", "set-key", "gemini", stdin=f"{KEY}\n", **at)
    assert (done.returncode, done.stdout) == (0, "Key of gemini stored.\n"), done.stderr
    state = key_of("gemini", **at)
    assert state["state"] == "stored"
    assert state["changed_by"] == "command line"
    assert state["changed_at"].endswith("Z")
    ((sealed,),) = rows(postgres_url, "select sealed from photochanger.provider_secrets")
    assert sealed.startswith("v1.")
    assert KEY not in sealed
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    done = run("providers", "forget-key", "gemini", **at)
    assert (done.returncode, done.stdout) == (0, "Key of gemini deleted.\n"), done.stderr
    assert key_of("gemini", **at)["state"] == "environment"
    assert run("providers", "forget-key", "gemini", **at).stdout == "No key of gemini is stored.\n"


def test_list_and_doctor_report_a_key_encrypted_with_another_secret(tmp_path: Path, postgres_url: str) -> None:
    at: dict[str, Any] = {"home": tmp_path, "database_url": postgres_url}
    assert run("providers", "set-key", "openai", stdin=KEY, secret_key="s" * 32, **at).returncode == 0
    assert key_of("openai", secret_key="s" * 32, **at)["state"] == "stored"
    assert not (tmp_path / "secret.key").exists()
    assert key_of("openai", secret_key="t" * 32, **at)["state"] == "unreadable"
    doctor = run("doctor", secret_key="t" * 32, **at)
    assert doctor.returncode == 1
    assert "FIX  key of openai: Cannot decrypt the stored key: PHOTOCHANGER_SECRET_KEY has changed" in doctor.stdout


def test_the_doctor_tells_of_a_secret_that_others_can_read(tmp_path: Path, postgres_url: str) -> None:
    at: dict[str, Any] = {"home": tmp_path, "database_url": postgres_url}
    secret = tmp_path / "secret.key"
    assert "secret key" not in run("doctor", **at).stdout
    assert run("providers", "set-key", "openai", stdin=KEY, **at).returncode == 0
    assert f"ok   secret key: kept in {secret}\n" in run("doctor", **at).stdout
    secret.chmod(0o640)
    doctor = run("doctor", **at)
    assert doctor.returncode == 1
    assert f"FIX  secret key: kept in {secret}, which others can read or write" in doctor.stdout
    assert f"Run `chmod 600 {secret}`." in doctor.stdout
    assert secret.read_text().strip() not in doctor.stdout + doctor.stderr


def test_a_key_is_asked_for_at_a_terminal_and_not_shown(tmp_path: Path, postgres_url: str) -> None:
    keyboard, terminal = pty.openpty()
    with subprocess.Popen(
        command("providers", "set-key", "turbotext"),
        env=environment(tmp_path, database_url=postgres_url),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        screen = b""
        while not screen.endswith(b"Key: "):
            screen += os.read(keyboard, 1000)
        os.write(keyboard, KEY.encode() + b"\n")
        try:
            while seen := os.read(keyboard, 1000):
                screen += seen
        except OSError:
            pass  # the terminal is gone with the last that used it
        assert process.wait(HANG_SECONDS) == 0, screen
    os.close(keyboard)
    assert KEY.encode() not in screen
    assert b"Key of turbotext stored." in screen
    assert key_of("turbotext", home=tmp_path, database_url=postgres_url)["state"] == "stored"


@pytest.mark.parametrize(
    ("provider_id", "stdin", "said"),
    [
        ("no-such", KEY, f"Unknown provider 'no-such'. Use one of: {OTHERS}."),
        ("local", KEY, "Unknown provider 'local'. Use one of:"),
        ("gemini", "", "Invalid settings: key: Must be 1–4096 printable ASCII characters"),
        ("gemini", f"{KEY}\nX-Evil: 1\n", "Invalid settings: key: Must be 1–4096 printable ASCII characters"),
        ("gemini", "x" * 70_000, "Invalid settings: key: Must be 1–4096 printable ASCII characters"),
    ],
)
def test_what_cannot_be_set_ends_with_one_line(
    tmp_path: Path, postgres_url: str, provider_id: str, stdin: str, said: str
) -> None:
    done = run("providers", "set-key", provider_id, home=tmp_path, database_url=postgres_url, stdin=stdin)
    assert done.returncode == 1
    assert done.stderr.startswith(f"photochanger: {said}")
    assert len(done.stderr.splitlines()) == 1
    assert KEY not in done.stdout + done.stderr
    assert rows(postgres_url, "select count(*) from photochanger.provider_secrets") == [(0,)]


def test_a_database_without_the_schema_gives_a_one_line_error(tmp_path: Path, postgres_server: EmbeddedServer) -> None:
    postgres_server.ensure_database("bare_providers")
    done = run("providers", home=tmp_path, database_url=postgres_server.url("bare_providers"))
    assert done.returncode == 1
    assert done.stderr.startswith("photochanger: The database schema is missing")
    assert len(done.stderr.splitlines()) == 1


def test_a_newcomer_sets_a_key_before_the_first_start(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run("providers", "set-key", "gemini", home=home, stdin=KEY).returncode == 0
    assert key_of("gemini", home=home)["state"] == "stored"
    assert KEY.encode() not in b"".join(path.read_bytes() for path in home.iterdir() if path.is_file())


def test_a_key_that_is_set_while_the_service_runs_holds_in_its_workers_until_it_is_forgotten(
    tmp_path: Path, site: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", _path(site))
    at: dict[str, Any] = {"home": tmp_path, "database_url": postgres_url}
    with serving(tmp_path, database_url=postgres_url, key_teller_api_key=KEY) as service:
        route = {"entries": [{"provider_id": "key-teller", "operation_id": "echo", "settings": {}}]}
        change = "update photochanger.slots set active = true, route = %s::jsonb where id = 'slot-005' returning id"
        assert rows(postgres_url, change, json.dumps(route)) == [("slot-005",)]

        def answer() -> httpx.Response:
            return service.send(photos.jpeg(640, 480), "slot-005")

        assert answer().status_code == 200
        assert run("providers", "set-key", "key-teller", stdin="another key", site=site, **at).returncode == 0
        refused = eventually(lambda: answered if (answered := answer()).status_code != 200 else None)
        assert (refused.status_code, refused.json()["code"]) == (502, "provider_not_configured")
        assert run("providers", "forget-key", "key-teller", **at).returncode == 0
        eventually(lambda: answer().status_code == 200)
        assert service.stop() == 0
        assert KEY not in service.log.read_text()
    details = rows(postgres_url, "select detail::text from photochanger.processing_logs")
    assert not [detail for (detail,) in details if KEY in detail or "another key" in detail]


def test_the_example_passes_the_suite_for_providers(tmp_path: Path, site: Path) -> None:
    tests = tmp_path / "tests"
    shutil.copytree(EXAMPLE / "tests", tests, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": _path(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
