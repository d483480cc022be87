"""A real worker that chooses its slots while its load changes, and a made-up one beside it; writes both as plots."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from itertools import chain, pairwise
from pathlib import Path

import httpx
import psutil
from tests.model_server.script import Script
from tests.scheduling.plant import Plant

from benchmarks.figures import FOLDER, Figure
from benchmarks.ledger.databases import Databases
from benchmarks.program import ROOT
from benchmarks.rounds import Rounds
from benchmarks.service import document, running, tasks, upload
from paperlane.assembly import host_of, open_ledger
from paperlane.engines.database import Database
from paperlane.ledger import Ledger
from paperlane.machine import Load
from paperlane.model.tasks import Span
from paperlane.scheduling.adaptive import LITTLE_CPU, MUCH_CPU, Law
from paperlane.settings import Settings

PLOTS = ROOT / "docs" / "images"
_SPAN = Span(10, 2, 20)
_MODEL = "slow"
_ANSWER = 15.0  # seconds that the model takes
_PHASES = {"waiting for a model": 100.0, "large documents compute too": 160.0, "waiting only": 260.0}
_LOOK = 2.0
_WIDTH, _LEFT, _RIGHT, _TALL = 760, 60, 20, 130
_SLOTS, _TASKS, _CPU = "#2a6fdb", "#9aa5b1", "#d9822b"
_FONT = 'font-family="sans-serif" font-size="12" fill="#777"'


@dataclass(frozen=True, slots=True)
class Look:
    """What there was `at` a time, in seconds since the begin; shares from 0 to 1."""

    at: float
    slots: float
    running: float
    cpu: float | None


class OwnTree:
    """What this process and those below it, `but` some, take of the one core that they are meant to have; and memory.

    CPU that they wait for counts as well as what they get: so it is as if nothing else ran on the machine. Of who
    ended only what they got is known, for their parents have it.
    """

    def __init__(self, but: Sequence[int]) -> None:
        self._but = but
        self._at, self._got = time.monotonic(), self._summed(_got)
        self._waited = {one.pid: _waited(one) for one in self._living()}

    def look(self) -> Load:
        """Since the last look."""
        at, got, waited = self._at, self._got, self._waited
        self._at, self._got = time.monotonic(), self._summed(_got)
        self._waited = {one.pid: _waited(one) for one in self._living()}
        more = sum(max(0.0, seconds - waited.get(pid, 0.0)) for pid, seconds in self._waited.items())
        held = self._summed(lambda one: one.memory_info().rss) / psutil.virtual_memory().total
        wanted = max(0.0, self._got - got) + more
        return Load(min(1.0, wanted / (self._at - at)), min(1.0, held))

    def _living(self) -> Iterator[psutil.Process]:
        me = psutil.Process()
        below = [[one, *one.children(recursive=True)] for one in me.children() if one.pid not in self._but]
        yield from (me, *chain.from_iterable(below))

    def _summed(self, of: Callable[[psutil.Process], float]) -> float:
        found = 0.0
        for one in self._living():
            with suppress(psutil.NoSuchProcess):  # it just ended
                found += of(one)
        return found


def _got(process: psutil.Process) -> float:
    """Seconds that it ran, with those below it that have ended: a sum over a tree only grows."""
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def _waited(process: psutil.Process) -> float:
    """Seconds that its threads waited to run (https://docs.kernel.org/scheduler/sched-stats.html); 0 of who ended."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    with suppress(OSError):
        return sum(int(path.read_text().split()[1]) for path in threads) / 1e9
    return 0.0


def measured(_databases: Databases, rounds: Rounds) -> Sequence[Figure]:
    """The real run and its plot; the other plot is of the plant that the tests use."""
    share = 0.2 if rounds.quick else 1.0
    looks, finished = asyncio.run(_real({name: share * seconds for name, seconds in _PHASES.items()}))
    plot = FOLDER if rounds.quick else PLOTS
    plot.mkdir(parents=True, exist_ok=True)
    marks = _marks(_PHASES, share)
    (plot / "adaptive.svg").write_text(svg(looks, marks, "A worker's slots while the load of its one core changes"))
    (plot / "adaptive-plant.svg").write_text(svg(*made_up(), "The same law on a made-up machine of four cores"))
    least = min(look.slots for look in looks if look.at < marks[-1][0])
    return [
        Figure(
            "adaptive.least slots while documents compute", least, "slots", settings=f"{_SPAN.least} to {_SPAN.most}"
        ),
        Figure("adaptive.slots at the end", looks[-1].slots, "slots"),
        Figure("adaptive.turns of direction", turns(looks), "turns"),
        Figure("adaptive.documents finished", finished, "documents"),
    ]


def turns(looks: Sequence[Look]) -> int:
    """How often it went up after down, or down after up."""
    slots = [look.slots for look in looks]
    ways = [after > before for before, after in pairwise(slots) if after != before]
    return sum(before is not after for before, after in pairwise(ways))


def _marks(phases: Mapping[str, float], share: float = 1.0) -> list[tuple[float, str]]:
    begins, at = [], 0.0
    for name, seconds in phases.items():
        begins.append((at, name))
        at += share * seconds
    return begins


async def _real(phases: Mapping[str, float]) -> tuple[Sequence[Look], int]:
    """What a real worker of one sandbox did, with documents over HTTP from two users."""
    waiting, computing, calm = phases.values()
    with _model() as (url, endpoint), running(_settings(url)) as service:
        assert service.process is not None
        but = (endpoint, service.process.pid)
        slow, heavy = service.user("slow", "--limit", "100"), service.user("heavy", "--limit", "100")
        for batch in range(20):
            upload(slow, [document(25 * batch + n, 1) for n in range(25)], model=_MODEL)
        settings = Settings(
            data=service.data, sandboxes=1, models=json.loads(_settings(url)["models"]), log_level="warning"
        )
        ledger = open_ledger(settings)
        looks = list[Look]()
        async with _worker(settings, ledger, but) as began:
            await _watch(ledger, looks, began, began + waiting)
            for batch in range(10):
                await asyncio.to_thread(_upload_heavy, heavy, batch)
            await _watch(ledger, looks, began, began + waiting + computing)
            await asyncio.to_thread(_cancel_all, heavy)
            await _watch(ledger, looks, began, began + waiting + computing + calm)
        finished = _completed(slow) + _completed(heavy)
        ledger.close()
    return looks, finished


def _settings(url: str) -> dict[str, str]:
    terms = [{"name": _MODEL, "model": _MODEL, "base_url": url}]
    limits = {"workers": "0", "inline_slots": "1", "slots": "20", "system_limit": "100"}
    return {"models": json.dumps(terms), **limits, "log_level": "warning"}


def _upload_heavy(client: httpx.Client, batch: int) -> None:
    upload(client, [document(10_000 + 25 * batch + n, 500) for n in range(25)], model="none")


def _cancel_all(client: httpx.Client) -> None:
    for task in tasks(client):
        if task["status"] in {"queued", "running"}:
            client.post(f"/tasks/{task['id']}/cancel")


def _completed(client: httpx.Client) -> int:
    return sum(task["status"] == "completed" for task in tasks(client))


@contextmanager
def _model() -> Iterator[tuple[str, int]]:
    script = Script(median=_ANSWER, sigma=0.2)
    command = [sys.executable, "-m", "tests.model_server", "--script", json.dumps(vars(script))]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as endpoint:
        try:
            assert endpoint.stdout is not None
            yield endpoint.stdout.readline().split()[-1], endpoint.pid
        finally:
            endpoint.kill()


@asynccontextmanager
async def _worker(settings: Settings, ledger: Ledger, but: Sequence[int]) -> AsyncIterator[float]:
    """A worker in this process; the monotonic time at which it began."""
    stop = asyncio.Event()
    async with host_of(settings, ledger) as host:
        working = asyncio.create_task(replace(host, sensors=partial(OwnTree, but)).pull(Database(), _SPAN, stop))
        try:
            yield time.monotonic()
        finally:
            stop.set()
            await working


async def _watch(ledger: Ledger, looks: list[Look], began: float, until: float) -> None:
    while time.monotonic() < until:
        members = await asyncio.to_thread(ledger.members)
        at = time.monotonic() - began
        ours = [one for one in members if one.engine == Database.traits.name]  # none before it joined
        looks += [Look(at, one.slots, one.running, one.cpu) for one in ours]
        await asyncio.sleep(_LOOK)


def made_up() -> tuple[Sequence[Look], list[tuple[float, str]]]:
    """Four cores on which others work for ten minutes, and tasks of 1 s of CPU that wait 20 s for a model."""
    begin, end = 300.0, 900.0

    def others(now: float) -> float:
        return float(begin < now < end)

    plant = Plant(Law(_SPAN), cpu=1.0, waits=20.0, noise=0.03, arrives=lambda _now: 20, others=others)
    plant.run(1_500)
    looks = [
        Look(at, decision.slots, count, load.cpu)
        for (at, decision, load), count in zip(plant.told, plant.held, strict=True)
    ]
    return looks, [(0.0, "tasks that wait"), (begin, "others use the CPU"), (end, "tasks that wait")]


def svg(looks: Sequence[Look], marks: Sequence[tuple[float, str]], title: str) -> str:
    """Slots and running tasks above, CPU with its bounds below, over minutes. Readable on light and on dark."""
    most = max([1.0, *(max(look.slots, look.running) for look in looks)])
    end = max(look.at for look in looks)
    below = 44 + _TALL + 24
    height = below + _TALL + 36

    def x(at: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * at / end

    def count(value: float) -> float:
        return 44 + _TALL * (1 - value / most)

    def share(value: float) -> float:
        return below + _TALL * (1 - value)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" {_FONT}>',
        f"<title>{escape(title)}</title>",
        f'<text x="{_WIDTH // 2}" y="16" text-anchor="middle" font-size="13">{escape(title)}</text>',
    ]
    for at, name in marks:
        lines += [
            _stroke((x(at), 26), (x(at), below + _TALL), 'stroke="#999" stroke-dasharray="2 4"'),
            f'<text x="{x(at) + 4:.1f}" y="36">{escape(name)}</text>',
        ]
    for value in (0, round(most / 2), round(most)):
        lines.append(f'<text x="{_LEFT - 8}" y="{count(value) + 4:.1f}" text-anchor="end">{value}</text>')
    for value in (0.0, LITTLE_CPU, MUCH_CPU, 1.0):
        lines += [
            f'<text x="{_LEFT - 8}" y="{share(value) + 4:.1f}" text-anchor="end">{value:.0%}</text>',
            _stroke((_LEFT, share(value)), (_WIDTH - _RIGHT, share(value)), 'stroke="#bbb" stroke-width="0.5"'),
        ]
    for minute in range(int(end // 60) + 1):
        if minute % max(1, round(end / 60 / 10)) == 0:
            lines.append(f'<text x="{x(minute * 60):.1f}" y="{height - 16}" text-anchor="middle">{minute} min</text>')
    running_points = [(x(look.at), count(look.running)) for look in looks]
    cpu_points = [(x(look.at), share(look.cpu)) for look in looks if look.cpu is not None]
    named = (("slots", _SLOTS), ("running", _TASKS), ("CPU", _CPU))
    legend = ", ".join(f'<tspan fill="{color}">{name}</tspan>' for name, color in named)
    lines += [
        _line(running_points, _TASKS, 1.0),
        _line(_steps([(x(look.at), count(look.slots)) for look in looks]), _SLOTS, 2.0),
        _line(cpu_points, _CPU, 1.5),
        f'<text x="{_WIDTH - _RIGHT}" y="{height - 2}" text-anchor="end">{legend}</text>',
    ]
    return "\n".join([*lines, "</svg>", ""])


def _stroke(begin: tuple[float, float], end: tuple[float, float], how: str) -> str:
    return f'<line x1="{begin[0]:.1f}" y1="{begin[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" {how}/>'


def _steps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    found = list(points[:1])
    for (_, before), (at, after) in pairwise(points):
        found += [(at, before), (at, after)]
    return found


def _line(points: Sequence[tuple[float, float]], color: str, width: float) -> str:
    at = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{at}" fill="none" stroke="{color}" stroke-width="{width}"/>'
