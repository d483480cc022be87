"""An admin is always left, whoever changes whose role at the same time."""

from collections.abc import Callable
from pathlib import Path

from tests.conftest import EVERY_KIND
from tests.ledger.test_concurrency import at_once

from paperlane import assembly
from paperlane.errors import Conflict
from paperlane.ledger.sql import SqlLedger
from paperlane.records.accounts import Role
from paperlane.settings import Settings

ROUNDS = 10


@EVERY_KIND
def test_of_two_admins_that_demote_each_other_at_once_one_stays(new_database: Callable[[], str], tmp_path: Path):
    settings = Settings(data=tmp_path / "data", database_url=new_database())
    ledgers = [assembly.open_ledger(settings) for _ in range(2)]
    desks = [assembly.open_desk(settings, ledger) for ledger in ledgers]
    ann, bob = (desks[0].accounts.add_user(None, name, Role.ADMIN, "", None, None) for name in ("ann", "bob"))

    def demote(n: int, _ledger: SqlLedger) -> str:
        by, other = ((ann, bob), (bob, ann))[n]
        try:
            return desks[n].accounts.change_user(by, other, role=Role.USER).role.value
        except Conflict as refused:
            return refused.code

    for _ in range(ROUNDS):
        assert sorted(at_once(ledgers, demote)) == ["last_admin", "user"]  # type: ignore[type-var]
        for account in desks[0].accounts.users():
            desks[0].accounts.change_user(None, account, role=Role.ADMIN)
    for ledger in ledgers:
        ledger.close()
