"""Another maker's program with the counting worker beside it: `python -m tests.engines.foreign ENGINE --url ...`."""

import sys
from collections.abc import Sequence
from functools import partial

from tests.engines.counting_host import options, settings_of

from paperlane.model.tasks import EVERYTHING, Stage

GRACE = 2.0


def main() -> None:
    """Be ARQ's, Celery's or RQ's program until told to stop."""
    given = options().parse_args()
    settings = settings_of(given)
    beside = [sys.executable, "-m", "tests.engines.counting_host", *sys.argv[1:]]
    match given.engine:
        case "arq":
            from paperlane.engines.arq import Program

            Program(settings.redis_url, settings.shards, settings.shard, given.slots, beside, GRACE).run()
        case "celery":
            from paperlane.engines.celery import program, run

            stages = frozenset({Stage(given.stage)}) if given.stage else EVERYTHING.stages
            app = program(given.broker, partial(_beside_celery, beside), GRACE, lambda _stage: given.slots, stages)
            run(app, "counting", "info")
        case "rq":
            from paperlane.engines.rq import Program

            Program(settings.redis_url, given.slots, beside, GRACE, spawn=settings.rq_spawn).run()
        case other:
            sys.exit(f"There is no program for {other}.")


def _beside_celery(beside: Sequence[str], slots: int, stage: str) -> Sequence[str]:
    """Celery decides how many children there are, and of which queues."""
    return [*beside, "--slots", str(slots), "--stage", stage]


if __name__ == "__main__":
    main()
