"""`make bench`: the ledger beside its peers and its limits, and the running service; writes the page of figures."""

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import adaptive, detection, load, machine, operating, page, progress, rollout, serving, simulation
from benchmarks.engines import carried
from benchmarks.figures import FOLDER, PUBLISHED, Figure, Part, kept, now
from benchmarks.ledger import drain, fairness, growth, pickup, plain, snapshot, submit
from benchmarks.ledger.databases import Databases
from benchmarks.rounds import Rounds, reason, say


@dataclass(frozen=True, slots=True)
class Measure:
    """A part of a run, and the minutes after which it begins no further round; its figures are kept for the page."""

    take: Callable[[Databases, Rounds], Sequence[Figure]]
    minutes: float
    kept: bool = True


def _served(name: str) -> Measure:
    return Measure(lambda _databases, rounds: serving.measured(name, rounds), 3)


def _carried(name: str) -> Measure:
    return Measure(lambda databases, rounds: carried.measured(name, databases, rounds), 5)


def _rolled_out(name: str, minutes: float) -> Measure:
    return Measure(lambda databases, rounds: rollout.measured(name, databases, rounds), minutes)


def _loaded(kind: str) -> Measure:
    return Measure(lambda databases, rounds: load.measured(kind, databases, rounds), 40)


PARTS: Mapping[str, Measure] = {
    "drain.postgresql": Measure(drain.postgresql, 45),
    "drain.sqlite": Measure(drain.sqlite, 12),
    "drain.mariadb": Measure(drain.mariadb, 12),
    "submit": Measure(submit.measured, 5),
    "pickup": Measure(pickup.measured, 8),
    "growth": Measure(growth.measured, 12),
    "fairness": Measure(fairness.measured, 3),
    "snapshot": Measure(snapshot.measured, 10),
    "plain": Measure(plain.measured, 15),
    **{f"engines.{name}": _carried(name) for name in carried.ENGINES},
    **{f"service.{name}": _served(name) for name in serving.PARTS},
    "service.progress": Measure(progress.measured, 10),
    "adaptive": Measure(adaptive.measured, 10),
    "operating": Measure(operating.measured, 15),
    **{f"rollout.{name}": _rolled_out(name, minutes) for name, minutes in rollout.MINUTES.items()},
    "simulation.million": Measure(simulation.million, 12),
    "simulation.like": Measure(simulation.like, 8),
    **{f"load.{kind}": _loaded(kind) for kind in load.KINDS},
    "detection": Measure(detection.measured, 6, kept=False),
}


def wanted(asked: Sequence[str]) -> list[str]:
    """The parts that are meant: `drain` is all parts of that name, `creation` is `service.creation`.

    Without a word all those whose figures are kept.
    """
    if not asked:
        return [name for name, measure in PARTS.items() if measure.kept]
    found = [name for name in PARTS for word in asked if word in {name, *name.split(".")}]
    if unknown := [word for word in asked if not any(word in {name, *name.split(".")} for name in PARTS)]:
        raise SystemExit(f"There is no {', '.join(unknown)}; there are {', '.join(PARTS)}.")
    return list(dict.fromkeys(found))


def main() -> None:
    """Measure what was asked for, keep the figures, and write the page anew."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(PARTS)}; all that the page shows by default")
    parser.add_argument("--quick", action="store_true", help="one short round, to check that all works")
    parser.add_argument("--no-page", action="store_true", help="leave the published page and figures alone")
    asked = parser.parse_args()
    names = wanted(asked.parts)
    minutes = sum(PARTS[name].minutes for name in names) / (10 if asked.quick else 1)
    say(f"{len(names)} parts, about {minutes:.0f} minutes at most")
    published = not asked.no_page and not asked.quick
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end with it
    with Databases() as databases:
        for name in names:
            part = _part(name, databases, Rounds.short() if asked.quick else Rounds.full())
            if PARTS[name].kept:
                part.keep(PUBLISHED if published else FOLDER)
                if published:
                    page.write(kept(PUBLISHED))
            print(f"\n{name}\n{page.summary(part.figures)}", flush=True)
    if published and any(PARTS[name].kept for name in names):
        say(f"written: {page.PAGE.relative_to(page.ROOT)}, {page.PLOT.relative_to(page.ROOT)}")


def _part(name: str, databases: Databases, rounds: Rounds) -> Part:
    say(name)
    began = now()
    rounds.deadline = time.monotonic() + PARTS[name].minutes * 60
    try:
        figures = PARTS[name].take(databases, rounds)
    except Exception as error:  # noqa: BLE001  the other parts go on, and the page says why this one has no figures
        traceback.print_exc()
        figures = [Figure(name, None, "", note=reason(error))]
    told = {**machine.description(), **databases.versions(), **machine.peers(), "disturbed_turns": rounds.disturbed}
    return Part(name, figures, rounds.quick, told, now(), began)


if __name__ == "__main__":
    main()
