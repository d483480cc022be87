"""What guards found, for tests of how that is said, and what is English in a text that should be Chinese."""

import re

from paperlane.desk import ENGINES
from paperlane.rollout.flags import FLAGS
from paperlane.rollout.guarded import Guard, Mode
from paperlane.rollout.guards import Finding, Judgement, State

NAMES = {"UTC", "Jain", "Cliff", "Holm", "Paperlane", "English", "JSON", "Markdown", "HTML", "CPU", "Web"}
CODE = re.compile(r"`?paperlane [a-z]+`?|docs/[\w/.-]+|text/\w+|\bserve\b|\d+[mhdw]\b|T\d\d:\d\dZ")

_BOTH = {"users": (21, 20), "tasks": (200, 210)}
FINDINGS = {
    "failures": Finding("failures", 0.01, 0.2, 0.19, 0.05, 0.01, 5.0, 3.0, worse=True, **_BOTH),
    "wait": Finding("wait", 2.0, 30.0, 3.0, 1.5, 1.25, 5.0, 3.0, worse=True, **_BOTH, day=3),
    "completion": Finding("completion", 4.0, 8.0, 2.0, 1.2, 1.05, 5.0, 3.0, worse=True, **_BOTH),
}
"""By measure: the new engine is worse by it, with 20 users beside 21 of the control."""


def guard(state: State, measure: str, mode: Mode = Mode.ACT) -> Guard:
    """One that has found this."""
    judgement = Judgement(state, "database", (21, 20), (200, 210), [FINDINGS[measure]])
    return Guard(1, mode, state, judgement)


def english_in(text: str, *names: str) -> set[str]:
    """The words of English in it; names of engines and people, code and units are of no language."""
    left = CODE.sub(" ", text)
    return set(re.findall(r"[A-Za-z_]{2,}", left)) - {*NAMES, *ENGINES, *FLAGS, *names}
