"""Samples of the figures, each 10 s for a day and each minute for a month; and whose turn it is to look."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update

from paperlane.model.figures import Series
from paperlane.records.portable import insert_new
from paperlane.records.schema import samples, watch

FINE, COARSE = 10, 60
"""Seconds that a sample stands for."""

_KEPT: Mapping[int, int] = {FINE: 86_400, COARSE: 30 * 86_400}
_ROW = 1
_MOST_POINTS = 1_500
_AHEAD = 60  # seconds by which a sample may lie in the future: beyond it the clock was set back


@dataclass(frozen=True, slots=True)
class Plot:
    """Samples for a plot: one each `step` seconds, those that are there."""

    step: int
    at: Sequence[int]
    samples: Sequence[Series]


def take_turn(connection: Connection, watcher: str, now: float, seconds: float, patience: float) -> bool:
    """Is it this watcher's turn to look? One looks, every so many `seconds`; others once it was silent for `patience`.

    It stays the same one, because it knows what its looks before found.
    """
    connection.execute(insert_new(connection, watch), {"id": _ROW, "watcher": "", "at": 0.0})
    turn = update(watch).where(_free(watcher, now, seconds, patience)).values(watcher=watcher, at=now)
    return connection.execute(turn).rowcount == 1


def may_take_turn(connection: Connection, watcher: str, now: float, seconds: float, patience: float) -> bool:
    """The same without a write, for those that only wait."""
    asked = select(_free(watcher, now, seconds, patience)).where(watch.c.id == _ROW)
    return bool(connection.execute(asked).scalar_one_or_none() in {True, None})


def has_turn(connection: Connection, watcher: str) -> bool:
    """Was it this watcher that took the last turn?"""
    return connection.scalar(select(watch.c.watcher).where(watch.c.id == _ROW)) == watcher


def _free(watcher: str, now: float, seconds: float, patience: float) -> ColumnElement[bool]:
    mine = (watch.c.watcher == watcher) & (watch.c.at <= now - seconds / 2)
    return or_(mine, watch.c.at <= now - patience, watch.c.at > now + patience)  # the last: the clock was set back


def leave(connection: Connection, watcher: str) -> None:
    """It looks no more: the next one need not wait."""
    connection.execute(update(watch).where(watch.c.watcher == watcher).values(watcher="", at=0.0))


def add(connection: Connection, now: float, series: Series) -> None:
    """Keep a look. The last one of 10 s stands for these; when a minute is over its mean is kept beside them."""
    at = int(now // FINE) * FINE
    _put(connection, FINE, at, series)
    _fold(connection, int(now // COARSE) * COARSE)
    if at % COARSE == 0:
        _forget(connection, now)


def _put(connection: Connection, step: int, at: int, series: Series) -> None:
    content = json.dumps({name: round(value, 4) for name, value in series.items()}, separators=(",", ":"))
    row = {"step": step, "at": at, "content": content}
    if connection.execute(insert_new(connection, samples), row).rowcount != 1:  # another look's, or another watcher's
        of_it = (samples.c.step == step) & (samples.c.at == at)
        connection.execute(update(samples).where(of_it).values(content=content))


def _fold(connection: Connection, until: int) -> None:
    """Of each minute that is over and has no mean yet, the mean of its samples; where there are none, there is none."""
    last = connection.scalar(select(func.max(samples.c.at)).where(samples.c.step == COARSE, samples.c.at < until))
    since = max(until - _KEPT[FINE], 0 if last is None else last + COARSE)
    asked = select(samples.c.at, samples.c.content).where(samples.c.step == FINE, samples.c.at >= since)
    minutes: dict[int, list[Series]] = {}
    for at, content in connection.execute(asked.where(samples.c.at < until)):
        minutes.setdefault(at // COARSE * COARSE, []).append(json.loads(content))
    for minute, found in minutes.items():
        _put(connection, COARSE, minute, _mean(found))


def _mean(found: Sequence[Series]) -> Series:
    names = dict.fromkeys(name for series in found for name in series)
    return {name: fmean(series[name] for series in found if name in series) for name in names}


def _forget(connection: Connection, now: float) -> None:
    for step, seconds in _KEPT.items():
        too_old = or_(samples.c.at < int(now) - seconds, samples.c.at > int(now) + _AHEAD)
        connection.execute(delete(samples).where(samples.c.step == step, too_old))


def history(connection: Connection, since: float, until: float) -> Sequence[tuple[int, int, Series]]:
    """Samples from `since` on, each with when and for how many seconds: fine ones of the last day, coarse before it."""
    fine = max(since, until - _KEPT[FINE])
    found: list[tuple[int, int, Series]] = []
    for step, begins, ends in ((COARSE, since, fine), (FINE, fine, until)):
        asked = select(samples.c.at, samples.c.content).where(
            samples.c.step == step, samples.c.at >= int(begins), samples.c.at < int(ends)
        )
        found += [(at, step, json.loads(content)) for at, content in connection.execute(asked.order_by(samples.c.at))]
    return found


def plot(connection: Connection, now: float, seconds: float) -> Plot:
    """The samples of the last so many seconds, thinned out where they would be more than a plot can show."""
    step = FINE if seconds <= FINE * _MOST_POINTS else COARSE
    every = step * max(1, -(-int(seconds) // (step * _MOST_POINTS)))
    asked = select(samples.c.at, samples.c.content).where(
        samples.c.step == step, samples.c.at > int(now - seconds), samples.c.at <= int(now) + _AHEAD
    )
    if every > step:
        asked = asked.where(samples.c.at % every == 0)
    found = [(at, json.loads(content)) for at, content in connection.execute(asked.order_by(samples.c.at))]
    return Plot(every, [at for at, _ in found], [series for _, series in found])
