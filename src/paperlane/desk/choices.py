"""What there is to choose from."""

from collections import Counter
from collections.abc import Collection, Mapping

from paperlane.errors import BadRequest, Conflict
from paperlane.ledger import Ledger
from paperlane.rollout import flags

ENGINES = ("database", "inline", "pool", "arq", "celery", "rq")


def check_engine(name: str) -> None:
    """BadRequest for an engine that there is not."""
    if name not in ENGINES:
        raise BadRequest(f"There is no engine {name!r}.", hint=f"Choose one of {', '.join(ENGINES)}.")


def serving(ledger: Ledger, *, has_pool: bool | None = None) -> Mapping[str, int]:
    """How many live workers serve each engine; without those that `serve` ends, while it shall have none.

    `has_pool`: as the flag `use_worker_pool` will be; None for what it is.
    """
    if has_pool is None:
        has_pool = ledger.read(lambda connection: flags.is_on(connection, flags.WORKER_POOL))
    return Counter(one.engine for one in ledger.members() if one.live and (has_pool or not one.supervised))


def check_served(ledger: Ledger, engines: Collection[str], *, has_pool: bool | None = None) -> None:
    """Conflict where one of these engines, that users shall be given to, has no live worker; as `serving`."""
    if engines and (unserved := sorted(set(engines) - serving(ledger, has_pool=has_pool).keys())):
        raise Conflict(
            f"No worker of {' and '.join(unserved)} is running, so their tasks would wait.",
            code="engine_unserved",
            hint='Start one first (serve starts its own within seconds); or insist with --force ("force": true over'
            " HTTP).",
        )


def check_priority(priority: int) -> None:
    """BadRequest for a priority that there is not."""
    if not 0 <= priority <= 9:  # noqa: PLR2004  the range that interfaces promise
        raise BadRequest(f"There is no priority {priority}.", hint="Choose 0 to 9; 5 is the usual one.")
