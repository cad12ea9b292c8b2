"""A prefix in the bucket of the tests, as the settings of a service name it and as its server sees it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from photochanger.adapters.s3.store import S3MediaStore

from tests.support.s3_relay import S3Relay
from tests.support.seaweedfs import SeaweedServer


class Bucket:
    """What a service keeps in the bucket, by way of the relay."""

    def __init__(self, server: SeaweedServer, relay: S3Relay) -> None:
        self._server = server
        self.relay = relay
        self._settings = server.settings(endpoint=relay.url)

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a service."""
        own = self._settings
        assert own.access_key_id is not None
        assert own.secret_access_key is not None
        return {
            "s3_endpoint": self.relay.url,
            "s3_bucket": own.bucket,
            "s3_prefix": own.prefix,
            "s3_access_key_id": own.access_key_id,
            "s3_secret_access_key": own.secret_access_key,
        }

    def names(self) -> list[str]:
        """The keys below the prefix, without it."""
        prefix = f"{self._settings.prefix.strip('/')}/"
        query = {"list-type": "2", "prefix": prefix}
        answer = self._server.request("GET", f"/{self._settings.bucket}", query=query)
        answer.raise_for_status()
        return [key.removeprefix(prefix) for key in re.findall(r"<Key>([^<]*)</Key>", answer.text)]

    async def remove_open_uploads(self) -> int:
        """Do what the sweeper does with uploads that were interrupted, whatever their age; how many there were."""
        async with S3MediaStore.connect(self._settings) as store:
            return await store.remove_partial(older_than=datetime.now(UTC) + timedelta(hours=1))

    def content(self, key: str) -> bytes:
        """The bytes of an object."""
        answer = self._server.request("GET", f"/{self._settings.bucket}/{self._settings.prefix.strip('/')}/{key}")
        answer.raise_for_status()
        return answer.content
