"""Signatures, compared with the examples of the documentation of S3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from photochanger.adapters.s3.signing import Credentials, Request, path_of, signed_headers, signed_link

KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
NOW = datetime(2013, 5, 24, tzinfo=UTC)
BUCKET = "https://examplebucket.s3.amazonaws.com"


def test_a_request_is_signed_as_documented() -> None:
    request = Request("GET", f"{BUCKET}/test.txt", headers={"range": "bytes=0-9"})
    headers = signed_headers(request, KEYS, region="us-east-1", now=NOW)
    assert headers["authorization"].endswith(
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_a_query_is_signed_as_documented() -> None:
    lifecycle = Request("GET", f"{BUCKET}/", query={"lifecycle": ""})
    assert signed_headers(lifecycle, KEYS, region="us-east-1", now=NOW)["authorization"].endswith(
        "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    )
    listing = Request("GET", f"{BUCKET}/", query={"prefix": "J", "max-keys": "2"})
    assert signed_headers(listing, KEYS, region="us-east-1", now=NOW)["authorization"].endswith(
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )


def test_a_link_is_signed_as_documented() -> None:
    link = signed_link(
        Request("GET", f"{BUCKET}/test.txt"), KEYS, region="us-east-1", now=NOW, valid_for=timedelta(days=1)
    )
    assert link == (
        f"{BUCKET}/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_the_token_of_temporary_credentials_is_signed_too() -> None:
    keys = Credentials("AKIA", "secret", "a/token=")
    headers = signed_headers(Request("GET", BUCKET), keys, region="us-east-1", now=NOW)
    assert headers["x-amz-security-token"] == "a/token="
    assert "x-amz-security-token" in headers["authorization"]
    link = signed_link(Request("GET", BUCKET), keys, region="us-east-1", now=NOW, valid_for=timedelta(minutes=1))
    assert parse_qs(urlsplit(link).query)["X-Amz-Security-Token"] == ["a/token="]


def test_a_key_of_any_characters_is_a_path() -> None:
    assert path_of("studio один/a+b") == "studio%20%D0%BE%D0%B4%D0%B8%D0%BD/a%2Bb"


def test_no_secret_is_in_the_text_of_credentials() -> None:
    keys = Credentials("AKIAIOSFODNN7EXAMPLE", "the-secret", "the-token")
    assert "secret" not in repr(keys)
    assert "token" not in str(keys)
    assert "AKIAIOSFODNN7EXAMPLE" not in repr(keys)
