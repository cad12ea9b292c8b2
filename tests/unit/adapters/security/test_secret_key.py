"""The service's own secret in its file: made once, whole, for the owner alone."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from photochanger.adapters.security import kept_secret
from photochanger.core.ports.secrets import MIN_SECRET_CHARS, SecretKeyUnavailable


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_file_is_made_when_the_secret_is_first_read_and_not_before(tmp_path: Path) -> None:
    file = tmp_path / "secret.key"
    read = kept_secret(file)
    assert not file.exists()
    secret = read()
    assert len(secret) >= 2 * MIN_SECRET_CHARS
    assert file.read_text() == secret + "\n"
    assert mode(file) == 0o600


def test_later_readers_find_the_same_secret_and_leave_the_file_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "secret.key"
    first = kept_secret(file)()
    before = file.stat()
    assert kept_secret(file)() == first
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.stat().st_ino == before.st_ino


def test_two_installations_have_two_secrets(tmp_path: Path) -> None:
    assert kept_secret(tmp_path / "one")() != kept_secret(tmp_path / "two")()


def test_processes_that_start_together_agree_on_one_secret(tmp_path: Path) -> None:
    file = tmp_path / "home" / "secret.key"
    with ThreadPoolExecutor(16) as starters:
        secrets = set(starters.map(lambda _: kept_secret(file)(), range(64)))
    assert len(secrets) == 1
    assert [path.name for path in file.parent.iterdir()] == ["secret.key"]


def test_a_process_that_is_late_with_its_own_takes_the_one_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret.key"
    mine = kept_secret(file)
    with monkeypatch.context() as late:
        late.setattr(Path, "exists", lambda self: False)  # looked before the other had made it
        kept_secret(file)()
        there = file.read_text()
        assert mine() + "\n" == there


def test_folders_are_made_for_the_owner_alone_and_an_open_one_is_closed(tmp_path: Path) -> None:
    kept_secret(tmp_path / "new" / "secret.key")()
    assert mode(tmp_path / "new") == 0o700
    there = tmp_path / "there"
    there.mkdir()
    there.chmod(0o755)
    kept_secret(there / "secret.key")()
    assert mode(there) == 0o700


def test_no_secret_is_made_in_an_open_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "index.html").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(SecretKeyUnavailable, match="open to other accounts") as refused:
        kept_secret(tmp_path / "secret.key")()
    assert str(tmp_path) not in refused.value.detail
    assert not (tmp_path / "secret.key").exists()


def test_a_secret_that_others_could_read_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "secret.key"
    file.write_text("x" * MIN_SECRET_CHARS)
    file.chmod(0o644)
    assert kept_secret(file)() == "x" * MIN_SECRET_CHARS
    assert mode(file) == 0o600


def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        kept_secret(tmp_path / "secret.key")()
    finally:
        os.umask(before)
    assert mode(tmp_path / "secret.key") == 0o600


@pytest.mark.parametrize("content", [b"", b"short\n", b"x" * (MIN_SECRET_CHARS - 1), b"\xff" * 64])
def test_a_file_without_a_secret_is_reported_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret.key"
    file.write_bytes(content)
    with pytest.raises(SecretKeyUnavailable, match=r"secret\.key"):
        kept_secret(file)()
    assert file.read_bytes() == content


def test_a_folder_that_cannot_be_created_is_reported_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SecretKeyUnavailable) as refused:
        kept_secret(tmp_path / "file" / "secret.key")()
    assert str(tmp_path) not in refused.value.detail
    assert refused.value.code == "secret_key_unavailable"
