"""An engine is rolled out by percent and by group, sticky for each user, and taken back."""

from dataclasses import replace
from threading import Event, Thread

import pytest
from sqlalchemy import select
from tests.conftest import EVERY_KIND

from paperlane import rollout
from paperlane.desk import Desk
from paperlane.errors import BadRequest, Conflict, NotFound
from paperlane.model.tasks import UserId, WorkerId
from paperlane.records.accounts import Account, Role, by_engine, terms, with_terms
from paperlane.records.schema import audit
from paperlane.rollout import (
    NewRule,
    Plan,
    engine_of,
    engines_of_new,
    engines_that_gain,
    guarded,
    hidden,
    place_of,
)
from paperlane.rollout.flags import DATABASE_QUEUE, WORKER_POOL
from paperlane.rollout.guards import State
from paperlane.rollout.rules import Rule

EVERYBODY = [UserId(n) for n in range(1, 2_001)]


def rule(engine: str, percent: float, group: str = "", number: int = 1) -> Rule:
    return Rule(number, engine, percent, group, 0.0, UserId(0))


class TestWhose:
    def test_a_percentage_takes_in_so_many(self):
        for percent in (1, 10, 50, 90):
            taken = sum(place_of(user) < percent for user in EVERYBODY)
            assert taken == pytest.approx(len(EVERYBODY) * percent / 100, rel=0.25)

    def test_nobody_at_nothing_and_everybody_at_all(self):
        assert {engine_of(user, "", "", [rule("b", 0)], "a") for user in EVERYBODY} == {"a"}
        assert {engine_of(user, "", "", [rule("b", 100)], "a") for user in EVERYBODY} == {"b"}

    def test_who_is_moved_first_stays_moved(self):
        def moved(percent: float) -> set[UserId]:
            return {user for user in EVERYBODY if engine_of(user, "", "", [rule("b", percent)], "a") == "b"}

        assert moved(5) < moved(30) < moved(31) < moved(80)

    def test_the_newest_that_takes_a_user_in_counts(self):
        in_force = [rule("c", 20), rule("b", 50), rule("d", 100, "readers")]
        for user in EVERYBODY[:200]:
            place = place_of(user)
            assert engine_of(user, "", "", in_force, "a") == ("c" if place < 20 else "b" if place < 50 else "a")
            assert engine_of(user, "readers", "", in_force, "a") == ("c" if place < 20 else "b" if place < 50 else "d")

    def test_a_new_user_may_be_given_any_engine_that_a_rule_leaves(self):
        def may(*in_force: Rule) -> set[str]:
            return set(engines_of_new(in_force, "a"))

        assert may() == may(rule("b", 0)) == {"a"}
        assert may(rule("b", 10)) == {"a", "b"}
        assert may(rule("b", 100)) == may(rule("b", 100), rule("c", 50)) == {"b"}
        assert may(rule("c", 20), rule("b", 20), rule("d", 100)) == {"c", "d"}
        assert may(rule("b", 100, "readers")) == {"a", "b"}
        assert may(rule("b", 100), rule("c", 100, "readers")) == {"b"}
        assert may(rule("c", 100, "readers"), rule("b", 100)) == {"b", "c"}

    def test_what_was_chosen_for_one_user_is_stronger(self):
        assert engine_of(UserId(1), "", "e", [rule("b", 100)], "a") == "e"


