"""Writes docs/reference/checks.md from the checks themselves: `python tools/checks_page.py` (`--show` prints it)."""

import sys
from collections.abc import Iterator
from pathlib import Path

from paperlane.checks import CHECKS, DEFAULT_PROFILE, PROFILES, Check

PAGE = Path(__file__).parents[1] / "docs/reference/checks.md"

_HEAD = """# Checks

Each check flags its own examples and passes the others; tests run them. Code, addresses and inline code are passed by.

A profile is a choice of checks; several may be chosen together.

| profile | what it is for | checks |
| --- | --- | --- |
"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(_profiles()) + "".join(map(_entry, sorted(CHECKS.values(), key=lambda check: check.name)))


def _profiles() -> Iterator[str]:
    for name, profile in PROFILES.items():
        checks = sorted(check.name for check in CHECKS.values() if name in check.profiles)
        marked = f"`{name}`{' (default)' if name == DEFAULT_PROFILE else ''}"
        links = ", ".join(f"[{check}](#{check})" for check in checks)
        yield f"| {marked} {profile.title['zh']} | {profile.why} | {links} |\n"


def _entry(check: Check) -> str:
    severity = f"{check.severity.value}{f' ({check.worse})' if check.worse else ''}"
    return (
        f"\n## {check.name}\n\n{check.title['en']} ({check.title['zh']}); {severity}, {check.category}. {check.why}"
        f" Profiles: {', '.join(f'`{name}`' for name in check.profiles)}.\n"
        f"\nFlags:\n\n{''.join(map(_example, check.flags))}\nPasses:\n\n{''.join(map(_example, check.passes))}"
    )


def _example(text: str) -> str:
    line = " ⏎ ".join(filter(None, text.split("\n")))
    return f"- `` {line} ``\n" if "`" in line else f"- `{line}`\n"


if __name__ == "__main__":
    if "--show" in sys.argv:
        sys.stdout.write(page())
    else:
        PAGE.write_text(page())
