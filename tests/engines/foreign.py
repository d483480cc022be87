"""Another maker's program with the counting worker beside it: `python -m tests.engines.foreign ENGINE --url ...`."""

import sys

from tests.engines.counting_host import options, settings_of

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
        case "rq":
            from paperlane.engines.rq import Program

            Program(settings.redis_url, given.slots, beside, GRACE, spawn=settings.rq_spawn).run()
        case other:
            sys.exit(f"There is no program for {other}.")


if __name__ == "__main__":
    main()