class TestWhoGains:
    def test_it_is_who_gets_users_of_another_engine_and_not_who_loses_some(self):
        def gain(before: list[Rule], after: list[Rule]) -> set[str]:
            return set(engines_that_gain(Plan(before, "a"), Plan(after, "a"), ["readers"], []))

        assert gain([], [rule("b", 10)]) == {"b"}
        assert gain([rule("b", 10)], [rule("b", 50)]) == {"b"}
        assert gain([rule("b", 50)], [rule("b", 5)]) == {"a"}
        assert gain([rule("b", 50), rule("c", 80)], [rule("b", 10), rule("c", 80)]) == {"c"}
        assert gain([rule("b", 50), rule("c", 80)], [rule("c", 80)]) == {"c"}
        assert gain([rule("b", 50)], [rule("c", 10), rule("b", 50)]) == {"c"}
        assert gain([rule("b", 50), rule("c", 20)], [rule("b", 50)]) == set()
        assert gain([], [rule("b", 0)]) == gain([rule("b", 50)], [rule("b", 50)]) == set()

    def test_of_groups_only_those_that_somebody_is_in_count(self):
        before, after = Plan([rule("b", 100)], "a"), Plan([rule("c", 100, "readers"), rule("b", 100)], "a")
        assert engines_that_gain(before, after, ["readers", "writers"], []) == {"c"}
        assert engines_that_gain(before, after, ["writers"], []) == set()

    def test_the_usual_engine_and_the_queues_flag_give_users_too(self):
        rules = [rule("b", 50)]
        on = Plan(rules, "a")
        assert engines_that_gain(on, Plan(rules, "c"), [], ["e"]) == {"c"}
        assert engines_that_gain(Plan([rule("b", 100)], "a"), Plan([rule("b", 100)], "c"), [], []) == set()
        off = on.changed(to={DATABASE_QUEUE: False})
        assert engines_that_gain(on, off, [], ["e"]) == {"inline"}
        assert engines_that_gain(off, on, [], ["e"]) == {"a", "b", "e"}
        assert engines_that_gain(off, Plan([rule("b", 100)], "a"), [], ["inline"]) == {"b"}

    def test_a_rule_takes_the_place_of_what_its_engine_was_given_of_the_same_users(self):
        plan = Plan([rule("b", 10), rule("c", 20), rule("b", 30, "readers")], "a")
        after = plan.changed(NewRule("c", 5))
        assert [(one.engine, one.percent, one.group) for one in after.rules] == [
            ("c", 5, ""),
            ("b", 10, ""),
            ("b", 30, "readers"),
        ]
        assert [(one.engine, one.group) for one in plan.changed(NewRule("b", 5)).rules] == [
            ("b", ""),
            ("c", ""),
            ("b", "readers"),
        ]
        assert plan.changed(NewRule("b", 10)) == plan.changed() == plan  # which the newest says already


def test_a_rule_carries_nobody_where_newer_ones_take_the_same_places():
    def by(*in_force: Rule) -> dict[int, str]:
        numbered = [replace(one, id=len(in_force) - at) for at, one in enumerate(in_force)]
        for one in numbered:  # as each user's engine has it
            carries = {engine_of(user, one.group, "", numbered, "a") for user in EVERYBODY}
            assert (one.id in hidden(numbered)) == (one.percent > 0 and one.engine not in carries)
        return {number: newer.engine for number, newer in hidden(numbered).items()}

    assert by(rule("c", 10), rule("b", 10)) == by(rule("c", 60), rule("b", 10)) == {1: "c"}
    assert by(rule("c", 10), rule("b", 20)) == {}
    assert by(rule("c", 10), rule("b", 0)) == {}
    assert by(rule("c", 10), rule("b", 10, "readers")) == {1: "c"}
    assert by(rule("c", 10, "readers"), rule("b", 10)) == {}
    assert by(rule("c", 10, "readers"), rule("b", 10, "writers")) == {}
    assert by(rule("d", 5), rule("c", 30), rule("b", 30)) == {1: "c"}


def made(desk: Desk, count: int, group: str = "") -> list[Account]:
    there = len(desk.accounts.users())
    return [desk.accounts.add_user(None, f"user{there + n}", Role.USER, group, None, None) for n in range(count)]


def engines(desk: Desk) -> dict[str, str]:
    return {account.name: terms.engine for account, terms in desk.ledger.read(with_terms) if terms}


def engine(desk: Desk, account: Account) -> str:
    found = desk.ledger.read(lambda connection: terms(connection, account.id))
    assert found is not None
    return found.engine


def set_out(desk: Desk, to: str, percent: float, group: str = "") -> int:
    desk.operating.roll_out(None, to, percent, group, force=True)
    return sum(desk.rollout.settle())


