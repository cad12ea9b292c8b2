"""What is shown now, at every width, light and dark: by axe-core, without scrolling sideways, without motion."""

from __future__ import annotations

from typing import Any

from tests.support.browsing import Browsing

WIDTHS = (1280, 768, 390)
NARROW = (640, 320)
"""A laptop at 200 % zoom, and the narrowest width that has to do without scrolling in two directions."""

_RUN = """
async (colours) => {
  const rules = colours && { runOnly: ["color-contrast"] };
  const found = await axe.run({ resultTypes: ["violations"], preload: false, ...rules });
  const where = (nodes) => nodes.slice(0, 3).map(({ html }) => html.slice(0, 200)).join(" ");
  return found.violations.map(({ id, help, nodes }) => `${id}: ${help}: ${where(nodes)}`);
}
"""
_MOVES = """
() => [...document.querySelectorAll("*")].filter((one) => {
  const { animationDuration, transitionDuration } = getComputedStyle(one);
  return [...animationDuration.split(","), ...transitionDuration.split(",")].some((time) => parseFloat(time) > 0);
}).map((one) => one.outerHTML.slice(0, 120))
"""
_GO = """
(place) => new Promise((resolve, reject) => {
  const drawn = () => nextFrame().then(() => nextFrame()).then(resolve, reject);
  addEventListener("hashchange", drawn, { once: true });
  if (location.hash === place) drawn();
  location.hash = place;
})
"""
_LOADED = """
() => document.querySelector("h1, form, .empty")
  && ![...document.querySelectorAll(".loading")].some((one) => one.checkVisibility())
"""


async def show(tab: Browsing, place: str) -> None:
    """Go to a place such as `#/jobs`, and return once it is shown and nothing of it is loading."""
    await tab.page.evaluate(_GO, place)
    await loaded(tab)


async def loaded(tab: Browsing) -> None:
    """Return once nothing of the place is loading."""
    await tab.page.wait_for_function(_LOADED)


async def faults(tab: Browsing) -> list[str]:
    """What is wrong with the page as it is now, for those who want no motion: colours change at once."""
    page, found = tab.page, list[str]()
    before = page.viewport_size
    assert before is not None
    await page.emulate_media(reduced_motion="reduce")
    await tab.load_axe()
    found += [f"moves: {one}" for one in await page.evaluate(_MOVES)]
    for width in (*NARROW, *WIDTHS):
        await page.set_viewport_size({"width": width, "height": 900})
        if await tab.scrolls_sideways():
            found.append(f"{width} px: scrolls sideways")
        if width in WIDTHS:
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                violations: list[str] = await page.evaluate(_RUN, scheme == "dark")
                found += [f"{width} px, {scheme}: {one}" for one in violations]
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size({"width": before["width"], "height": before["height"]})
    return found


async def places(tab: Browsing) -> list[Any]:
    """The addresses of all places that the menu and the tabs of the shown place name, without the page's own."""
    addresses: list[Any] = await tab.page.evaluate(
        "() => [...new Set([...document.querySelectorAll('nav.places a, nav.tabs a')].map((one) => one.hash))]"
    )
    return addresses
