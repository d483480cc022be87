"""Stories of the real ledger under a virtual clock on one thread; whatever happens in them, no promise is broken.

`python -m tests.ledger.simulation 17` tells the story of seed 17 again; `--seconds 60 --first 1000` tries new ones.
"""

import argparse
import json
import logging
import random
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count

import structlog
from tests.ledger.invariants import LEFT, RAN_AGAIN, check_invariants
from tests.ledger.upkeep import in_small
from tests.ledger.world import Broken, World

MOVES = 500

Story = Sequence[tuple[str, int]]
"""Moves by name, each with the number that its own dice start from: one can be left out without changing the others."""


_OFTEN = (
    "submit", "step", "step", "step", "work", "work_together", "dispatch", "dispatch", "deliver", "deliver", "beat_all",
    "pass_time",
) * 4  # fmt: skip
_SOMETIMES = ("beat", "sweep", "hire", "hire", "tell", "cancel", "replay", "unsure_commit") * 3
_SELDOM = (
    "late", "look", "submit_again", "submit_again", "freeze", "thaw", "thaw", "kill", "kill", "leave", "drop", "flush",
    "hand_back", "limit", "semaphore", "weigh", "move_lane", "pause", "pause", "system", "jump", "jump", "restart",
    "upgrade", "split", "split", "split", "lose_file", "disk_fails", "add_schedule", "add_schedule", "change_schedule",
    "remove_schedule", "fire", "fire", "keep_house", "keep_house",
)  # fmt: skip


def story_of(seed: int, moves: int = MOVES) -> Story:
    """The moves of a seed."""
    dice = random.Random(seed)
    return [(dice.choice(_OFTEN + _SOMETIMES + _SELDOM), dice.getrandbits(32)) for _ in range(moves)]


def tell(story: Story) -> World:
    """Play a story to its healed end. Broken at the first promise that is."""
    with in_small():
        world = World()
        for name, dice in story:
            world.play(name, dice)
        world.play("heal", 0)
        _check(world)
        world.play("purge", 0)
        _check(world)
    return world


def _check(world: World) -> None:
    try:
        check_invariants(world.ledger, RAN_AGAIN, also=LEFT)  # under another key it may, and who audits knows the keys
    except AssertionError as error:
        raise Broken(str(error)) from error


def shrink(story: Story, seconds: float) -> Story:
    """A shorter story that breaks a promise too: parts are left out, as long as it still does."""
    deadline = time.monotonic() + seconds
    size = len(story) // 2
    while size > 0 and time.monotonic() < deadline:
        at = 0
        while at < len(story) and time.monotonic() < deadline:
            shorter = [*story[:at], *story[at + size :]]
            if _breaks(shorter):
                story = shorter
            else:
                at += size
        size //= 2
    return story


def _breaks(story: Story) -> bool:
    try:
        tell(story)
    except Broken:
        return True
    except Exception:  # noqa: BLE001  another fault is another story
        return False
    return False


def main() -> int:
    """Tell stories; 1 at the first one that breaks a promise."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("seed", type=int, nargs="?")
    asked.add_argument("--moves", type=int, default=MOVES)
    asked.add_argument("--seconds", type=float, default=60.0)
    asked.add_argument("--first", type=int, default=0)
    asked.add_argument(
        "--stride", type=int, default=1, help="of this many processes, each of which takes its own seeds"
    )
    asked.add_argument("--most", type=int, default=sys.maxsize)
    asked.add_argument("--shrink", type=float, default=60.0, help="seconds to look for a shorter story")
    given = asked.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))  # faults are meant
    seeds: Iterator[int] = iter([given.seed]) if given.seed is not None else count(given.first, given.stride)
    begun, told, faults, commits = time.monotonic(), 0, 0, 0
    for seed in seeds:
        try:
            world = tell(story_of(seed, given.moves))
        except Exception as error:
            _explain(seed, given.moves, error, given.shrink)
            raise
        told += 1
        faults += world.faults
        commits += world.sees.commits
        seconds = time.monotonic() - begun
        if seconds > given.seconds or told >= given.most:
            break
    figures = {
        "seeds": told,
        "steps": told * given.moves,
        "faults": faults,
        "commits": commits,
        "seconds": round(seconds, 1),
    }
    print(json.dumps(figures))  # noqa: T201
    return 0


def _explain(seed: int, moves: int, error: Exception, seconds: float) -> None:
    print(f"seed {seed}: {error}\nagain: python -m tests.ledger.simulation {seed} --moves {moves}", flush=True)  # noqa: T201
    if isinstance(error, Broken) and seconds > 0:
        short = shrink(story_of(seed, moves), seconds)
        print(f"a shorter story of {len(short)} moves: tell({[*map(tuple, short)]})", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
