"""Text of forms and headers: in UTF-8, in the charset that is named, or in the code page of a camera's Windows."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

_CHARSET = re.compile(
    r"utf-?8|us-ascii|ascii|iso-?8859-\d{1,2}|latin-?1|(?:windows|x-cp|cp)-?(\d{3,4})|koi8-[ru]|x-(mac-cyrillic)"
    r"|utf-16(?:le|be)?|gbk|gb2312|gb18030|big5|shift_jis|euc-jp|euc-kr",
    re.IGNORECASE,
)
"""Charsets that are decoded: an unknown name would search the disk for a codec, and not all codecs are linear."""

_CYRILLIC_RUN = re.compile(rb"[\xa8\xb8\xc0-\xff]{3}")
_LATIN = re.compile(rb"[A-Za-z]")


def decode(data: bytes, charset: str | None = None) -> str:
    """The bytes as text, whatever they are: in the named charset, else UTF-8, else Windows-1251 or Windows-1252.

    A charset that is unknown, or that the bytes do not fit, is not an error. Linear.
    """
    for codec in (codec_of(charset or ""), "utf-8"):
        if codec is not None:
            try:
                return data.decode(codec).removeprefix("\ufeff")
            except UnicodeDecodeError:
                continue
    return data.decode(_guess(data), "replace")


@lru_cache(maxsize=64)
def codec_of(charset: str) -> str | None:
    """The codec of a charset's name; None if it is not one of those that are decoded."""
    match = _CHARSET.fullmatch(charset.strip()[:40])
    if match is None:
        return None
    name = f"cp{match[1]}" if match[1] else match[2] or match[0]
    try:
        return codecs.lookup(name).name
    except LookupError:
        return None


def _guess(data: bytes) -> str:
    """The likelier of the two code pages: three high letters in a row are a Russian word, not an accented one."""
    return "cp1251" if _CYRILLIC_RUN.search(data) or not _LATIN.search(data) else "cp1252"
