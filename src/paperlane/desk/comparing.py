"""How two engines did beside each other, for who looks at everybody's tasks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paperlane.clock import Clock
from paperlane.desk.choices import check_engine
from paperlane.desk.moments import moment_or_ago
from paperlane.desk.rights import check_looks
from paperlane.errors import BadRequest
from paperlane.ledger import Kept, Ledger
from paperlane.ledger.evidence import Carried
from paperlane.ledger.sense import clean
from paperlane.model.tasks import TaskId
from paperlane.records import accounts, documents
from paperlane.records.accounts import Account
from paperlane.rollout import RollOut
from paperlane.rollout.comparison import RESAMPLES, Caution, Comparison, compare
from paperlane.rollout.sampling import MOST_SECONDS, MOST_TASKS, take

USUAL = "7d"
_AT_ONCE = 1_000  # documents


Told = Callable[[str, float], object]
"""Is told how far a comparison has come: 0 to 1 of finding tasks, then of drawing users."""


def _nobody(_doing: str, _share: float) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Comparing:
    """Compares engines by what the ledger has of them."""

    ledger: Ledger
    clock: Clock
    rollout: RollOut
    kept: Kept

    def compare(
        self,
        by: Account | None,
        a: str,
        b: str,
        since: str = USUAL,
        until: str = "",
        group: str = "",
        *,
        most: int = MOST_TASKS,
        seconds: float = MOST_SECONDS,
        resamples: int = RESAMPLES,
        told: Told = _nobody,
    ) -> Comparison:
        """Engine `b` beside `a`, by the tasks that were submitted in the period, among all users or those of a group.

        Times are as `moment_or_ago` reads them; `until` "" is now. At most so many tasks are compared, and so
        many seconds spent on finding them. NotAllowed for who is neither admin nor viewer; BadRequest for an engine or
        a group that there is not, one engine twice, and times that make no period.
        """
        check_looks(by)
        for engine in (a, b):
            check_engine(engine)
        if a == b:
            raise BadRequest(f"{a} cannot be compared with itself.", code="same_engine", hint="Name two engines.")
        now = self.clock.now()
        begins, ends = moment_or_ago(since, now), min(now, moment_or_ago(until, now) if until else now)
        if begins >= ends:
            raise BadRequest(
                "The period ends before it begins.", code="no_period", hint="Let it begin earlier: --since 7d."
            )
        group = clean(group)
        if group and not self.ledger.read(lambda connection: accounts.has_group(connection, group)):
            raise BadRequest(f"Nobody is in a group {group!r}.", code="unknown_group", hint="See: paperlane user list.")
        sample = take(
            self.ledger,
            self.rollout.users,
            self.rollout.in_force(),
            frozenset({a, b}),
            begins,
            ends,
            group,
            self.clock,
            most=most,
            seconds=seconds,
            tick=lambda share: told("finding tasks", share),
        )
        kinds = self._kinds(sample.tasks)
        return compare(
            sample.tasks,
            a,
            b,
            begins,
            ends,
            kinds=kinds,
            group=group,
            sampled=sample.sampled,
            chosen=sample.chosen,
            cautions=self._forgotten(begins, now),
            resamples=resamples,
            tick=_counted(told, resamples),
        )

    def _forgotten(self, since: float, now: float) -> Sequence[Caution]:
        kept = self.kept.together
        if now - since <= kept:
            return ()
        return [Caution("forgotten", {"days": kept / 86_400})]

    def _kinds(self, tasks: Sequence[Carried]) -> dict[TaskId, str]:
        found: dict[TaskId, str] = {}
        for at in range(0, len(tasks), _AT_ONCE):
            some = [task.task for task in tasks[at : at + _AT_ONCE]]
            found |= self.ledger.read(lambda connection, some=some: documents.media_types(connection, some))
        return found


def _counted(told: Told, times: int) -> Callable[[], None]:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        told("drawing users", done / times)

    return tick
