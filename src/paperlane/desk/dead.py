"""What failed for good: one's own dead letters, or everybody's for who sees all; admins handle anybody's."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf

from sqlalchemy import Connection

from paperlane.clock import Clock
from paperlane.desk.rights import check_may_change, only_own
from paperlane.desk.trail import Trail, operates
from paperlane.desk.watching import told_to
from paperlane.ledger import Ledger
from paperlane.model.tasks import DeadLetter, Fault, Handled, LeftOver, Letters
from paperlane.records.accounts import Account

_NAMED = 100  # of the dead letters that are left over
_RARELY = 1_000  # times as long as a count took, none is counted again
_OLDEST = 60.0  # seconds
_UNSAID = (None, "", 0.0, inf)  # what does not narrow which letters are meant


@dataclass(frozen=True, slots=True)
class _Count:
    """How many dead letters there were `at` a monotonic time; to count them took so many seconds.

    It holds as long as `of` is what it was when the count began.
    """

    number: int
    at: float
    took: float
    of: object


@dataclass(slots=True)
class Tally:
    """How many dead letters there are, which is counted seldom where that takes long. For several threads."""

    clock: Clock
    _last: _Count | None = None
    _now: object = field(default_factory=object)  # another one once somebody acted: what was counted before is stale

    def outdate(self) -> None:
        """Somebody acted: what was counted until now holds no more, nor does a count that is under way."""
        self._now = object()

    def number(self, count: Callable[[], int]) -> int:
        """As of a minute ago at most, or counted now."""
        of, last, began = self._now, self._last, self.clock.monotonic()
        if last is not None and last.of is of and began - last.at <= min(_OLDEST, _RARELY * last.took):
            return last.number
        number = count()
        at = self.clock.monotonic()
        self._last = _Count(number, at, at - began, of)
        return number


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Tasks that failed for good, until they are started again or discarded."""

    ledger: Ledger
    clock: Clock
    trail: Trail
    tally: Tally

    def page(self, account: Account | None, which: Letters, cursor: str, limit: int) -> Sequence[DeadLetter]:
        """A page of dead letters, the latest first: one's own, or everybody's for who sees all."""
        found = self.ledger.dead(_seen_by(account, which), cursor, limit)
        return [replace(one, task=replace(one.task, fault=told_to(account, one.task))) for one in found]

    def causes(self, account: Account | None, which: Letters) -> Mapping[str, int]:
        """How many dead letters there are of each code."""
        return self.ledger.causes(_seen_by(account, which))

    def count(self) -> int:
        """How many there are of everybody, as of a minute ago at most: many are counted seldom.

        What people of this process start again or discard is seen at once.
        """
        return self.tally.number(lambda: sum(self.ledger.causes(Letters()).values()))

    def replay(self, by: Account | None, which: Letters, cursor: str = "") -> Iterator[Handled]:
        """Start dead letters again, page by page: one's own, or anybody's for admins and at the machine itself."""
        return self._handle(self.ledger.replay, "dead letters replayed", by, which, cursor)

    def discard(self, by: Account | None, which: Letters, cursor: str = "") -> Iterator[Handled]:
        """The same, but they are dead letters no more."""
        return self._handle(self.ledger.discard, "dead letters discarded", by, which, cursor)

    def _handle(
        self, act: Callable[..., Handled], what: str, by: Account | None, which: Letters, cursor: str
    ) -> Iterator[Handled]:
        meant = _handled_by(by, which)
        told = {name: value for name, value in asdict(which).items() if value not in _UNSAID}
        now = self.clock.now()

        def note(connection: Connection, handled: Handled) -> None:
            if operates(by):
                self.trail.note(connection, by, now, what, {"count": handled.done, **told})

        while True:
            try:
                handled = act(meant, cursor, note)
            finally:  # what raises may have been written down all the same
                self.tally.outdate()
            yield handled
            if not (cursor := handled.cursor):
                return


def together(pages: Iterable[Handled]) -> Handled:
    """What became of several pages of dead letters; goes on where the last one does."""
    done, cursor = 0, ""
    left: dict[Fault, LeftOver] = {}
    for page in pages:
        done, cursor = done + page.done, page.cursor
        for one in page.left:
            before = left.get(one.why, LeftOver(one.why, 0, ()))
            named = (*before.tasks, *one.tasks)[:_NAMED]
            left[one.why] = LeftOver(one.why, before.count + one.count, named)
    return Handled(done, tuple(left.values()), cursor)


def _seen_by(account: Account | None, which: Letters) -> Letters:
    return which if account is None or only_own(account) is None else _own(account, which)


def _handled_by(account: Account | None, which: Letters) -> Letters:
    if account is None or account.operates:
        return which
    check_may_change(account)
    return _own(account, which)


def _own(account: Account, which: Letters) -> Letters:
    """The same letters, as far as they are this account's: another one's are as if there were none."""
    if which.user not in {None, account.id}:
        return replace(which, ids=())
    return replace(which, user=account.id)
