"""The SecretBox contract: what is sealed is read by nobody else, for nothing else, and not after a change."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from photochanger.adapters.security import AesSecretBox
from photochanger.core.ports.secrets import SealBroken, SecretBox, SecretKeyUnavailable

SECRET = "the secret of this service, which is long enough"
PLAIN = "sk-very-secret-key-4711"
PURPOSE = "provider key gemini"

MakeBox = Callable[[str], SecretBox]


@pytest.fixture(params=[AesSecretBox])
def make_box(request: pytest.FixtureRequest) -> MakeBox:
    return lambda secret: request.param(lambda: secret)


@pytest.fixture
def box(make_box: MakeBox) -> SecretBox:
    return make_box(SECRET)


@pytest.mark.parametrize("plain", [PLAIN, "", "ключ 鍵 🔑", "a\0b\nc", "\ud800", "x" * 100_000], ids=len)
def test_what_is_sealed_opens_again_also_in_another_process(make_box: MakeBox, plain: str) -> None:
    sealed = make_box(SECRET).seal(plain, purpose=PURPOSE)
    assert make_box(SECRET).open(sealed, purpose=PURPOSE) == plain


def test_a_sealed_text_is_plain_ascii_and_shows_nothing(box: SecretBox) -> None:
    sealed = box.seal(PLAIN, purpose=PURPOSE)
    assert sealed.isascii()
    assert sealed.isprintable()
    assert " " not in sealed
    assert PLAIN not in sealed
    assert sealed.startswith("v1.")


def test_the_same_text_is_sealed_differently_each_time(box: SecretBox) -> None:
    assert len({box.seal(PLAIN, purpose=PURPOSE) for _ in range(100)}) == 100


def test_another_secret_does_not_open_it(make_box: MakeBox) -> None:
    sealed = make_box(SECRET).seal(PLAIN, purpose=PURPOSE)
    for other in (SECRET + " ", SECRET.upper(), "x" * 32):
        with pytest.raises(SealBroken):
            make_box(other).open(sealed, purpose=PURPOSE)


@pytest.mark.parametrize("purpose", ["provider key openai", "provider key gemini ", "", "v1 provider key gemini"])
def test_it_does_not_open_for_another_purpose(box: SecretBox, purpose: str) -> None:
    sealed = box.seal(PLAIN, purpose=PURPOSE)
    with pytest.raises(SealBroken):
        box.open(sealed, purpose=purpose)


def test_no_character_of_it_can_be_changed_left_out_or_added(box: SecretBox) -> None:
    sealed = box.seal(PLAIN, purpose=PURPOSE)
    for at, character in enumerate(sealed):
        other = "A" if character != "A" else "B"
        for changed in (
            sealed[:at] + other + sealed[at + 1 :],
            sealed[:at] + sealed[at + 1 :],
            sealed[:at] + "\n" + sealed[at:],
            sealed[:at],
        ):
            with pytest.raises(SealBroken):
                box.open(changed, purpose=PURPOSE)
    for longer in (sealed + "=", sealed + "A", sealed + "\n", sealed + "AAAA"):
        with pytest.raises(SealBroken):
            box.open(longer, purpose=PURPOSE)


@pytest.mark.parametrize(
    "broken", ["", "v1.", "v1", "v2.AAAA", PLAIN, "v1.%%%%", "v1.AAAA", "v1.ключ", "v1." + "A" * 40]
)
def test_what_was_never_sealed_is_told_apart(box: SecretBox, broken: str) -> None:
    with pytest.raises(SealBroken) as refused:
        box.open(broken, purpose=PURPOSE)
    assert refused.value.code == "seal_broken"


def test_neither_secret_nor_text_is_shown(make_box: MakeBox) -> None:
    box = make_box(SECRET)
    sealed = box.seal(PLAIN, purpose=PURPOSE)
    with pytest.raises(SealBroken) as refused:
        make_box("another secret that is long enough").open(sealed, purpose=PURPOSE)
    shown = f"{box!r} {box} {refused.value!r} {refused.value.detail} {refused.value.__cause__!r}"
    for hidden in (SECRET, PLAIN, sealed, sealed.removeprefix("v1.")):
        assert hidden not in shown


def test_threads_may_seal_and_open_at_once(box: SecretBox) -> None:
    def there_and_back(number: int) -> str:
        return box.open(box.seal(str(number), purpose=PURPOSE), purpose=PURPOSE)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(there_and_back, range(200))) == [str(number) for number in range(200)]


def test_the_secret_is_asked_for_when_it_is_needed_and_once() -> None:
    asked = []

    def secret() -> str:
        asked.append(1)
        return SECRET

    box = AesSecretBox(secret)
    assert asked == []
    box.open(box.seal(PLAIN, purpose=PURPOSE), purpose=PURPOSE)
    assert asked == [1]


def test_a_secret_that_is_not_to_be_had_is_told_and_asked_for_again() -> None:
    def missing() -> str:
        raise SecretKeyUnavailable("gone")

    answers = iter([missing, lambda: SECRET])
    box = AesSecretBox(lambda: next(answers)())
    with pytest.raises(SecretKeyUnavailable):
        box.seal(PLAIN, purpose=PURPOSE)
    assert box.open(box.seal(PLAIN, purpose=PURPOSE), purpose=PURPOSE) == PLAIN


def test_a_digest_depends_on_text_purpose_and_secret(make_box: MakeBox, box: SecretBox) -> None:
    digest = box.digest("text", purpose=PURPOSE)
    assert len(digest) == 32
    assert digest == make_box(SECRET).digest("text", purpose=PURPOSE)
    others = [
        box.digest("text ", purpose=PURPOSE),
        box.digest("text", purpose=f"{PURPOSE}t"),
        box.digest(f"{PURPOSE}text", purpose=""),
        box.digest("", purpose=f"{PURPOSE}text"),
        make_box("x" * 40).digest("text", purpose=PURPOSE),
        box.digest("\ud800", purpose=PURPOSE),
    ]
    assert len({digest, *others}) == 7
    assert box.digest("text", purpose=PURPOSE) == digest


def test_a_digest_asks_for_the_secret_as_sealing_does() -> None:
    def missing() -> str:
        raise SecretKeyUnavailable("gone")

    answers = iter([missing, lambda: SECRET])
    box = AesSecretBox(lambda: next(answers)())
    with pytest.raises(SecretKeyUnavailable):
        box.digest("text", purpose=PURPOSE)
    assert box.digest("text", purpose=PURPOSE)
    assert box.open(box.seal(PLAIN, purpose=PURPOSE), purpose=PURPOSE) == PLAIN


def test_stored_digests_stay_valid(box: SecretBox) -> None:
    kept = "5bade1b5322101690e36ac725fd9e313e26fa94476a52c0fe37ef6f64ec3e02d"
    assert box.digest("text", purpose=PURPOSE).hex() == kept


def test_what_earlier_versions_sealed_still_opens(box: SecretBox) -> None:
    kept = "v1.8rbfnJBZKSrKWr4KM60sB_pg4JBmGIu1WqyNw_zh6SZiYN2uo7FrXm-jbatlbTVZHiyo"
    assert box.open(kept, purpose=PURPOSE) == PLAIN
