"""Any form in any chunks ends with a photo and its metadata, or with one of the listed errors, and leaves nothing."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photochanger.core.domain.errors import (
    InvalidMultipart,
    InvalidPassword,
    MissingField,
    PayloadTooLarge,
    TooManyUploads,
    UndecodableImage,
    UploadInterrupted,
)
from photochanger.core.domain.slots.slot import is_field_name

from tests.support.camera_forms import END, PASSWORD, PHOTO, PICTURE, Camera, body, text_part

LISTED = (
    InvalidMultipart,
    InvalidPassword,
    MissingField,
    PayloadTooLarge,
    TooManyUploads,
    UndecodableImage,
    UploadInterrupted,
)

names = st.sampled_from(["guest", "имя", "a b", "a[0]", "password", "_charset_", "", '"', "file[]"]) | st.text(
    max_size=9
)
heads = st.sampled_from(
    [
        b"",
        b"Content-Type: text/plain; charset=windows-1251",
        b"Content-Type: text/plain; charset=utf-16",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: quoted-printable",
        b'X: "',
    ]
)
texts = st.builds(
    lambda name, value, head: text_part(name, value).replace(b"\r\n\r\n", b"\r\n" + head + b"\r\n\r\n", 1),
    names,
    st.binary(max_size=30),
    heads,
)
pieces = st.sampled_from([PASSWORD, PHOTO, PHOTO.replace(PICTURE, b""), END, b"--b\r\n", b"\r\n"])
forms = st.lists(texts | pieces | st.binary(max_size=20), max_size=12).map(b"".join)


def outcome(form: bytes, size: int, offered: str | None) -> str:
    """The metadata and photo of a form, or the name of its error."""
    camera = Camera(body(form, size=size))

    async def send() -> str:
        try:
            metadata = await camera.send(offered=offered)
        except LISTED as error:
            assert camera.stored == {}
            return type(error).__name__
        assert all(is_field_name(name) for name in metadata)
        return repr((metadata, camera.stored))

    result = asyncio.run(send())
    assert camera.budget.held_bytes == 0
    return result


@pytest.mark.parametrize("ending", [END, PASSWORD + PHOTO + END], ids=["as it comes", "well ended"])
@settings(max_examples=150, deadline=None)
@given(form=forms, size=st.integers(1, 200), offered=st.sampled_from([None, "right", "wrong"]))
def test_any_form_ends_in_a_listed_way(ending: bytes, form: bytes, size: int, offered: str | None) -> None:
    whole = outcome(form + ending, 100_000, offered)
    assert outcome(form + ending, size, offered) == whole
