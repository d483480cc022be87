"""Processes and servers are killed at random on each database; the history says that nothing was lost or doubled.

`killing.py` kills and checks, `soaked.py` is what is killed; `make soak` does it for hours.
"""

import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.databases import KINDS, Databases
from tests.faults.killing import Found, Soak, soak

SECONDS = 40.0


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_killed_nothing_is_lost_or_doubled(kind: str, databases: Databases, tmp_path: Path):
    found = soak(kind, tmp_path, databases, SECONDS, seed=0)
    assert not found.wrong, found
    assert sum(found.faults.values()) > 10, found


@pytest.mark.timeout(200)
def test_the_check_sees_what_was_lost_doubled_or_invented(databases: Databases, tmp_path: Path):
    """Who watches the watchman: a history that is wrong on purpose."""
    here = Soak(databases.bare("sqlite file", tmp_path), None, tmp_path, 0)
    here.run(6.0, most=sys.maxsize)
    here.heal(60)
    for process in list(here.staff):
        here.kill(process)
    healthy = Found("sqlite file", 0, 0)
    here.check(healthy)
    assert not healthy.wrong
    ids = [row["id"] for row in here._rows("SELECT id FROM tasks WHERE state = 'completed' ORDER BY id")]
    for change in (
        "DELETE FROM tasks WHERE id = :a",
        "INSERT INTO effects SELECT * FROM effects WHERE task_id = :b",
        "DELETE FROM effects WHERE task_id = :c AND step = 'two'",
        "UPDATE tasks SET id = 'nobody' WHERE id = :d",
        "UPDATE lanes SET ready = ready + 1 WHERE user_id = 1",
    ):
        names = {name: ids[at] for at, name in enumerate("abcd") if f":{name}" in change}
        here.ledger.write(lambda connection, c=change, n=names: connection.execute(text(c), n) and None)
    found = Found("sqlite file", 0, 0)
    here.check(found)
    assert len(found.lost) in {1, 2}  # of one batch or of two
    assert found.unexpected == ["nobody"]
    assert len(found.effects_doubled) == 3
    assert f"{ids[2]} two" in found.effects_missing
    assert found.drifted == ["1 at the end"]
    here.close()
