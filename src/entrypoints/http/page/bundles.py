"""The scripts of the page as few files: ES modules joined in the order of their imports.

A document needs one file for its first view and one for all that comes later, instead of a request for each module.
Each module becomes a function in the file, and its exports an object that the others read:

    $modules["lib/title.js"] = (() => {
    const { useEffect } = $modules["lib/html.js"];
    …
    return { useTitle: useTitle };
    })();

Comments between functions are left out; their lines stay, empty. Statements of modules are recognised at the
beginning of a line. What cannot be translated exactly is an error: circles of imports, exports that change (`let`),
names that the other module does not export.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_STATEMENT = re.compile(r"^(?:import\b(?!\s*[(.])|export\b)", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*/\*.*?\*/", re.MULTILINE | re.DOTALL)
_OUTER_COMMENT = re.compile(r"^/\*.*?\*/", re.MULTILINE | re.DOTALL)
_IMPORT = re.compile(r'import\s*(?:(?P<clause>[^"();]+?)\s*from\s*)?"(?P<target>[^"\n]+)";?')
_CLAUSE = re.compile(r"(?P<default>\w+)?,?\s*(?:\*\s*as\s+(?P<whole>\w+)|\{(?P<names>[^{}]*)\})?")
_EXPORT_NAMES = re.compile(r'export\s*\{(?P<names>[^{}]*)\}(?:\s*from\s*"(?P<target>[^"\n]+)")?;?')
_EXPORT_DECLARED = re.compile(
    r"export\s+(?P<default>default\s+)?(?P<kind>(?:async\s+)?function\s*\*?|class|const)\s+(?P<name>\w+)"
)
_EXPORT_DEFAULT = re.compile(r"export\s+default\s+")
_LATER = re.compile(r'\bimport\("(\.[^"\n]+)"\)')


class Module(NamedTuple):
    """A module as a function of its bundle: `body` without imports and exports."""

    body: str
    imports: tuple[tuple[str, frozenset[str]], ...]
    """The modules that must run before, each with the names that are used of it."""

    later: tuple[str, ...]
    """The modules that it loads by `import()`."""

    exports: Mapping[str, str]
    """The names of the exports with the expressions of their values."""


def bundled(sources: Mapping[str, str], entry: str, first: Iterable[str] = ()) -> dict[str, str]:
    """Join a script with all that it imports: `main.js`, and `main.rest.js` for what it loads later, if anything.

    `sources` are the modules by relative path; `first` names modules that belong to the first view although they are
    loaded by `import()`. Raises ValueError for modules that cannot be joined.
    """
    modules: dict[str, Module] = {}
    at_first = _ordered(sources, [entry, *first], modules)
    later = [path for path in at_first for path in modules[path].later]
    at_last = [path for path in _ordered(sources, later, modules, follow=True) if path not in at_first]
    rest = f"{entry.removesuffix('.js')}.rest.js"
    load = (
        f'{{ if (!(path in $modules)) await import("./{rest}"); return $modules[path]; }}'
        if at_last
        else "$modules[path]"
    )
    head = f"export const $modules = {{}};\nexport const $load = async (path) => {load};\n"
    # The entry runs last: it may load one of the others at once.
    files = {entry: head + "".join(_function(path, modules[path]) for path in sorted(at_first, key=entry.__eq__))}
    if at_last:
        imported = f'import {{ $load, $modules }} from "./{entry}";\n'
        files[rest] = imported + "".join(_function(path, modules[path]) for path in at_last)
    return files


def read_module(path: str, source: str) -> Module:
    """Take a module apart. Raises ValueError if it has a statement that cannot be translated."""
    imports: list[tuple[str, frozenset[str]]] = []
    exports: dict[str, str] = {}
    body: list[str] = []
    done = 0
    comments = [match.span() for match in _COMMENT.finditer(source)]
    for found in _STATEMENT.finditer(source):
        start = found.start()
        if any(begin < start < end for begin, end in comments):
            continue
        body.append(source[done:start])
        if match := _IMPORT.match(source, start):
            target = _resolved(path, match["target"])
            names, text = _bindings(path, match["clause"] or "", _of(target))
            imports.append((target, frozenset(names)))
            body.append(text)
        elif match := _EXPORT_NAMES.match(source, start):
            pairs = _pairs(match["names"])
            if match["target"]:
                target = _resolved(path, match["target"])
                imports.append((target, frozenset(local for local, _ in pairs)))
                exports |= {outer: f"{_of(target)}.{local}" for local, outer in pairs}
            else:
                exports |= {outer: local for local, outer in pairs}
        elif match := _EXPORT_DECLARED.match(source, start):
            exports["default" if match["default"] else match["name"]] = match["name"]
            body.append(f"{match['kind']} {match['name']}")
        elif match := _EXPORT_DEFAULT.match(source, start):
            exports["default"] = "$default"
            body.append("const $default = ")
        else:
            line = source.count("\n", 0, start) + 1
            raise ValueError(
                f"{path}, line {line}: this form of import or export is not supported in the page's scripts."
            )
        done = match.end()
    body.append(source[done:])
    text = "".join(body)
    later = tuple(_resolved(path, target) for target in _LATER.findall(text))
    text = _LATER.sub(lambda match: f'$load("{_resolved(path, match[1])}")', text)
    # Not those within functions: there it could be the text of a template. Places in errors stay.
    text = _OUTER_COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text)
    text = text.replace("import.meta.url", f'new URL("{path}", import.meta.url).href')
    return Module(text, tuple(imports), later, exports)


def _ordered(
    sources: Mapping[str, str], entries: Iterable[str], modules: dict[str, Module], *, follow: bool = False
) -> list[str]:
    """The modules with all that they import, each after its imports; with `follow` also what they load later."""
    order: list[str] = []

    def visit(path: str, above: tuple[str, ...]) -> None:
        if path in above:
            raise ValueError(f"The page's scripts import each other in a circle: {' → '.join((*above, path))}.")
        if path in order:
            return
        if path not in modules:
            if path not in sources:
                raise ValueError(f"{above[-1] if above else 'The page'} imports {path}, which does not exist.")
            modules[path] = read_module(path, sources[path])
        for target, names in modules[path].imports:
            visit(target, (*above, path))
            if missing := names - modules[target].exports.keys():
                raise ValueError(f"{path} imports {', '.join(sorted(missing))}, which {target} does not export.")
        order.append(path)

    pending = [*entries]
    while pending:
        visit(pending.pop(0), ())
        if follow:
            pending += [
                path for one in order for path in modules[one].later if path not in order and path not in pending
            ]
    return order


def _function(path: str, module: Module) -> str:
    values = ", ".join(f"{name}: {value}" for name, value in module.exports.items())
    return f"\n{_of(path)} = (() => {{\n{module.body.rstrip()}\nreturn {{ {values} }};\n}})();\n"


def _bindings(path: str, clause: str, source: str) -> tuple[list[str], str]:
    """The names that an import takes of the other module, and the declaration that binds them."""
    match = _CLAUSE.fullmatch(clause.strip())
    if match is None:
        raise ValueError(f"{path}: this import is not supported in the page's scripts: {clause}.")
    pairs = [("default", match["default"])] if match["default"] else []
    pairs += _pairs(match["names"] or "")
    text = ", ".join(local if local == outer else f"{outer}: {local}" for outer, local in pairs)
    declared = f"const {{ {text} }} = {source};" if pairs else ""
    whole = f"const {match['whole']} = {source};" if match["whole"] else ""
    return [outer for outer, _ in pairs], declared + whole


def _pairs(names: str) -> list[tuple[str, str]]:
    """`a, b as c` as (a, a), (b, c)."""
    parts = (part.split() for part in names.split(",") if part.strip())
    return [(part[0], part[-1]) for part in parts]


def _resolved(path: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def _of(path: str) -> str:
    return f'$modules["{path}"]'
