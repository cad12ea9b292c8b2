"""Header values with parameters (`form-data; name="file"; filename="a.jpg"`), read as camera software writes them.

Nothing here raises: what cannot be understood is left out. All work is linear in the text, which is cut first.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from .charsets import decode

MAX_VALUE_CHARS = 8 * 1024
_MAX_PARAMETERS = 32

_ESCAPED = re.compile(r'\\(["\\])')
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,40})\?([qQbB])\?([^?\s]*)\?=")
_BETWEEN_WORDS = re.compile(r"\?=[ \t]{1,8}=\?")


def parse_parameters(text: str) -> tuple[str, dict[str, str]]:
    """The value in lower case, and its parameters by their lower-case names; the first one of a name counts.

    Values may be tokens, quoted strings, or neither (blanks, `=`, no end quote): a value ends at the next `;`.
    """
    text = text[:MAX_VALUE_CHARS]
    value, _, _ = text.partition(";")
    parameters: dict[str, str] = {}
    at = len(value) + 1
    while at < len(text) and len(parameters) < _MAX_PARAMETERS:
        end = _end(text, at)
        name, equals, given = text[at:end].partition("=")
        if equals and name.strip():
            parameters.setdefault(name.strip().lower(), _value(given.strip()))
        at = end + 1
    return value.strip().lower(), parameters


def text_parameter(parameters: Mapping[str, str], name: str) -> str | None:
    """A parameter that people wrote: plain, with encoded words (RFC 2047), or extended (`name*`, RFC 5987 and 2231)."""
    if (plain := parameters.get(name)) is not None:
        return _without_encoded_words(plain)
    if (extended := parameters.get(f"{name}*")) is not None:
        return _extended(extended)
    pieces = [value for key, value in parameters.items() if key.startswith(f"{name}*")]
    return _extended("".join(pieces)) if pieces else None


def _end(text: str, at: int) -> int:
    """Where the parameter that begins here ends: at the next `;` outside of quotes."""
    end = text.find(";", at)
    end = len(text) if end < 0 else end
    equals = text.find("=", at, end)
    if equals < 0 or not text[equals + 1 : end].lstrip().startswith('"'):
        return end
    closing = _closing_quote(text, text.index('"', equals) + 1)
    end = text.find(";", closing)
    return len(text) if end < 0 else end


def _closing_quote(text: str, at: int) -> int:
    """The end of a quoted string: the next quote without a backslash before it; else the first one, else the end."""
    first = quote = text.find('"', at)
    while quote >= 0:
        before = quote
        while before > at and text[before - 1] == "\\":
            before -= 1
        if (quote - before) % 2 == 0:
            return quote
        at = quote + 1
        quote = text.find('"', at)
    return first if first >= 0 else len(text)


def _value(given: str) -> str:
    if not given.startswith('"'):
        return given
    inside = given[1 : _closing_quote(given, 1)]
    return _ESCAPED.sub(r"\1", inside)


def _extended(value: str) -> str:
    """`UTF-8''%D0%B8.jpg`; without a charset the text itself."""
    charset, quote, rest = value.partition("'")
    return decode(unquote_to_bytes(rest.partition("'")[2]), charset) if quote else _without_encoded_words(value)


def _without_encoded_words(text: str) -> str:
    if "=?" not in text:
        return text
    return _ENCODED_WORD.sub(_decoded_word, _BETWEEN_WORDS.sub("?==?", text))


def _decoded_word(match: re.Match[str]) -> str:
    charset, encoding, text = match.groups()
    data = text.encode("utf-8", "replace")
    try:
        if encoding in "qQ":
            return decode(binascii.a2b_qp(data, header=True), charset)
        return decode(binascii.a2b_base64(data), charset)
    except binascii.Error:
        return match[0]
