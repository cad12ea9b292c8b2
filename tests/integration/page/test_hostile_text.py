"""The helpers of the page take long texts of any kind without hanging the tab.

Every exported function of `lib/` is called, also those that are yet to be written, except the ones named here.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import photochanger
import pytest

from tests.support.browsing import Browsing
from tests.support.hostile_samples import texts

pytestmark = pytest.mark.anyio

STATIC = Path(photochanger.__file__).parent / "entrypoints/http/page/static"
HELPERS = [f"lib/{path.name}" for path in sorted((STATIC / "lib").glob("*.js"))] + ["pages/slot/prompts.js"]

ACTS = {
    "lib/api.js": "requests",
    "lib/html.js": "renders",
    "lib/live.js": "subscribes",
    "lib/live_reload.js": "subscribes",
    "lib/load.js": "hooks of components",
    "lib/media.js": "hooks of components",
    "lib/store.js": "hooks of components",
    "lib/preferences.js": "stores",
    "lib/theme.js": "stores",
}
"""Modules without a function that only computes, and what they do instead."""

ACTIONS = {
    "saveCsv",
    "choose",
    "go",
    "setQuery",
    "guardLeaving",
    "readProviders",
    "PromptTools",
    "PromptFields",
    "PromptPreview",
}
"""Functions that act: on the page, or by a request."""

CALL_ALL = """
async ({ files, text, actions }) => {
  const root = document.querySelector("script[type=module]").src.replace(/\\/main\\.js$/, "");
  const error = { field: text, code: text, detail: text };
  const problem = { ...error, message: text, errors: [error], params: { a: text } };
  const known = { ...problem, code: "not_one_of", params: { allowed: [text], expected: text } };
  const samples = [[text, text], [problem, text], [known, text], [[[text, text], [text]], [text]], [null, text]];
  const called = [];
  for (const file of files) {
    const module = await import(`${root}/${file}`);
    for (const [name, value] of Object.entries(module)) {
      if (typeof value !== "function" || actions.includes(name)) continue;
      for (const sample of samples) {
        try {
          const made = value(...sample);
          if (typeof made === "function") made(text);
        } catch (error) {
          if (!(error instanceof TypeError || error instanceof RangeError || error instanceof Error)) throw error;
        }
      }
      called.push(`${file} ${name}`);
    }
  }
  return called;
}
"""


async def test_no_helper_hangs_on_a_long_text(tab: Browsing) -> None:
    assert set(ACTS) <= set(HELPERS)
    files = [file for file in HELPERS if file not in ACTS]
    for kind, text in texts().items():
        if kind == "surrogates":
            continue  # cannot be sent to the browser
        given = {"files": files, "text": text, "actions": sorted(ACTIONS)}
        async with asyncio.timeout(120):  # the page would not answer for hours
            called = await tab.page.evaluate(CALL_ALL, given)
        for name in ("format.js duration", "messages.js problemText", "csv.js csv", "language.js translator"):
            assert f"lib/{name}" in called, kind
        assert "pages/slot/prompts.js namedIn" in called
