"""What the recent load asks for, for who looks at everybody's tasks."""

from dataclasses import dataclass

from paperlane.clock import Clock
from paperlane.desk.choices import ENGINES
from paperlane.desk.moments import moment_or_ago
from paperlane.desk.rights import check_looks
from paperlane.errors import BadRequest
from paperlane.ledger import Ledger
from paperlane.records import samples
from paperlane.records.accounts import Account
from paperlane.rollout import RollOut
from paperlane.rollout.advice import Advice, Look, Recent, advise
from paperlane.rollout.sampling import MOST_SECONDS, MOST_TASKS, take


@dataclass(frozen=True, slots=True)
class Advising:
    """Reads what the ledger and the samples have of the last days, and judges it."""

    ledger: Ledger
    clock: Clock
    rollout: RollOut

    def recent(self, since: str, *, most: int = MOST_TASKS, seconds: float = MOST_SECONDS) -> Recent:
        """The load since then, as `moment_or_ago` reads it; BadRequest for what is no time, or is to come.

        About so many tasks are read, and so many seconds spent on that: past either, those of some users by chance.
        """
        now = self.clock.now()
        begins = moment_or_ago(since, now)
        if begins >= now:
            raise BadRequest("The period begins after now.", hint="Let it begin earlier: --since 7d.")
        sample = take(
            self.ledger,
            self.rollout.users,
            self.rollout.in_force(),
            frozenset(ENGINES),
            begins,
            now,
            "",
            self.clock,
            most=most,
            seconds=seconds,
        )
        looks = self.ledger.read(lambda connection: samples.history(connection, begins, now))
        live = [one for one in self.ledger.members() if one.live]
        return Recent(
            begins,
            now,
            sample.tasks,
            [Look(*one) for one in looks],
            frozenset(one.machine for one in live),
            frozenset(one.engine for one in live),
            sample.sampled,
        )

    def advise(self, by: Account | None, since: str = "7d", *, most: int = MOST_TASKS) -> Advice:
        """The stage that fits, and the figures that say so. NotAllowed for who is neither admin nor viewer."""
        check_looks(by)
        return advise(self.recent(since, most=most))
