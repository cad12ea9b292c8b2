"""The pictures of `tests/cases` as a camera sends them and as a provider answers them, over real sockets."""

from __future__ import annotations

import io

import pytest
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import ProviderRequest
from PIL import Image

from tests.support import colours, photos
from tests.support import hostile_pictures as hostile
from tests.support.administration import described
from tests.support.http_server import PICTURE, Service

pytestmark = pytest.mark.anyio

LOCAL = RouteEntry("local", "enhance", {"strength": 0})

REFUSED = {
    "no_dqt.jpg": 422,
    "cut_half_with_eoi.jpg": 422,
    "bomb_turned_3000_500.jpg": 422,
}
COLOURS = {
    "adobergb_dcf_r03_no_icc.jpg": 2,
    "display_p3.jpg": 2,
    "heic_nclx_p3.heic": 2,
    "heic_pq_bt2020.heic": 6,
    "arithmetic.jpg": 2,
    "no_eoi.jpg": 2,
    "plain.heic": 2,
    "orient6.jpg": 2,
}


def case(name: str) -> bytes:
    return (colours.CASES / name).read_bytes()


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("route", ["remote", "local", "local, then remote"])
async def test_a_photo_that_is_not_whole_reaches_no_provider(service: Service, name: str, route: str) -> None:
    entries = {
        "remote": (RouteEntry("scripted", "any"),),
        "local": (LOCAL,),
        "local, then remote": (LOCAL, RouteEntry("scripted", "any")),
    }
    await service.change_slot("slot-001", entries=entries[route])
    answer = await service.ingest(photo=case(name))
    described(answer, REFUSED[name], "undecodable_image")
    assert service.provider.calls == 0


@pytest.mark.parametrize("name", COLOURS)
async def test_a_provider_gets_srgb(service: Service, name: str) -> None:
    seen: list[bytes] = []

    async def note(request: ProviderRequest) -> bytes:
        seen.append(request.photo.data)
        return PICTURE

    service.provider.script = note
    answer = await service.ingest(photo=case(name))
    assert (answer.status_code, service.provider.calls) == (200, 1)
    assert colours.patches_differ(colours.decoded(seen[0])) <= COLOURS[name]
    photos.require_no_metadata(seen[0])


@pytest.mark.parametrize("front", [b"\n", b"\r\n"])
async def test_a_line_end_in_front_of_a_photo_is_no_reason_to_refuse_it(service: Service, front: bytes) -> None:
    for data in (photos.jpeg(160, 120), photos.png(), photos.webp(), photos.heic()):
        answer = await service.ingest(photo=front + data)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("header", [hostile.jpeg_of_size(65_535, 65_535), hostile.jpeg_of_size(65_535, 65_535)[:400]])
async def test_a_header_of_65535_pixels_a_side_is_too_large(service: Service, header: bytes) -> None:
    described(await service.ingest(photo=header), 413, "image_too_large")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B", "AVIF"),
        (b"\xff\x0a\xfa\x7f", "JPEG XL"),
        (b"GIF89a", "GIF"),
        (b"II*\0\x08\0\0\0", "TIFF"),
    ],
)
async def test_a_415_names_the_type_that_came(service: Service, head: bytes, name: str) -> None:
    answer = await service.ingest(photo=head + bytes(500))
    described(answer, 415, "unsupported_media_type")
    assert name in answer.json()["detail"]


ANSWERS = ["plain.heic", "orient6.jpg", "gps_everywhere.jpg", "display_p3.jpg", "cmyk_im.jpg", "AVIF"]


@pytest.mark.parametrize("name", [*ANSWERS, "answer_comfyui_workflow.png"])
async def test_what_leaves_of_a_provider_s_answer_is_a_plain_picture(service: Service, name: str) -> None:
    with Image.open(colours.CASES / "reference_base.jpg") as base:
        avif = photos.encoded(base, "AVIF", quality=95, exif=photos.located_exif())

    async def answered(request: ProviderRequest) -> bytes:
        return avif if name == "AVIF" else case(name)

    service.provider.script = answered
    answer = await service.ingest()
    assert answer.status_code == 200, answer.text
    is_png = name.endswith(".png")
    assert answer.headers["content-type"] == ("image/png" if is_png else "image/jpeg")
    link = answer.headers["link"]
    public = await service.client.get(link[1 : link.index(">")])
    assert public.content == answer.content
    thumbnail = await service.client.get(f"/public/results/{answer.headers['x-job-id']}/thumbnail")
    for left in (answer.content, thumbnail.content):
        photos.require_no_metadata(left)
        assert photos.GPS_MARK.encode() not in left
        assert b"KSampler" not in left
    with Image.open(io.BytesIO(answer.content)) as opened:
        assert opened.size == ((300, 200) if is_png else (600, 400))
        assert opened.mode == "RGB"
        assert photos.density(opened) == (300, 300)
    if name not in ("cmyk_im.jpg", "answer_comfyui_workflow.png"):
        assert colours.patches_differ(colours.decoded(answer.content)) <= 2


@pytest.mark.parametrize("name", REFUSED)
async def test_an_answer_that_is_not_whole_is_asked_for_again(service: Service, name: str) -> None:
    answers = [case(name), PICTURE]

    async def broken_at_first(request: ProviderRequest) -> bytes:
        return answers.pop(0)

    service.provider.script = broken_at_first
    answer = await service.ingest()
    assert (answer.status_code, answer.content, service.provider.calls) == (200, PICTURE, 2)


@pytest.mark.parametrize("name", ["arithmetic.jpg", "orient6.jpg", "cmyk_im.jpg", "display_p3.jpg"])
async def test_a_local_effect_takes_what_a_provider_takes(service: Service, name: str) -> None:
    await service.change_slot("slot-001", entries=(LOCAL,))
    answer = await service.ingest(photo=case(name))
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as opened:
        assert opened.size == (600, 400)
        assert photos.density(opened) == (300, 300)
