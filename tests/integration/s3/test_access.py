"""Wrong buckets, keys and rights: named when the service starts, never taken for a missing file, and never in a log."""

from __future__ import annotations

import logging
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from photochanger.adapters.s3.access import days_until_uploads_are_aborted, require_access
from photochanger.adapters.s3.settings import S3Settings
from photochanger.adapters.s3.store import S3MediaStore
from photochanger.core.domain.errors import ConfigurationError, MediaNotFound, PhotoChangerError, StorageUnavailable
from photochanger.core.domain.media import MediaKey, MediaKind, one_chunk

from tests.support.s3_relay import Busy, S3Relay
from tests.support.seaweedfs import PATIENT, READER_KEY, READER_SECRET, SECRET_KEY, SeaweedServer

pytestmark = pytest.mark.anyio

KEY = MediaKey(MediaKind.RESULTS, "photo")
WRONG = {
    "BUCKET": {"bucket": "photos-of-nobody"},
    "ACCESS_KEY_ID": {"access_key_id": "AKIAUNKNOWN"},
    "SECRET_ACCESS_KEY": {"secret_access_key": "wrong-secret"},
    "rights": {"access_key_id": READER_KEY, "secret_access_key": READER_SECRET},
}


@pytest.fixture
def settings(seaweedfs: SeaweedServer, relay: S3Relay) -> S3Settings:
    return seaweedfs.settings(endpoint=relay.url)


async def test_the_right_settings_are_accepted_and_nothing_is_left(store: S3MediaStore, relay: S3Relay) -> None:
    await require_access(store.bucket)
    assert await store.objects.names(store.bucket.settings.key("check")) == []
    assert await store.remove_partial(older_than=datetime.now(UTC) + timedelta(hours=1)) == 0


@pytest.mark.parametrize("wrong", WRONG)
async def test_the_start_names_the_variable_that_is_wrong(settings: S3Settings, wrong: str) -> None:
    async with S3MediaStore.connect(msgspec.structs.replace(settings, **WRONG[wrong]), bounds=PATIENT) as store:
        with pytest.raises(ConfigurationError) as refused:
            await require_access(store.bucket)
    assert refused.value.variable == f"PHOTOCHANGER_S3_{'ACCESS_KEY_ID' if wrong == 'rights' else wrong}"
    assert wrong != "rights" or "s3:PutObject" in refused.value.detail


ANSWERS = {
    "ExpiredToken": (Busy(400, "ExpiredToken"), "ACCESS_KEY_ID"),
    "another region": (Busy(301, "PermanentRedirect"), "REGION"),
    "a malformed region": (Busy(400, "AuthorizationHeaderMalformed"), "REGION"),
    "no name": (Busy(400, "InvalidBucketName"), "BUCKET"),
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_the_start_names_the_variable_for_other_answers(store: S3MediaStore, relay: S3Relay, answer: str) -> None:
    fault, variable = ANSWERS[answer]
    relay.spoil("PUT ", fault)
    with pytest.raises(ConfigurationError) as refused:
        await require_access(store.bucket)
    assert refused.value.variable == f"PHOTOCHANGER_S3_{variable}"


@pytest.mark.parametrize(
    ("request_refused", "right"),
    [
        ("DELETE .*check/[0-9a-f]+$", "s3:DeleteObject"),
        ("HEAD ", "s3:ListBucket"),
        ("DELETE .*uploadId", "s3:AbortMultipartUpload"),
        (r"GET .*uploads", "s3:ListBucketMultipartUploads"),
    ],
)
async def test_the_start_names_each_right_that_is_missing(
    store: S3MediaStore, relay: S3Relay, request_refused: str, right: str
) -> None:
    relay.spoil(request_refused, Busy(403, "AccessDenied"))
    with pytest.raises(ConfigurationError, match=right):
        await require_access(store.bucket)


async def test_the_start_does_not_blame_the_settings_for_an_outage(seaweedfs: SeaweedServer) -> None:
    async with S3MediaStore.connect(seaweedfs.settings(endpoint="http://127.0.0.1:9"), bounds=PATIENT) as store:
        with pytest.raises(StorageUnavailable, match="reached"):
            await require_access(store.bucket)


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_bucket_or_key_is_never_a_missing_file(settings: S3Settings, wrong: str, tmp_path: Path) -> None:
    wrong_settings = msgspec.structs.replace(settings, **WRONG[wrong])
    async with S3MediaStore.connect(wrong_settings, bounds=PATIENT, temporary=tmp_path) as store:
        with pytest.raises(StorageUnavailable):
            await store.put(KEY.kind, KEY.name, one_chunk(b"x"), max_bytes=1)
        with pytest.raises(StorageUnavailable):
            await store.put(KEY.kind, KEY.name, one_chunk(bytes(6_000_000)), max_bytes=6_000_000)
        with pytest.raises(StorageUnavailable):
            await store.delete(KEY)
        with pytest.raises(StorageUnavailable):
            await store.check()
        if wrong != "rights":
            with pytest.raises(StorageUnavailable):
                await store.noted()
        for question in (store.size(KEY), anext(store.open(KEY)), store.local(KEY).__aenter__()):
            with pytest.raises(MediaNotFound if wrong == "rights" else StorageUnavailable):
                await question


@pytest.mark.parametrize("wrong", [*WRONG, "nothing"])
async def test_no_secret_is_in_a_log_or_an_error(
    settings: S3Settings, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    texts = []
    async with S3MediaStore.connect(msgspec.structs.replace(settings, **WRONG.get(wrong, {}))) as store:
        for call in (
            store.put(KEY.kind, KEY.name, one_chunk(b"x"), max_bytes=1),
            store.put(KEY.kind, KEY.name, one_chunk(bytes(6_000_000)), max_bytes=6_000_000),
            store.size(KEY),
            require_access(store.bucket),
            days_until_uploads_are_aborted(store.bucket),
        ):
            try:
                await call
            except PhotoChangerError as error:
                texts.append("".join(traceback.format_exception(error)))
        texts.append(repr(store.bucket.settings))
    for secret in (SECRET_KEY, READER_SECRET, "wrong-secret", "Signature="):
        assert secret not in caplog.text
        assert not any(secret in text for text in texts)


# The lifecycle rule


RULE = (
    "<LifecycleConfiguration><Rule><ID>uploads</ID><Status>{status}</Status><Filter><Prefix>{prefix}</Prefix></Filter>"
    "<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
    "</Rule></LifecycleConfiguration>"
)


@pytest.mark.parametrize(
    ("status", "prefix", "days"),
    [("Enabled", "", 2), ("Enabled", "studio/", 2), ("Enabled", "other/", None), ("Disabled", "", None)],
)
async def test_a_rule_that_aborts_uploads_is_found(
    seaweedfs: SeaweedServer, status: str, prefix: str, days: int | None
) -> None:
    settings = seaweedfs.settings(bucket=seaweedfs.new_bucket(), prefix="studio")
    async with S3MediaStore.connect(settings, bounds=PATIENT) as store:
        assert await days_until_uploads_are_aborted(store.bucket) is None
        rule = RULE.format(status=status, prefix=prefix).encode()
        seaweedfs.request("PUT", f"/{settings.bucket}", query={"lifecycle": ""}, body=rule).raise_for_status()
        assert await days_until_uploads_are_aborted(store.bucket) == days
