"""Prints what Flower would show of tasks that arrive: `python -m tests.engines.listen BROKER`."""

import sys
from typing import Any

from celery import Celery
from celery.events.receiver import EventReceiver


def say(line: str) -> None:
    """At once, for somebody waits for it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Listener(EventReceiver):
    """Says when it hears; what is told before is lost."""

    def on_consume_ready(self, *given: Any, **more: Any) -> None:
        """From here on nothing is missed."""
        super().on_consume_ready(*given, **more)
        say("listening")


def tell(event: dict[str, Any]) -> None:
    """A line for a task."""
    say(" ".join(event[name] for name in ("name", "uuid", "args", "kwargs")))


if __name__ == "__main__":
    app = Celery(broker=sys.argv[1])
    with app.connection_for_read() as connection:
        Listener(connection, {"task-received": tell}, app=app).capture()
