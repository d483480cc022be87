"""Numbers that make no sense are refused before they are written: a NaN would spoil every comparison after it."""

from math import isfinite

from paperlane.errors import BadRequest
from paperlane.model.tasks import NewBatch

LARGEST_LIMIT = 1_000_000
LEAST_WEIGHT, LARGEST_WEIGHT = 0.01, 100.0  # beyond it shares mean nothing
_LONGEST_COST = 86_400.0
_LAST_MOMENT = 253_402_300_799.0  # the end of the year 9999, which no calendar goes past


def check_terms(limit: int | None, weight: float | None) -> None:
    """BadRequest for a lane's limit or weight that makes no sense."""
    if limit is not None and not 1 <= limit <= LARGEST_LIMIT:
        raise BadRequest(f"A limit lies between 1 and {LARGEST_LIMIT}.", hint="To stop a user's tasks, pause them.")
    if weight is not None and not LEAST_WEIGHT <= weight <= LARGEST_WEIGHT:
        raise BadRequest(
            f"A weight lies between {LEAST_WEIGHT} and {LARGEST_WEIGHT:g}.",
            hint="1 is the usual share, 2 twice as much.",
        )


def check_batch(batch: NewBatch) -> None:
    """BadRequest for a batch with figures that make no sense."""
    if not 0 <= batch.priority <= 9:  # noqa: PLR2004  the range that interfaces promise
        raise BadRequest(f"There is no priority {batch.priority}.", hint="Choose 0 to 9; 5 is the usual one.")
    if not isfinite(batch.run_at) or batch.run_at > _LAST_MOMENT:
        raise BadRequest(f"{batch.run_at:g} is no time.", hint="Give seconds since 1970, or 0 for now.")
    for task in batch.tasks:
        if not 0.0 <= task.cost <= _LONGEST_COST:
            raise BadRequest(
                f"A task cannot cost {task.cost:g} slot-seconds.", hint="Estimate 0 to 86400; 1 where nothing is known."
            )
