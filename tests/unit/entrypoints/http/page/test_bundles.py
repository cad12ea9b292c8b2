"""Modules joined into few files: which forms are translated, in which order, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import photochanger
import pytest
from photochanger.entrypoints.http.page.bundles import bundled, read_module
from photochanger.entrypoints.http.page.page import page_files

STATIC = Path(photochanger.__file__).parent / "entrypoints/http/page/static"


@pytest.mark.parametrize(
    ("source", "body", "exports"),
    [
        ("export const a = 1;", "const a = 1;", {"a": "a"}),
        ("export function f() {}", "function f() {}", {"f": "f"}),
        ("export async function f() {}", "async function f() {}", {"f": "f"}),
        ("export class C {}", "class C {}", {"C": "C"}),
        ("export default function Page() {}", "function Page() {}", {"default": "Page"}),
        ("export default function (s) {}", "const $default = function (s) {}", {"default": "$default"}),
        ("export default { a: 1 };", "const $default = { a: 1 };", {"default": "$default"}),
        ("const a = 1;\nexport { a, a as b };", "const a = 1;\n", {"a": "a", "b": "a"}),
        ('export { a as b } from "./y.js";', "", {"b": '$modules["x/y.js"].a'}),
    ],
)
def test_exports(source: str, body: str, exports: dict[str, str]) -> None:
    module = read_module("x/z.js", source)
    assert (module.body, module.exports) == (body, exports)


@pytest.mark.parametrize(
    ("source", "body", "names"),
    [
        ('import "./y.js";', "", set()),
        ('import a from "./y.js";', 'const { default: a } = $modules["x/y.js"];', {"default"}),
        ('import { a, b as c } from "./y.js";', 'const { a, b: c } = $modules["x/y.js"];', {"a", "b"}),
        ('import {a as c}from"./y.js";f()', 'const { a: c } = $modules["x/y.js"];f()', {"a"}),
        ('import d, { a } from "./y.js";', 'const { default: d, a } = $modules["x/y.js"];', {"default", "a"}),
        ('import {\n  a,\n  b,\n} from "./y.js";', 'const { a, b } = $modules["x/y.js"];', {"a", "b"}),
        ('import * as all from "./y.js";', 'const all = $modules["x/y.js"];', set()),
    ],
)
def test_imports(source: str, body: str, names: set[str]) -> None:
    module = read_module("x/z.js", source)
    assert (module.body, module.imports) == (body, (("x/y.js", names),))


def test_parts_loaded_later_and_own_addresses() -> None:
    module = read_module("x/z.js", 'f(() => import("../y.js"), new URL("./a.css", import.meta.url))')
    assert module.body == 'f(() => $load("y.js"), new URL("./a.css", new URL("x/z.js", import.meta.url).href))'
    assert module.later == ("y.js",)


def test_words_in_comments_and_texts_are_no_statements() -> None:
    source = '/*\nexport let a;\n*/\nconst text = "\\nimport b";\nif (text)\n  import.meta;\n'
    assert read_module("z.js", source).body == "\n\n\n" + source.split("*/\n")[1]


def test_comments_between_functions_are_left_out_and_lines_keep_their_numbers() -> None:
    source = "/* What it is. */\n/**\n * A doc.\n */\nconst a = () => {\n  /* inside */\n  return 1;\n};\n"
    assert read_module("z.js", source).body == "\n\n\n\nconst a = () => {\n  /* inside */\n  return 1;\n};\n"


@pytest.mark.parametrize(
    "source", ["export let a = 1;", 'export * from "./y.js";', "export const { a } = b;", "import a;"]
)
def test_other_forms_are_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"z\.js, line 2: this form of import or export is not supported"):
        read_module("z.js", f"\n{source}\n")


def test_modules_run_after_what_they_import_and_each_is_in_one_file() -> None:
    files = bundled(
        {
            "main.js": 'import { a } from "./a.js";\nlater(() => import("./first.js"), () => import("./other.js"));',
            "a.js": 'import { b } from "./b.js";\nexport const a = b;',
            "b.js": "export const b = 1;",
            "first.js": 'import { b } from "./b.js";',
            "other.js": 'import { a } from "./a.js";\nimport "./c.js";\nimport("./last.js");',
            "c.js": "",
            "last.js": "",
            "unused.js": "",
        },
        "main.js",
        ["first.js"],
    )
    order = {name: re.findall(r'^\$modules\["(.+)"\] =', text, re.MULTILINE) for name, text in files.items()}
    assert order == {
        "main.js": ["b.js", "a.js", "first.js", "main.js"],
        "main.rest.js": ["c.js", "other.js", "last.js"],
    }
    assert 'await import("./main.rest.js")' in files["main.js"]
    assert files["main.rest.js"].startswith('import { $load, $modules } from "./main.js";')


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"main.js": 'import "./a.js";'}, r"main\.js imports a\.js, which does not exist"),
        ({"main.js": 'import "./a.js";', "a.js": 'import "./main.js";'}, r"in a circle: main\.js → a\.js → main\.js"),
        (
            {"main.js": 'import { b } from "./a.js";', "a.js": "export const a = 1;"},
            r"imports b, which a\.js does not export",
        ),
    ],
)
def test_modules_that_do_not_fit_together_are_refused(sources: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bundled(sources, "main.js")


def test_every_script_and_style_sheet_of_the_page_is_in_a_file_that_is_served() -> None:
    files = page_files()
    scripts = [file.data.decode() for name, file in files.items() if name.endswith(".js")]
    sheets = [file.data for name, file in files.items() if name.startswith("style/")]
    modules = [path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js")]
    assert [name for name in modules if not any(f'\n$modules["{name}"] = ' in text for text in scripts)] == []
    parts = {path.name: path.read_bytes() for path in (STATIC / "style").glob("*.css")}
    assert [name for name, part in parts.items() if not any(part in sheet for sheet in sheets)] == []
