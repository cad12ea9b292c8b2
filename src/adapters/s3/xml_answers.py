"""The XML of S3, read without its namespace."""

from __future__ import annotations

from xml.etree import ElementTree

from .faults import S3Unavailable


def parse_xml(body: bytes) -> ElementTree.Element:
    """The root of an answer; S3Unavailable where it is no XML."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise _unreadable() from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def text_of(element: ElementTree.Element, name: str) -> str:
    """The text of a child; S3Unavailable where it is missing or empty."""
    if not (text := element.findtext(name, "").strip()):
        raise _unreadable()
    return text


def _unreadable() -> S3Unavailable:
    return S3Unavailable("The answer of the object store cannot be read.")
