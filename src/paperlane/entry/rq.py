"""RQ's program for Paperlane, `paperlane worker --engine rq`, and the function that its jobs name."""

import os
import sys

from paperlane.engines.rq import REDIS, Program, be_horse, bring, serve


def run(words: object) -> None:
    """Bring a lease to the worker beside, and wait until it has ended."""
    bring(words)


def main() -> None:
    """Be the program, or a part of it: these load no more than they must, for each job is a fork or a start of them."""
    match sys.argv[1:]:
        case ["--one", *options]:
            serve(os.environ[REDIS], spawn="--spawn" in options)
        case ["--horse", worker, job, execution]:
            be_horse(os.environ[REDIS], worker, job, execution)
        case _:
            _start()


def _start() -> None:
    from paperlane import logs  # noqa: PLC0415  as above
    from paperlane.carriers import slots_of  # noqa: PLC0415
    from paperlane.settings import Settings  # noqa: PLC0415

    settings = Settings()  # pyright: ignore[reportCallIssue]  each has a default
    logs.configure(settings)
    slots = slots_of(settings, "rq")
    command = (sys.executable, "-m", "paperlane", "worker", "--engine", "rq", "--slots", str(slots))
    Program(settings.redis_url, slots, command, settings.grace_seconds, spawn=settings.rq_spawn).run()


if __name__ == "__main__":
    main()
