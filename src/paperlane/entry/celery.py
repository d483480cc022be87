"""What Celery loads: `celery -A paperlane.entry.celery worker`, or by itself as `paperlane worker --engine celery`."""

import logging
import sys
from collections.abc import Sequence
from typing import Any

from celery import signals

from paperlane import logs
from paperlane.carriers import slots_of
from paperlane.engines.celery import program, run
from paperlane.entry import loaded
from paperlane.model.tasks import EVERYTHING, Stage


def _worker(slots: int, stage: str) -> Sequence[str]:
    """What starts our worker beside Celery's."""
    ours = [sys.executable, "-m", "paperlane", "worker", "--engine", "celery"]
    return [*ours, "--slots", str(slots), "--stage", stage]


with loaded() as settings:
    app = program(
        settings.amqp_url or settings.redis_url,
        _worker,
        settings.grace_seconds,
        lambda stage: slots_of(settings.model_copy(update={"stage": stage}), "celery"),
        {Stage(settings.stage)} if settings.stage else EVERYTHING.stages,
    )


def _log(loglevel: int | None = None, **_told: Any) -> None:
    """As all of Paperlane does; as much of Celery's own as `-l` asks for."""
    logs.configure(settings)
    if loglevel is not None:
        logging.getLogger("celery").setLevel(loglevel)


signals.setup_logging.connect(_log, weak=False)

if __name__ == "__main__":
    run(app, f"paperlane-{settings.stage or 'all'}", settings.log_level)
