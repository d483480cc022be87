"""`paperlane alerts`: incidents are shown, acknowledged and silenced at the machine."""

import json
from contextlib import closing
from pathlib import Path

from sqlalchemy import select
from tests.cli.test_commands import paperlane

from paperlane.assembly import open_desk, open_ledger
from paperlane.cli.alerts import doubt
from paperlane.model.tasks import WorkerId
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
        assert "Incidents of" not in said
        typo = alerts("silence", "user-backlog", "--subject", "anne")
        assert "Incidents of user-backlog are each of a user, and none is called 'anne' now." in typo
        assert "paperlane alerts unsilence" in typo  # it may come
        assert "There is no alert 'nonsense'" in alerts("silence", "nonsense", code=2)
        kinds = {one["name"]: one["subject"] for one in json.loads(alerts("kinds", "--json"))}
        assert (kinds.keys(), kinds["worker-gone"]) == (ALERTS.keys(), "engine on host")
        trail = ledger.read(lambda c: c.scalars(select(audit.c.what).where(audit.c.user_id == 0)).all())
    assert [what for what in trail if "alert" in what or "silence" in what] == [
        "alert acknowledged", "alert silenced", "silence ended", "alert silenced",
    ]  # fmt: skip


def test_a_subject_that_no_incident_of_the_alert_could_have_is_doubted(anns: Path):
    settings = Settings(data=anns)
    with closing(open_ledger(settings)) as ledger:
        ledger.register(WorkerId("w1"), "pool", "crane/7", 1, 1)
        desk = open_desk(settings, ledger)
        for alert, subject, is_fine in (
            ("worker-gone", "pool on crane", True),
            ("worker-gone", "w1", False),
            ("worker-gone", "crane", False),
            ("engine-down", "arq", True),
            ("engine-down", "crane", False),
            ("memory", "crane", True),
            ("memory", "ann", False),
            ("bottleneck", "memory", True),
            ("bottleneck", "pool", False),
            ("user-backlog", "ann", True),
            ("user-backlog", "memory", False),
            ("queue", "pool", False),
        ):
            assert (doubt(desk, alert, subject) == "") is is_fine, (alert, subject)
        assert "Leave --subject out" in doubt(desk, "queue", "pool")
        gone = Incident("a", "memory", "heron", "critical", 0.9, 0.85, 1_800_000_000.0)
        ledger.write(lambda c: incidents.begin(c, gone))
        assert doubt(desk, "memory", "heron") == ""
        assert doubt(desk, "engine-down", "heron")
