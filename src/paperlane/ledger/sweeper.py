"""The sweep that every process makes again and again: a page a transaction, whoever stands in the way."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from paperlane.errors import Busy
from paperlane.ledger import Rules, periodic, recovery
from paperlane.ledger.lanes import Lanes, with_lanes
from paperlane.ledger.transactions import Transactions
from paperlane.ledger.writing import Writing
from paperlane.model.schedules import ScheduleId
from paperlane.model.tasks import Recovery, UserId


@dataclass(slots=True)
class Sweeper:
    """What one process knows from sweep to sweep: how far it has recounted lanes, and which jumps it has put right."""

    transactions: Transactions
    rules: Rules
    chance: Callable[[], float]
    _recount: recovery.Recount = field(default_factory=recovery.Recount)
    _put_right_after: int = -1  # so many jumps back of the clock
    _since: float | None = None

    def sweep(self) -> Recovery:
        """All that was lost by now, silent workers, what a wrong clock put off, and drifted counters of some lanes."""
        found = self._take_back()
        silent = self.transactions.change(self._forget_silent)
        try:
            late = self._put_right()
        except Busy:  # it is tried again by the next sweep
            late, found = 0, replace(found, locked=found.locked + 1)
        return replace(found, workers=silent, late=late, drifted=self._mend())

    def _take_back(self) -> Recovery:
        """First of lanes that nobody holds, so that one that is locked for long keeps no other one from its turn.

        Then each of the others is waited for, in any order, so that a busy one comes to its turn. The first for which
        the wait is in vain is the last: it costs the sweep some seconds.

        What ended while a sweep waited for the database is left to the next one, also where it had to be given up:
        whoever would have renewed it waited too.
        """
        now = self.transactions.monotonic()
        since = self._since = now if self._since is None else self._since
        passed: set[int] = set()
        found, locked = self._pages(since, passed), 0
        for user in sorted(passed, key=lambda _: self.chance()):
            try:
                found = recovery.sum_of(found, self._pages(since, passed - {user}, UserId(user)))
            except Busy:
                locked = 1
                break
        self._since = None
        return replace(found, locked=locked)

    def _pages(self, since: float, passed: set[int], user: UserId | None = None) -> Recovery:
        """What had been lost by then, but for users in `passed`; a `user`'s lane is waited for, others' join those."""

        def page(writing: Writing, lanes: Lanes) -> Recovery:
            until = writing.now - (self.transactions.monotonic() - since)
            was_set_back = recovery.is_from_later(writing, self.rules) and self.transactions.suspect()
            if was_set_back or self.transactions.settling(writing):
                return Recovery()
            if user is not None:
                writing.wait_briefly()
                lanes.hold([user])
            return recovery.sweep(writing, lanes, self.rules, until, passed)

        found, more = Recovery(), True
        while more:  # a page a transaction, so that nobody waits for a whole system that died
            before = len(passed)
            taken = self.transactions.change(with_lanes(page))
            more = taken.expired + taken.undelivered >= recovery.AT_ONCE or len(passed) > before
            found = recovery.sum_of(found, taken)
        return found

    def _forget_silent(self, writing: Writing) -> int:
        return 0 if self.transactions.settling(writing) else recovery.forget_silent(writing, self.rules)

    def _put_right(self) -> int:
        """What was put off before the clock was set back: looked for once at first, and after every jump back."""
        jumps = self.transactions.jumps
        if (back := jumps.back) == self._put_right_after:
            return 0
        page = with_lanes(lambda writing, lanes: recovery.put_right(writing, lanes, jumps.tolerance))
        count, more = 0, True
        while more:
            late = self.transactions.change(page)
            count, more = count + late, late >= recovery.AT_ONCE
        after: ScheduleId | None = ScheduleId("")
        while after is not None:
            late, after = self.transactions.change(partial(periodic.put_right, after=after, apart=jumps.tolerance))
            count += late
        self._put_right_after = back
        return count

    def _mend(self) -> int:
        """A look at some lanes, which mostly finds nothing and locks none."""
        if not (odd := self.transactions.ask(self._recount)):
            return 0
        drifted = self.transactions.change(lambda writing: recovery.certain(writing, odd))
        return self.transactions.change(lambda writing: recovery.mend(writing, drifted)) if drifted else 0