def hold(desk: Desk) -> None:
    """The newest rule is found worse."""
    newest = desk.rollout.in_force()[0].id
    desk.ledger.write(lambda connection: guarded.keep(connection, newest, State.HELD, None, 1.0))


@EVERY_KIND
class TestRollingOut:
    def test_users_are_moved_and_come_back(self, desk: Desk):
        accounts = made(desk, 20)
        before = engines(desk)
        assert set(before.values()) == {"database"}
        moved = set_out(desk, "inline", 40)
        assert moved == sum(place_of(account.id) < 40 for account in accounts)
        assert {a.name: engine(desk, a) for a in accounts} == {
            a.name: "inline" if place_of(a.id) < 40 else "database" for a in accounts
        }
        assert set_out(desk, "inline", 100) == 20 - moved
        undone = desk.operating.roll_back(None)
        assert undone is not None
        assert undone.percent == 100
        assert sum(desk.rollout.settle()) == 20 - moved
        desk.operating.roll_back(None)
        assert sum(desk.rollout.settle()) == moved
        assert engines(desk) == before
        with pytest.raises(Conflict, match="no roll-out"):
            desk.operating.roll_back(None)

    def test_all_pages_are_settled(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(rollout, "_PAGE", 3)
        made(desk, 9)
        assert set_out(desk, "inline", 100) == 9
        assert set(engines(desk).values()) == {"inline"}

    def test_a_group_has_its_own_and_who_joins_it_is_moved(self, desk: Desk):
        (reader,), (other,) = made(desk, 1, "readers"), made(desk, 1)
        assert set_out(desk, "inline", 100, "readers") == 1
        assert (engine(desk, reader), engine(desk, other)) == ("inline", "database")
        desk.accounts.change_user(None, other, group="readers", force=True)
        desk.accounts.change_user(None, reader, group="", force=True)
        assert (engine(desk, reader), engine(desk, other)) == ("database", "inline")

    def test_a_new_user_goes_where_the_rules_say(self, desk: Desk):
        set_out(desk, "inline", 50)
        for account in made(desk, 8):
            assert engine(desk, account) == ("inline" if place_of(account.id) < 50 else "database")

    def test_an_engine_of_ones_own_stays_until_it_is_given_up(self, desk: Desk):
        (account,) = made(desk, 1)
        with pytest.raises(Conflict, match="No worker of inline"):
            desk.accounts.change_user(None, account, engine="inline")
        account = desk.accounts.change_user(None, account, engine="inline", force=True)
        desk.accounts.change_user(None, account, engine="inline")  # as it is already
        set_out(desk, "inline", 100)
        assert set_out(desk, "database", 100) == 0
        assert engine(desk, account) == "inline"
        desk.accounts.change_user(None, account, limit=3)
        desk.accounts.change_user(None, account, group="readers")
        assert engine(desk, account) == "inline"
        made(desk, 2)
        assert desk.ledger.read(by_engine) == {"inline": (1, 1), "database": (2, 0)}
        desk.accounts.change_user(None, account, engine="auto", force=True)
        assert engine(desk, account) == "database"
        assert desk.ledger.read(by_engine) == {"database": (3, 0)}

    def test_an_account_is_changed_as_it_is_and_not_as_it_was_read(self, desk: Desk):
        (read_before,) = made(desk, 1)
        desk.accounts.change_user(None, read_before, engine="inline", force=True)
        desk.accounts.change_user(None, read_before, group="readers")
        assert engine(desk, read_before) == "inline"

    def test_what_is_set_later_is_newer_by_whatever_clock(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        made(desk, 1)
        set_out(desk, "inline", 100)
        monkeypatch.setattr(type(desk.clock), "now", lambda _: 1_000.0)  # of a machine whose clock is behind
        set_out(desk, "database", 100)
        assert set(engines(desk).values()) == {"database"}

    def test_what_makes_no_sense_is_refused(self, desk: Desk):
        for percent in (-1, 100.5, float("nan")):
            with pytest.raises(BadRequest, match="percentage"):
                desk.operating.roll_out(None, "inline", percent)
        with pytest.raises(BadRequest, match="no engine"):
            desk.operating.roll_out(None, "teleport", 10)
        with pytest.raises(BadRequest, match="Nobody is in a group"):
            desk.operating.roll_out(None, "inline", 10, "readers", force=True)
        assert desk.rollout.in_force() == []

    def test_nobody_is_given_to_an_engine_that_no_worker_serves(self, desk: Desk):
        made(desk, 1)
        with pytest.raises(Conflict, match="No worker of inline"):
            desk.operating.roll_out(None, "inline", 10)
        desk.operating.roll_out(None, "inline", 0)  # which takes users away from it
        desk.ledger.register(WorkerId("w"), "inline", "host", 1, 1)
        desk.operating.roll_out(None, "inline", 10)

    def test_only_an_engine_that_gains_users_needs_a_worker(self, desk: Desk):
        made(desk, 2)
        set_out(desk, "inline", 50)
        with pytest.raises(Conflict, match="No worker of database"):
            desk.operating.roll_out(None, "inline", 5)
        desk.ledger.register(WorkerId("d"), "database", "host", 1, 1)
        desk.operating.roll_out(None, "inline", 5)  # of which no worker lives, and that only loses users
        with pytest.raises(Conflict, match="No worker of inline"):
            desk.operating.roll_out(None, "inline", 6)

    def test_one_user_is_given_by_group_or_rules_only_to_an_engine_that_is_served(self, desk: Desk):
        (account,), _ = made(desk, 1), made(desk, 1, "readers")
        set_out(desk, "inline", 100, "readers")
        with pytest.raises(Conflict, match="No worker of inline") as refused:
            desk.accounts.change_user(None, account, group="readers")
        assert refused.value.code == "engine_unserved"
        desk.accounts.change_user(None, account, group="writers")  # whose engine is the same
        desk.accounts.change_user(None, account, engine="rq", force=True)
        desk.accounts.change_user(None, account, group="readers")  # an engine of one's own stays
        with pytest.raises(Conflict, match="No worker of inline"):
            desk.accounts.change_user(None, account, engine="auto")
        assert engine(desk, account) == "rq"
        desk.ledger.register(WorkerId("i"), "inline", "host", 1, 1)
        desk.accounts.change_user(None, account, engine="auto")
        assert engine(desk, account) == "inline"

    def test_the_rule_of_a_group_that_emptied_is_changed_still(self, desk: Desk):
        (reader,) = made(desk, 1, "readers")
        set_out(desk, "inline", 100, "readers")
        desk.accounts.change_user(None, reader, group="", force=True)
        desk.operating.roll_out(None, "inline", 0, "readers")  # which moves nobody
        assert [(one.percent, one.group) for one in desk.rollout.in_force()] == [(0, "readers")]
        desk.operating.roll_all_back(None, "inline")
        with pytest.raises(BadRequest, match="Nobody is in a group"):
            desk.operating.roll_out(None, "inline", 0, "readers")

    def test_a_rule_is_set_by_who_has_seen_the_newest_one(self, desk: Desk):
        made(desk, 1)
        for seen in (7, 0, 0):  # of which the last time it is so already
            try:
                desk.operating.change(None, NewRule("inline", 10), seen=seen, force=True)
            except Conflict as refused:
                assert (seen, refused.code) == (7, "rollout_changed")  # noqa: PT017  the others may not raise
        (first,) = desk.rollout.in_force()
        desk.operating.change(None, NewRule("inline", 20), seen=first.id, force=True)
        with pytest.raises(Conflict, match="newest one by now"):
            desk.operating.change(None, NewRule("inline", 5), {WORKER_POOL: False}, seen=first.id, force=True)
        with pytest.raises(
            Conflict, match="newest one by now"
        ):  # where it comes between the desk's look and the change
            desk.rollout.change(UserId(0), 1.0, lambda _, __: None, NewRule("inline", 5), seen=first.id)
        assert [one.percent for one in desk.rollout.in_force()] == [20]
        assert desk.rollout.uses(WORKER_POOL)

    def test_all_rules_of_an_engine_go_at_once_and_who_chose_it_stays(self, desk: Desk):
        accounts, _ = made(desk, 8), made(desk, 2, "readers")
        desk.accounts.change_user(None, accounts[0], engine="inline", force=True)
        for percent in (10, 50, 100):
            set_out(desk, "inline", percent)
        set_out(desk, "inline", 100, "readers")
        set_out(desk, "rq", 20)
        undone = desk.operating.roll_all_back(accounts[1], "inline")
        assert [(one.percent, one.group) for one in undone] == [(100, "readers"), (100, ""), (50, ""), (10, "")]
        assert sum(desk.rollout.settle())
        assert [one.engine for one in desk.rollout.in_force()] == ["rq"]
        assert [name for name, on in engines(desk).items() if on == "inline"] == [accounts[0].name]
        asked = select(audit.c.user_id).where(audit.c.what == "rollout taken back")
        assert desk.ledger.read(lambda c: c.scalars(asked).all()) == [accounts[1].id] * 4
        assert desk.operating.roll_all_back(None, "inline") == []  # it is so already
        assert len(desk.ledger.read(lambda c: c.scalars(asked).all())) == 4
        with pytest.raises(Conflict, match="no roll-out of arq") as refused:
            desk.operating.roll_all_back(None, "arq")
        assert refused.value.code == "nothing_rolled_out"
        with pytest.raises(BadRequest, match="no engine"):
            desk.operating.roll_all_back(None, "teleport")

    def test_nobody_is_taken_back_to_an_engine_that_a_guard_holds(self, desk: Desk):
        made(desk, 2)
        set_out(desk, "inline", 50)
        hold(desk)
        set_out(desk, "inline", 10)
        with pytest.raises(Conflict, match="users to inline again") as refused:
            desk.operating.roll_back(None)
        assert refused.value.code == "rollout_held"
        assert "paperlane rollout rollback inline" in refused.value.hint
        assert [one.percent for one in desk.rollout.in_force()] == [10]  # nothing was done
        assert not desk.rollout.is_unsettled()
        assert len(desk.operating.roll_all_back(None, "inline")) == 2
        assert desk.rollout.in_force() == []
        set_out(desk, "inline", 50)
        hold(desk)
        desk.operating.roll_back(None)  # away from it is what everybody may
        assert desk.rollout.in_force() == []

    def test_nor_by_what_is_set_of_another_engine_or_anew(self, desk: Desk):
        made(desk, 2)
        set_out(desk, "inline", 50)
        hold(desk)
        set_out(desk, "rq", 80)
        for engine, percent in (("rq", 0), ("rq", 20), ("inline", 50), ("inline", 90)):
            with pytest.raises(Conflict) as refused:
                set_out(desk, engine, percent)
            assert refused.value.code == "rollout_held"
        assert [one.percent for one in desk.rollout.in_force()] == [80, 50]
        set_out(desk, "rq", 60)

    def test_nor_by_taking_back_what_another_engine_was_given(self, desk: Desk):
        made(desk, 2)
        set_out(desk, "inline", 50)
        hold(desk)
        for percent in (40, 80):
            set_out(desk, "rq", percent)
        for back in (lambda force: desk.operating.roll_back(None, force=force),
                     lambda force: desk.operating.roll_all_back(None, "rq", force=force)):  # fmt: skip
            with pytest.raises(Conflict, match="users to inline again"):
                back(force=False)
            assert back(force=True)
        assert [one.engine for one in desk.rollout.in_force()] == ["inline"]

    def test_who_settles_by_older_rules_moves_nobody_back(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        """Between the pages of a slow one another rule comes, and is settled."""
        monkeypatch.setattr(rollout, "_PAGE", 2)
        made(desk, 6)
        desk.operating.roll_out(None, "inline", 100, force=True)
        slow = desk.rollout.settle()
        next(slow)
        assert set_out(desk, "database", 100) == 2
        assert sum(slow) == 0
        assert set(engines(desk).values()) == {"database"}
        assert not desk.rollout.is_unsettled()

    def test_what_comes_after_the_last_page_is_settled_too(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(rollout, "_PAGE", 2)
        made(desk, 3)
        desk.operating.roll_out(None, "inline", 100, force=True)
        slow = desk.rollout.settle()
        assert [next(slow), next(slow)] == [2, 1]
        desk.operating.roll_out(None, "database", 100, force=True)  # by somebody who dies before a page of theirs
        assert sum(slow) == 3
        assert set(engines(desk).values()) == {"database"}

    def test_rules_wait_for_a_page_that_is_being_settled(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        """Else the page would move users by rules that count no more, after others have settled the newer ones."""
        made(desk, 2)
        desk.operating.roll_out(None, "inline", 100, force=True)
        reached, go_on = Event(), Event()
        really = rollout.rules.in_force

        def in_force(connection: object) -> object:
            found = really(connection)  # type: ignore[arg-type]
            if not reached.is_set():
                reached.set()
                go_on.wait(20)
            return found

        monkeypatch.setattr(rollout.rules, "in_force", in_force)
        settling = Thread(target=lambda: sum(desk.rollout.settle()))
        settling.start()
        assert reached.wait(20)
        changing = Thread(target=lambda: set_out(desk, "database", 100))
        changing.start()
        changing.join(0.3)
        assert changing.is_alive()  # it waits for the page
        go_on.set()
        for thread in (settling, changing):
            thread.join(20)
        assert set(engines(desk).values()) == {"database"}

    def test_the_same_rule_twice_is_one(self, desk: Desk):
        (account,) = made(desk, 1)
        assert desk.operating.roll_out(account, "inline", 10, force=True)
        assert not desk.operating.roll_out(account, "inline", 10)  # nor is anybody given to it by that
        assert len(desk.rollout.in_force()) == 1
        desk.operating.roll_out(account, "inline", 20, force=True)
        desk.operating.roll_out(account, "inline", 10, force=True)  # which is no repetition now
        assert [rule.percent for rule in desk.rollout.in_force()] == [10]
        assert [rule and rule.percent for rule in (desk.operating.roll_back(None) for _ in range(3))] == [10, 20, 10]
        with pytest.raises(Conflict, match="no roll-out"):
            desk.operating.roll_back(None)

    def test_a_rule_that_is_named_is_taken_back_once(self, desk: Desk):
        made(desk, 1)
        desk.operating.roll_out(None, "inline", 10, force=True)
        desk.operating.roll_out(None, "database", 20, force=True)
        newer, older = (rule.id for rule in desk.rollout.in_force())
        with pytest.raises(Conflict, match="newest one by now") as refused:
            desk.operating.roll_back(None, older)
        assert refused.value.code == "rollout_changed"
        for expected in (20, None):
            undone = desk.operating.roll_back(None, newer)
            assert (undone and undone.percent) == expected
        assert [rule.id for rule in desk.rollout.in_force()] == [older]
        with pytest.raises(NotFound):
            desk.operating.roll_back(None, 77)

    def test_it_is_written_down_who_did_what(self, desk: Desk):
        (admin,) = made(desk, 1)
        desk.operating.roll_out(admin, "inline", 10, force=True)
        desk.operating.roll_back(admin)
        asked = select(audit.c.what, audit.c.user_id, audit.c.details).where(audit.c.what.startswith("rollout"))
        rows = desk.ledger.read(lambda connection: connection.execute(asked.order_by(audit.c.id)).all())
        assert [tuple(row[:2]) for row in rows] == [("rollout", admin.id), ("rollout taken back", admin.id)]
        assert all('"percent": 10' in row[2] for row in rows)

    def test_what_was_cut_off_is_carried_on(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(rollout, "_PAGE", 2)
        made(desk, 5)
        desk.operating.roll_out(None, "inline", 100, force=True)
        assert next(desk.rollout.settle()) == 2  # and then its process dies
        assert desk.rollout.is_unsettled()
        assert sum(desk.rollout.settle()) == 3
        assert not desk.rollout.is_unsettled()
        assert list(desk.rollout.settle()) == []
