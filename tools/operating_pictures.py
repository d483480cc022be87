"""Takes the pictures of the operators' pages, of a service under load: `tools/operating_pictures.py 15`.

It runs for so many minutes first, for plots show what was sampled.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import APIRequestContext, Page, sync_playwright

ROOT = Path(__file__).parents[1]
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")
TEXT = "The gateway shall answer each request within 200 ms and log it.\n\n"
WEIGHTS = {"ann": 1.0, "bob": 1.0, "cleo": 2.0}
ROUND = 20.0  # seconds


def main(minutes: float) -> None:
    """Start the service, let three users upload, and look at it."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as data:
        command = [
            sys.executable,
            "-m",
            "paperlane",
            "serve",
            "--port",
            "0",
            "--workers",
            "1",
            "--data",
            f"{data}/data",
        ]
        environment = os.environ | {"PAPERLANE_SYSTEM_LIMIT": "3", "PAPERLANE_ALERT_USER_BACKLOG": "8"}
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as service,
            sync_playwright() as playwright,
        ):
            assert service.stdout is not None
            link = next(found[0] for line in service.stdout if (found := re.search(r"http\S+once=\S+", line)))
            browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
            page = browser.new_page(viewport={"width": 1100, "height": 800}, locale="en-GB")
            page.goto(link)
            home = page.url.rstrip("/")
            load(page.request, home, minutes)
            look(page, home)
            browser.close()
            service.terminate()


def load(request: APIRequestContext, home: str, minutes: float) -> None:
    """Three users upload again and again: the first one more than their share, and now and then what is no PDF."""
    tokens: dict[str, str] = {}
    for name, weight in WEIGHTS.items():
        made = request.post(f"{home}/api/v1/users", data={"name": name, "weight": weight}, headers={"Origin": home})
        tokens[name] = made.json()["token"]
    end = time.monotonic() + 60 * minutes
    turn = 0
    while time.monotonic() < end:
        for name, count in {"ann": 5, "bob": 2, "cleo": 3}.items():
            for n in range(count if turn % 4 else 2 * count):
                upload(request, home, tokens[name], f"{turn}-{n}.md", (TEXT * 600).encode())
        if turn % 5 == 0:
            upload(request, home, tokens["bob"], "scan.pdf", b"%PDF-1.7\n")
        turn += 1
        time.sleep(ROUND)


def upload(request: APIRequestContext, home: str, token: str, name: str, content: bytes) -> None:
    """One document of a user's."""
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    request.post(
        f"{home}/api/v1/batches",
        multipart={"files": file},
        headers={"Authorization": f"Bearer {token}", "Origin": home},
    )


def look(page: Page, home: str) -> None:
    """The pictures."""
    images = ROOT / "docs/images"
    page.goto(f"{home}/admin")
    page.locator(".plots canvas").first.wait_for()
    page.screenshot(path=images / "operating.png", full_page=True)
    page.goto(f"{home}/admin/queue")
    page.set_viewport_size({"width": 1100, "height": 560})
    page.screenshot(path=images / "fair.png")
    page.goto(f"{home}/admin/tasks?status=completed")
    page.locator("tbody th a").first.click()
    page.locator(".timeline").wait_for()
    page.set_viewport_size({"width": 1100, "height": 420})
    page.screenshot(path=images / "attempts.png")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 15.0)
