"""ARQ's program for Paperlane: `paperlane worker --engine arq`, or `arq paperlane.entry.arq.WorkerSettings`."""

import logging
import sys

from paperlane import logs
from paperlane.carriers import slots_of
from paperlane.engines.arq import Program
from paperlane.entry import loaded

with loaded() as _settings:
    _slots = slots_of(_settings, "arq")
    _command = (sys.executable, "-m", "paperlane", "worker", "--engine", "arq", "--slots", str(_slots))
    _program = Program(
        _settings.redis_url, _settings.shards, _settings.shard, _slots, _command, _settings.grace_seconds
    )

WorkerSettings = _program.settings
"""What ARQ calls so; `arq --check` reads it too."""

if __name__ == "__main__":
    logs.configure(_settings)
    logging.getLogger("arq").setLevel(_settings.log_level.upper())
    _program.run()
