"""The documents of the repository, read without building the site: their links, and what translations must share.

A fault is a line of text: the document, and what is wrong with it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
OTHER_LANGUAGE = ".ru.md"

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<code>.*?)^(?P=indent)```[ ]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(.+?)\1")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
_BOLD = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
_INCLUDE = re.compile(r'^ *--8<-- "([^"]+)"$', re.MULTILINE)
_PAIR = re.compile(r'^  (?P<en>\w+|"[^"]+"): "(?P<ru>[^"]+)",$', re.MULTILINE)
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Document:
    """A Markdown document; code is looked at apart from the text around it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = path.read_text("utf-8")
        self.blocks = [
            (found["info"].strip(), re.sub(rf"^{found['indent']}", "", found["code"], flags=re.MULTILINE))
            for found in _FENCE.finditer(self.source)
        ]
        self.text = _FENCE.sub("", self.source)
        self.prose = _CODE.sub("", self.text)
        self.includes = _INCLUDE.findall(self.source)

    @property
    def levels(self) -> list[int]:
        """The level of each heading, in their order."""
        return [len(heading[1]) for heading in _HEADING.finditer(self.text)]

    @property
    def anchors(self) -> set[str]:
        """What links to headings of this document may name."""
        seen = Counter[str]()
        anchors = set()
        for heading in _HEADING.finditer(self.text):
            slug = re.sub(r"[^\w\- ]", "", heading[2].replace("`", "").lower()).replace(" ", "-")
            anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
        return anchors

    @property
    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    @property
    def codes(self) -> Counter[str]:
        """The code within the text."""
        return Counter(code for _, code in _CODE.findall(self.text))

    @property
    def bold(self) -> list[str]:
        return [" ".join(found.split()) for found in _BOLD.findall(self.prose)]

    @property
    def tables(self) -> list[int]:
        """The number of columns of each row of all tables."""
        rows = (line.strip() for line in self.text.split("\n"))
        return [row.count(" |") for row in rows if row.startswith("|")]

    @property
    def items(self) -> int:
        """How many items its lists have."""
        return len(re.findall(r"^ *(?:[-*]|\d+\.) ", self.text, re.MULTILINE))

    @property
    def paragraphs(self) -> list[str]:
        """The prose between empty lines."""
        return [part.strip() for part in re.split(r"\n\s*\n", self.prose) if part.strip()]


def documents(root: Path = ROOT) -> list[Path]:
    """Every document that people read in the repository."""
    folders = ("docs", "adr", "examples", "deploy")
    return sorted([*root.glob("*.md"), *(path for name in folders for path in (root / name).rglob("*.md"))])


def broken_links(path: Path) -> Iterator[str]:
    """Links to files and headings that are not there, and included files that are not there."""
    document = Document(path)
    for link in document.links:
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        found = path if target == "" else (path.parent / target)
        if not found.exists():
            yield f"{path.name}: {link} is not there"
        elif anchor and anchor not in Document(found).anchors:
            yield f"{path.name}: {link}: no such heading"
    for name in document.includes:
        if not (ROOT / name).is_file():
            yield f"{path.name}: includes {name}, which is not there"


def other_language(path: Path) -> Path:
    """The Russian document that belongs to an English one."""
    return path.with_name(path.name.removesuffix(".md") + OTHER_LANGUAGE)


def differences(english: Path, russian: Path) -> Iterator[str]:
    """What an English document and its Russian one must have in common and do not."""
    if not russian.exists():
        yield f"{english.name}: {russian.name} is missing"
        return
    one, other = Document(english), Document(russian)
    for what, a, b in (
        ("headings", one.levels, other.levels),
        ("code blocks", one.blocks, other.blocks),
        ("code in the text", one.codes, other.codes),
        ("links", _in_russian(english), _in_russian(russian)),
        ("tables", one.tables, other.tables),
        ("list items", one.items, other.items),
        ("labels of the page", len(one.bold), len(other.bold)),
    ):
        if a != b:
            yield f"{russian.name}: other {what} than {english.name}: {_shown(a, b)}"
    for paragraph in other.paragraphs:
        if len(re.findall(r"[A-Za-z]{2,}", paragraph)) > 5 and not re.search(r"[а-яё]{3}", paragraph):
            yield f"{russian.name}: not translated: {paragraph[:60]}"


def _in_russian(path: Path) -> list[str]:
    """Where the links of a document lead, in Russian where that exists; headings have other names in each language."""
    targets = (link.partition("#")[0] for link in Document(path).links)
    russian = (
        target.removesuffix(".md") + OTHER_LANGUAGE if _has_russian(path, target) else target for target in targets
    )
    return sorted(target for target in russian if not target.startswith("README"))


def _has_russian(path: Path, target: str) -> bool:
    named = path.parent / target
    return not path.name.endswith(OTHER_LANGUAGE) and named.suffix == ".md" and other_language(named).exists()


def _shown(a: Any, b: Any) -> str:
    if isinstance(a, Counter):
        return f"{dict(a - b)} and {dict(b - a)}"
    if isinstance(a, list):
        return f"{[x for x in a if x not in b]} and {[x for x in b if x not in a]} of {len(a)} and {len(b)}"
    return f"{a} and {b}"


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, whose names of Python functions mean nothing here."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)


@cache
def site() -> Any:
    """The configuration of the site."""
    return yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), _Loader)


def navigation() -> tuple[list[str], list[str]]:
    """The pages of the navigation as they follow each other, and the titles of its sections."""
    pages, sections = [], []

    def walk(part: Any) -> None:
        if isinstance(part, str):
            pages.append(part)
        elif isinstance(part, list):
            for each in part:
                walk(each)
        else:
            for title, inside in part.items():
                sections.append(title)
                walk(inside)

    walk(site()["nav"])
    return pages, sections


def for_users() -> list[Path]:
    """The English pages that also exist in Russian: the first page, those in folders, the entrance of the reference.

    The other documents in `docs` are the reference, in English only.
    """
    pages, _ = navigation()
    return [ROOT / "docs" / page for page in pages if "/" in page or page in ("index.md", "reference.md")]


@cache
def labels(language: str) -> frozenset[str]:
    """The texts of the web page in a language."""
    texts = set[str]()
    for path in (ROOT / "src/entrypoints/http/page/static/i18n").glob("*.js"):
        source = path.read_text("utf-8")
        parts = re.split(r"^  (en|ru): \{$", source, flags=re.MULTILINE)
        for name, part in zip(parts[1::2], parts[2::2], strict=True):
            if name == language:
                texts.update(_TEXT.findall(part))
        if len(parts) == 1:  # what providers call things: English text to Russian text
            texts.update(pair["en"].strip('"') if language == "en" else pair["ru"] for pair in _PAIR.finditer(source))
    return frozenset(texts)
