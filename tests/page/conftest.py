"""A real browser, and a person who opens pages with it."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage",
    "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip
CONTRASTS = """(root) => {
    const rgba = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
    const over = ([r, g, b, a = 1], under) => [r, g, b].map((part, at) => part * a + under[at] * (1 - a));
    const light = (color) => color.map((part) => part / 255)
        .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
        .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
    const ground = (node) => {
        const under = node.parentElement ? ground(node.parentElement) : [255, 255, 255];
        return over(rgba(getComputedStyle(node).backgroundColor), under);
    };
    const fade = (node) => (node ? getComputedStyle(node).opacity * fade(node.parentElement) : 1);
    const texts = [...root.querySelectorAll("*")].filter((node) => node.innerText && !node.children.length);
    return texts.map((node) => {
        const under = ground(node);
        const [r, g, b] = rgba(getComputedStyle(node).color);
        const pair = [light(over([r, g, b, fade(node)], under)), light(under)].sort((a, b) => b - a);
        return [node.innerText, (pair[0] + 0.05) / (pair[1] + 0.05)];
    });
}"""
expect.set_options(timeout=60_000)  # milliseconds: other tests keep the processors busy

Visit = Callable[..., Page]
CUT = ("Failed to load resource", "WebSocket connection to")  # what a browser says of a line that is cut


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens pages; no script may fail. The browser logs each answer that is an error: `cut` is for tests of those."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def visit(url: str, *, cut: bool = False, **options: Any) -> Page:
        contexts.append(
            browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1280, "height": 800}, **options})
        )
        opened = contexts[-1].new_page()

        def logged(message: ConsoleMessage) -> None:
            if message.type == "error" and not (cut and message.text.startswith(CUT)):
                problems.append(message.text)

        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("console", logged)
        opened.goto(url)
        return opened

    yield visit
    assert problems == []
    for context in contexts:
        context.close()


def sign_in(page: Page, user: httpx.Client) -> None:
    page.get_by_label("Token").fill(user.headers["Authorization"].split()[1])
    page.keyboard.press("Enter")
