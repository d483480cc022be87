"""`paperlane user usage`, in a real process."""

import json
from pathlib import Path

from tests.cli.test_commands import paperlane
from tests.databases import new_file

from paperlane import assembly
from paperlane.desk import Order
from paperlane.model.documents import Upload
from paperlane.records.accounts import Role
from paperlane.settings import Settings


def test_what_tasks_came_to_is_printed_by_user(tmp_path: Path):
    new_file(tmp_path / "paperlane.db")
    settings = Settings(data=tmp_path)
    ledger = assembly.open_ledger(settings)
    desk = assembly.open_desk(settings, ledger)
    ann, _ = (desk.accounts.add_user(None, name, Role.USER, "", None, None) for name in ("ann", "bob"))
    uploads = [Upload(f"{n}.md", "text/markdown", 1, "0" * 64, f"{n}" * 32) for n in range(3)]
    batch, _ = desk.tasks.submit(ann, Order(uploads))
    ledger.cancel(ledger.tasks(batch=batch.id)[0].id)
    ledger.close()
    told = json.loads(paperlane("user", "usage", "--tasks", "--json", "--data", tmp_path).stdout)
    assert [(one["user"], one["queued"], one["cancelled"]) for one in told] == [("ann", 2, 1), ("bob", 0, 0)]
    refused = paperlane("user", "usage", "--tasks", "--days", 7, "--data", tmp_path)
    assert (refused.returncode, "--days says nothing to --tasks" in refused.stderr) == (2, True)
    assert {*told[0]} == {
        "user", "queued", "running", "completed", "failed", "cancelled", "CPU seconds", "tokens", "money", "currency"
    }  # fmt: skip
