"""`paperlane alerts`: incidents are shown, acknowledged and silenced at the machine."""

import json
from contextlib import closing
from pathlib import Path

from sqlalchemy import select
from tests.cli.test_commands import paperlane

from paperlane.assembly import open_ledger
from paperlane.monitor.alerts import ALERTS
from paperlane.records import incidents
from paperlane.records.incidents import Incident
from paperlane.records.schema import audit
from paperlane.settings import Settings

PARAMS = {"value": "143", "limit": "100", "user": "ann"}


def test_incidents_are_shown_acknowledged_and_silenced(anns: Path):
    def alerts(*arguments: object, code: int = 0) -> str:
        done = paperlane("alerts", *arguments, "--data", anns)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    with closing(open_ledger(Settings(data=anns))) as ledger:
        one = Incident("a", "user-backlog", "ann", "warning", 143, 20, 1_800_000_000.0, PARAMS)
        ledger.write(lambda c: incidents.begin(c, one))
        assert alerts("acknowledge", "a") == "Acknowledged: user-backlog (ann).\n"
        said = alerts("silence", "user-backlog", "--subject", "ann", "--hours", 2)
        (silence,) = json.loads(alerts("silences", "--json"))
        assert said.endswith(f"paperlane alerts unsilence {silence['id']}\n")
        (shown,) = json.loads(alerts("--json"))
        assert (shown["silenced_until"], shown["acknowledged_at"] is None) == (silence["until"], False)
        table = alerts()
        assert "143 tasks of ann wait" in table
        assert "at the machine" in table
        assert alerts("unsilence", silence["id"]) == "The silence is over.\n"
        assert "No engine, worker" not in said
        typo = alerts("silence", "user-backlog", "--subject", "anne")
        assert "No engine, worker, host or user is called 'anne' now" in typo
        assert "paperlane alerts unsilence" in typo  # it may come
        for known in ("database", "memory"):
            assert "No engine" not in alerts("silence", "bottleneck", "--subject", known)
        assert "There is no alert 'nonsense'" in alerts("silence", "nonsense", code=2)
        assert {one["name"] for one in json.loads(alerts("kinds", "--json"))} == ALERTS.keys()
        trail = ledger.read(lambda c: c.scalars(select(audit.c.what).where(audit.c.user_id == 0)).all())
    assert [what for what in trail if "alert" in what or "silence" in what] == [
        "alert acknowledged", "alert silenced", "silence ended", *["alert silenced"] * 3,
    ]  # fmt: skip
