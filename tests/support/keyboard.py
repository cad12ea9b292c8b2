"""The page by the keyboard alone, with every press counted that a mouse would need a click for."""

from __future__ import annotations

from playwright.async_api import Locator, Page, expect

_MAX_STOPS = 150
"""Of the Tab key on the way to an element; a way that is longer is not one."""


class Keyboard:
    """The hands of somebody without a mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.presses = 0
        """Of Enter, Space and arrows that act; not of the way by Tab, as the way of a mouse is not a click."""

    async def reach(self, element: Locator) -> None:
        """Go to an element by Tab, once it is shown."""
        await expect(element).to_be_visible()
        for _ in range(_MAX_STOPS):
            if await element.evaluate("(one) => one === document.activeElement"):
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"the Tab key does not reach {element}")

    async def press(self, element: Locator, key: str = "Enter") -> None:
        """Go to an element and press a key there that does something."""
        await self.reach(element)
        self.presses += 1
        await self.page.keyboard.press(key)

    async def write(self, element: Locator, text: str) -> None:
        """Replace what a field contains."""
        await self.reach(element)
        await self.page.keyboard.press("ControlOrMeta+A")
        await self.page.keyboard.insert_text(text)

    async def choose(self, element: Locator, text: str) -> None:
        """Choose the option of a list that begins with this text."""
        await self.reach(element)
        self.presses += 1
        await self.page.keyboard.type(text)
