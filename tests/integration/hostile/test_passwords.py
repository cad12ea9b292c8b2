"""Wrong passwords: they cost those who send them, and never a camera or an administrator with the right one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.hostile import scenarios
from tests.support.hostile.camera import ADDRESS, Camera
from tests.support.hostile.crowd import STRANGERS, Crowd, post
from tests.support.hostile.scenarios import WRONG, Scenario, guesses_from_afar, wrong_passwords
from tests.support.hostile.siege import assert_answered, besiege
from tests.support.hostile.target import Target, limited
from tests.support.service import HANG_SECONDS

ADMIN_PASSWORD = "an-administrators-password"
WRONG_LOGINS = 150

GUESSES = 100
"""At once; fewer than the connections that an address may have which has not authenticated since the start."""

FROM = pytest.mark.parametrize("addresses", [STRANGERS, (ADDRESS,)], ids=["from afar", "from the camera's address"])


@pytest.mark.parametrize(
    "guesses", [wrong_passwords(), guesses_from_afar()], ids=["from the camera's address", "from afar"]
)
def test_wrong_passwords_never_cost_the_camera_a_photo(target: Target, guesses: list[Scenario]) -> None:
    for scenario in guesses:
        answers = besiege(target, scenario).answers
        assert set(answers) <= {400, 401, 429, None}, answers


@FROM
def test_a_right_login_is_accepted_among_150_wrong_ones(
    tmp_path: Path, postgres_url: str, addresses: tuple[str, ...]
) -> None:
    wrong = scenarios.login("admin", WRONG)
    with limited(tmp_path, postgres_url, admin_username="admin", admin_password=ADMIN_PASSWORD) as target:
        assert_answered(*Camera(target.port).shoot(1))
        crowd = Crowd(target.port, lambda wire: wire.post(wrong), strangers=WRONG_LOGINS, addresses=addresses, rounds=1)
        with crowd.around():
            right = scenarios.login("admin", ADMIN_PASSWORD)
            assert post(target.port, right, ADDRESS, patience=HANG_SECONDS) == 200
            assert crowd.answers[401] < WRONG_LOGINS / 2, "it does not wait until all of them are checked"
            crowd.finish()
        assert set(crowd.answers) <= {401, 429, None}, crowd.answers


@FROM
def test_the_first_photo_after_a_restart_does_not_wait_behind_wrong_passwords(
    tmp_path: Path, postgres_url: str, addresses: tuple[str, ...]
) -> None:
    guess = scenarios.guess()
    with limited(tmp_path, postgres_url) as target:
        assert_answered(*Camera(target.port).shoot(1))
    with limited(tmp_path, postgres_url) as target:
        crowd = Crowd(target.port, lambda wire: wire.post(guess), strangers=GUESSES, addresses=addresses, rounds=1)
        with crowd.around():
            assert_answered(*Camera(target.port).shoot(2))
