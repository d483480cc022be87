"""Who is measured: our ledger and its peers, each with its server, its environment and what may be tuned."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from pysqlite3 import dbapi2

from benchmarks.figures import OURS
from benchmarks.ledger.databases import Databases
from benchmarks.machine import watched
from benchmarks.program import OWN, Failed, Program, environment
from benchmarks.rounds import Rounds, Sample, reason, say

_SPARE = 1.3  # times what is expected to be drained
_WARM_UP = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Contestant:
    """A program and how to start it. `rate` is a first guess of its tasks a second, `variants` what may be best."""

    name: str
    module: str
    server: str
    in_flight: int = 100
    environment: str = "main"
    rate: float = 1_000.0
    variants: Sequence[Mapping[str, Any]] = ({},)
    setup: Mapping[str, Any] = field(default_factory=dict)
    processes: int = 1

    def program(self) -> Program:
        """It runs, and waits for questions."""
        own = self.module.startswith("benchmarks.ledger.")
        return Program(self.module, OWN if own else environment(self.environment))


def ours(server: str, in_flight: int, rate: float = 10_000.0, **setup: Any) -> Contestant:
    """Our ledger."""
    return Contestant(OURS, "benchmarks.ledger.worker", server, in_flight, rate=rate, setup=setup)


def peer(name: str, server: str, *, title: str = "", **given: Any) -> Contestant:
    """Another queue."""
    return Contestant(title or name, f"benchmarks.peers.{name}", server, **given)


@dataclass
class Drain:
    """Drains of one contestant, each on an empty database that was filled for it."""

    contestant: Contestant
    databases: Databases
    settings: str = ""
    variant: Mapping[str, Any] = field(default_factory=dict)

    def once(self, seconds: float) -> Sample:
        """Fill, look at the tables, drain; what was done a second, and what a task cost."""
        who = self.contestant
        count = int(max(200.0, who.rate * seconds * _SPARE))
        url = self.databases.fresh(who.server)
        programs: list[Program] = []
        try:
            programs = [who.program() for _ in range(who.processes)]
            self.settings = programs[0].ask("setup", url=url, **who.setup)
            for other in programs[1:]:
                other.ask("join", url=url)
            programs[0].ask("prepare", count=count)
            self._analyse(url)
            roots = {f"worker{n}": program.pid for n, program in enumerate(programs)}
            with watched(**roots, server=self.databases.pid(who.server)) as load:
                for program in programs:
                    program.send("drain", count=count, seconds=seconds, in_flight=who.in_flight, **self.variant)
                found = [program.answer() for program in programs]
        finally:
            for program in programs:
                program.close()
            self.databases.drop(url)
        done = sum(one["done"] for one in found)
        rate = sum(one["done"] / one["seconds"] for one in found)
        if done == 0:
            raise Failed("it ran nothing")
        self.contestant = replace(who, rate=rate)
        return Sample(rate, {name: used / done for name, used in load.used.items()}, load.foreign)

    def _analyse(self, url: str) -> None:
        if url.startswith("postgresql:"):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
        if url.startswith("sqlite:"):
            with closing(dbapi2.connect(url.removeprefix("sqlite:///"))) as connection:
                connection.execute("ANALYZE")
        self.databases.settle()

    def warm_up(self) -> None:
        """Find out about how fast it is, and which variant is the fastest."""
        rates: list[tuple[float, Mapping[str, Any]]] = []
        variants = list(self.contestant.variants)
        for self.variant in variants:
            rates.append((self.once(_WARM_UP).value, self.variant))
            self.contestant = replace(self.contestant, rate=rates[-1][0])
        rate, self.variant = max(rates, key=lambda found: found[0])
        self.contestant = replace(self.contestant, rate=rate)
        if len(rates) > 1:
            tried = "; ".join(f"{_said(variant)} {found:,.0f}/s" for found, variant in rates)
            say(f"  {self.contestant.name}: {tried}")

    @property
    def told(self) -> str:
        """Its settings, for the table."""
        return ", ".join(filter(None, [self.settings, _said(self.variant)]))

    def case(self, rounds: Rounds) -> Callable[[], Sample]:
        """Its turn of a round."""
        return lambda: self.once(rounds.seconds)


def _said(variant: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in variant.items())


def warmed(databases: Databases, contestants: Sequence[Contestant]) -> tuple[dict[str, Drain], dict[str, str]]:
    """Those that run, by name, and why the others do not."""
    ready: dict[str, Drain] = {}
    failed: dict[str, str] = {}
    for contestant in contestants:
        drain = Drain(contestant, databases)
        try:
            drain.warm_up()
        except Exception as error:  # noqa: BLE001  whatever stops it, the others run, and the page says it
            say(f"  {contestant.name} cannot run: {error}")
            failed[contestant.name] = reason(error)
        else:
            ready[contestant.name] = drain
    return ready, failed
