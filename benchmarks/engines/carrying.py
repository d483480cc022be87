"""Another maker's program with our worker beside it: `python -m benchmarks.engines.carrying ENGINE --url ...`."""

import sys

from benchmarks.engines.beside import options, settings_of

_GRACE = 2.0  # seconds


def main() -> None:
    """Be ARQ's, Celery's or RQ's program until told to stop, as `paperlane worker` is."""
    given = options().parse_args()
    settings = settings_of(given)
    beside = [sys.executable, "-m", "benchmarks.engines.beside", *sys.argv[1:]]
    match given.engine:
        case "arq":
            from paperlane.engines.arq import Program  # noqa: PLC0415  an environment has one of them

            Program(settings.redis_url, 1, 0, given.slots, beside, _GRACE).run()
        case "celery":
            from paperlane.engines.celery import program, run  # noqa: PLC0415  an environment has one of them

            run(program(given.broker, lambda *_: beside, _GRACE, lambda _stage: given.slots), "bench", "warning")
        case _:
            from paperlane.engines.rq import Program  # noqa: PLC0415  an environment has one of them

            Program(settings.redis_url, given.slots, beside, _GRACE).run()


if __name__ == "__main__":
    main()
