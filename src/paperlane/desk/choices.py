"""What there is to choose from."""

from paperlane.errors import BadRequest

ENGINES = ("database", "inline", "pool", "arq", "celery", "rq")


def check_engine(name: str) -> None:
    """BadRequest for an engine that there is not."""
    if name not in ENGINES:
        raise BadRequest(f"There is no engine {name!r}.", hint=f"Choose one of {', '.join(ENGINES)}.")


def check_priority(priority: int) -> None:
    """BadRequest for a priority that there is not."""
    if not 0 <= priority <= 9:  # noqa: PLR2004  the range that interfaces promise
        raise BadRequest(f"There is no priority {priority}.", hint="Choose 0 to 9; 5 is the usual one.")
