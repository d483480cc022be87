"""Takes the README's picture from the running product: `.venv/bin/python tools/picture.py`."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")


def main() -> None:
    """Start the service, upload the examples, and look at one of them."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-m", "paperlane", "serve", "--port", "0", "--data", f"{data}/data"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service, sync_playwright() as playwright:
            assert service.stdout is not None
            link = next(found[0] for line in service.stdout if (found := re.search(r"http\S+once=\S+", line)))
            browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
            page = browser.new_page(viewport={"width": 1280, "height": 860}, locale="en-GB")
            page.goto(link)
            page.set_input_files("#files", sorted((ROOT / "examples").iterdir()))
            page.get_by_role("link", name="payment-gateway.md").click()
            page.locator(".issue-head").nth(1).click()
            page.locator("mark.chosen").first.wait_for()
            page.evaluate("scrollTo(0, 0)")
            page.screenshot(path=ROOT / "docs/images/page.png")
            browser.close()
            service.terminate()


main()
