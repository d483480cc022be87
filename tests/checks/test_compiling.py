"""Patterns of checks are compiled when a document first needs them, and each is one."""

import re
import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import pytest

import paperlane.checks
from paperlane.compiling import later

COMPILED_WHILE_LOADING = """
import re, sys
import paperlane.model.documents

compiled, compile = [], re.compile
def told(*written):
    if (who := sys._getframe(1).f_globals["__name__"]).startswith("paperlane.checks"):
        compiled.append(who)
    return compile(*written)
re.compile = told

from paperlane.checks import CHECKS
print(len(CHECKS), *compiled)
"""


def test_no_pattern_is_compiled_before_a_document_needs_it():
    loaded = subprocess.run([sys.executable, "-c", COMPILED_WHILE_LOADING], check=True, capture_output=True, text=True)
    assert loaded.stdout.split() == [str(len(paperlane.checks.CHECKS))]


def test_each_pattern_of_a_check_is_one():
    loaded = [import_module(f"paperlane.checks.{module.name}") for module in iter_modules(paperlane.checks.__path__)]
    patterns = [one for module in loaded for one in vars(module).values() if isinstance(one, type(later("")))]
    assert len(patterns) > 100
    for pattern in patterns:
        assert pattern.groups >= 0, pattern.pattern


def test_what_is_compiled_later_reads_as_a_pattern_does():
    lazy, eager = later(r"(?P<at>b+)(c)?", re.IGNORECASE), re.compile(r"(?P<at>b+)(c)?", re.IGNORECASE)
    text = "aBbcab"
    assert (lazy.pattern, lazy.flags & re.IGNORECASE) == (eager.pattern, re.IGNORECASE)
    assert [found.span() for found in lazy.finditer(text)] == [found.span() for found in eager.finditer(text)]
    for ask in ("search", "match", "fullmatch"):
        assert str(getattr(lazy, ask)(text, 1)) == str(getattr(eager, ask)(text, 1))
    assert (lazy.findall(text), lazy.split(text)) == (eager.findall(text), eager.split(text))
    assert (lazy.sub("-", text), lazy.groupindex) == (eager.sub("-", text), eager.groupindex)
    with pytest.raises(re.error):
        later("(").search("")
