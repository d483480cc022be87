"""Takes the pictures of the operators' pages from a service under load: `.venv/bin/python tools/operating_pictures.py`.

It runs for 15 minutes first, or as many as are given, for plots show what was sampled; with 0 only the pictures of
roll-outs and comparisons are taken, which need two minutes.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import APIRequestContext, FilePayload, Page, sync_playwright

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs/images"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")
TEXT = "The gateway shall answer each request within 200 ms and log it.\n\n"
WEIGHTS = {"ann": 1.0, "bob": 1.0, "cleo": 2.0}
ROUND = 20.0  # seconds
CROWD = 48


def main(minutes: float) -> None:
    """Start services, let people upload, and look at it."""
    if minutes:
        with served(PAPERLANE_SYSTEM_LIMIT="3", PAPERLANE_ALERT_USER_BACKLOG="8") as (page, home):
            tokens = load(page.request, home, minutes)
            look(page, home, tokens)
    with served() as (page, home):
        crowd(page.request, home)
        look_at_engines(page, home)


@contextmanager
def served(**settings: str) -> Generator[tuple[Page, str]]:
    """A page of an admin of a new service, and where that is."""
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
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | settings) as service,
            sync_playwright() as playwright,
        ):
            assert service.stdout is not None
            link = next(found[0] for line in service.stdout if (found := re.search(r"http\S+once=\S+", line)))
            browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
            page = browser.new_page(viewport={"width": 1100, "height": 800}, locale="en-GB")
            page.goto(link)
            yield page, page.url.rstrip("/")
            browser.close()
            service.terminate()


def load(request: APIRequestContext, home: str, minutes: float) -> dict[str, str]:
    """Three users upload again and again, and now and then what is no PDF; the answer is their tokens."""
    tokens = {name: add(request, home, name, weight=weight) for name, weight in WEIGHTS.items()}
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
    return tokens


def add(request: APIRequestContext, home: str, name: str, **more: object) -> str:
    """A new user's token."""
    made = request.post(f"{home}/api/v1/users", data={"name": name, **more}, headers={"Origin": home})
    return str(made.json()["token"])


def upload(request: APIRequestContext, home: str, token: str, name: str, content: bytes) -> None:
    """One document of a user's."""
    file = FilePayload(name=name, mimeType="application/octet-stream", buffer=content)
    headers = {"Authorization": f"Bearer {token}", "Origin": home}
    request.post(f"{home}/api/v1/batches", multipart={"files": file}, headers=headers)


def look(page: Page, home: str, tokens: dict[str, str]) -> None:
    """The pictures, while all of them wait."""
    for n in range(12):
        for token in tokens.values():
            upload(page.request, home, token, f"last-{n}.md", (TEXT * 2_000).encode())
    page.goto(f"{home}/admin")
    page.locator(".plots canvas").first.wait_for()
    page.screenshot(path=IMAGES / "operating.png", full_page=True)
    page.goto(f"{home}/admin/queue")
    page.set_viewport_size({"width": 1100, "height": 535})
    page.screenshot(path=IMAGES / "fair.png")
    page.goto(f"{home}/admin/tasks?status=completed")
    page.locator("tbody th a").first.click()
    page.locator(".timeline").wait_for()
    page.set_viewport_size({"width": 1100, "height": 420})
    page.screenshot(path=IMAGES / "attempts.png")


def crowd(request: APIRequestContext, home: str) -> None:
    """Many users upload some small documents each, half of them on another engine, until all are done."""
    tokens = [add(request, home, f"user{n}", group="readers" if n < CROWD // 6 else "") for n in range(CROWD)]
    half = {"engine": "inline", "percent": 50, "guard": "stop"}
    for change in ({"engine": "inline", "percent": 100, "group": "readers"}, half):
        request.put(f"{home}/api/v1/rollout", data=change, headers={"Origin": home})
    for n in range(4):
        for token in tokens:
            upload(request, home, token, f"{n}.md", (TEXT * 20).encode())
    while (queue := request.get(f"{home}/api/v1/queue").json())["queued"] or queue["running"]:
        time.sleep(1)


def look_at_engines(page: Page, home: str) -> None:
    """The pictures of how the crowd was moved, and of what became of that."""
    page.goto(f"{home}/admin/rollout")
    unseen = page.locator("tr", has_text="not looked at yet")
    unseen.first.wait_for(state="detached", timeout=150_000)  # a guard looks once a minute
    page.locator("#rule [name=engine]").select_option("inline")
    page.screenshot(path=IMAGES / "rollout.png", full_page=True)
    page.goto(f"{home}/admin/comparisons?a=database&b=inline")
    page.locator("#comparison .plot").wait_for()
    page.set_viewport_size({"width": 1100, "height": 1_010})
    page.screenshot(path=IMAGES / "comparison.png")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 15.0)
