"""Requests that are none, or nearly none: each is answered or closed, and the camera does not notice."""

from __future__ import annotations

import itertools

from tests.support import photos
from tests.support.hostile import files
from tests.support.hostile.camera import Camera
from tests.support.hostile.crowd import STRANGERS, post
from tests.support.hostile.scenarios import Scenario, odd_requests
from tests.support.hostile.siege import assert_answered, besiege
from tests.support.hostile.target import Target
from tests.support.service import PASSWORD

SERVED = {"an offer of h2c", "an offer of a websocket"}
OFFERS = {
    "h2c": {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA"},
    "websocket": {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
}


def test_odd_requests_are_refused_or_closed_and_cost_the_camera_nothing(target: Target) -> None:
    requests = odd_requests()
    answers = {name: post(target.port, request, STRANGERS[0]) for name, request in requests.items()}
    assert {name for name, status in answers.items() if status == 200} == SERVED, answers
    assert all(status is None or status < 500 or status in (501, 505) for status in answers.values()), answers
    crowded = [request for name, request in requests.items() if name not in SERVED]
    turn = itertools.cycle(crowded)
    scenario = Scenario(name="odd requests", attack=lambda _: lambda wire: wire.post(next(turn)), strangers=30)
    besiege(target, scenario)


def test_a_photo_with_an_offer_of_another_protocol_is_answered_in_this_one(target: Target) -> None:
    camera = Camera(target.port)
    photo = photos.jpeg(800, 600)
    for offer in OFFERS.values():
        for form in (files.form(photo, before=PASSWORD), files.form(photo, after=PASSWORD)):
            assert_answered(camera.send(form, headers=offer))
