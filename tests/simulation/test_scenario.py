"""A described load is as its words say, whatever else is set; words that make no sense are refused with a hint."""

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from paperlane.errors import BadRequest
from paperlane.simulation.beside import described, simulated
from paperlane.simulation.measuring import at
from paperlane.simulation.run import Arrival, Work
from paperlane.simulation.scenario import Scenario, pairs, read
from paperlane.simulation.setting import Crew, Setting

USUAL = Scenario(users=50, tasks=20_000, heavy=0.6, heavy_users=2, median=20.0, p95=80.0, arrivals=5_000.0)


def test_a_load_has_the_tasks_users_shares_times_and_pace_that_it_says():
    load = list(USUAL.load())
    tasks = Counter[int]()
    for one in load:
        tasks[one.user] += len(one.works)
    assert tasks.total() == 20_000
    assert tasks.keys() == set(range(1, 51))
    assert (tasks[1] + tasks[2]) / 20_000 == pytest.approx(0.6, abs=0.05)
    assert all(earlier.at < later.at for earlier, later in pairwise(load))
    assert load[-1].at == pytest.approx(4 * 3_600, rel=0.1)
    seconds = sorted(work.seconds for one in load for work in one.works)
    assert at(seconds, 0.5) == pytest.approx(20, rel=0.05)
    assert at(seconds, 0.95) == pytest.approx(80, rel=0.05)
    assert sum(seconds) / 20_000 == pytest.approx(USUAL.mean, rel=0.05)


def test_the_load_is_the_same_for_every_setting_and_another_for_another_seed():
    assert list(replace(USUAL, workers=9, user_limit=3, engine="arq").load()) == list(USUAL.load())
    assert list(replace(USUAL, seed=2).load()) != list(USUAL.load())


def test_one_user_brings_everything_and_without_heavy_users_all_are_alike():
    assert {one.user for one in Scenario(users=1, tasks=60).load()} == {1}
    alike = Scenario(users=5, tasks=1_000, heavy=0.0)
    assert not alike.is_heavy(1)
    tasks = Counter(one.user for one in alike.load())
    assert max(tasks.values()) - min(tasks.values()) <= 1


def test_where_nobody_says_how_often_tasks_come_they_fill_most_of_the_slots():
    column = described("", Scenario(users=20, tasks=20_000, heavy=0.0))
    assert column.figures.utilisation == pytest.approx(0.8, abs=0.05)


def test_figures_add_up():
    scenario = Scenario(users=30, tasks=3_000, cpu=2.0, tokens=500.0)
    column = described("", scenario)
    figures = column.figures
    assert (figures.tasks, figures.failed, figures.users) == (3_000, 0, 30)
    assert figures.wait.count == figures.light_wait.count + figures.heavy_wait.count == 3_000
    light, heavy = figures.light_wait, figures.heavy_wait
    assert figures.wait.mean * 3_000 == pytest.approx(light.mean * light.count + heavy.mean * heavy.count)
    seconds = sum(work.seconds for one in scenario.load() for work in one.works)
    overheads = 3_000 * scenario.crew().overhead
    assert figures.slot_hours * 3_600 == pytest.approx(seconds + overheads)
    assert figures.utilisation == pytest.approx((seconds + overheads) / (20 * figures.seconds))
    assert (figures.cpu_seconds, figures.tokens) == (6_000.0, 1_500_000.0)
    assert figures.worker_hours == pytest.approx(2 * figures.seconds / 3_600)
    assert 0 < figures.jain <= 1
    lines = column.lines
    (first, _), (second, _) = lines["running"][:2]
    assert sum(value for _, value in lines["running"]) * (second - first) == pytest.approx(seconds + overheads)
    assert sum(value for _, value in lines["completed an hour"]) * (second - first) / 3_600 == pytest.approx(3_000)


def test_who_takes_turns_has_a_fair_share_however_much_each_brings():
    """Of one slot, a user with 300 tasks and one with 20 take turns: both wait as long as a round of turns says."""
    works = [Work(10.0, 10.0)]
    setting = Setting((Crew(workers=1, slots=1),))
    column = simulated("", setting, iter([Arrival(0.0, 1, works * 300), Arrival(0.0, 2, works * 20)]), lambda u: u == 1)
    figures = column.figures
    assert figures.heavy_wait.mean > 5 * figures.light_wait.mean
    assert figures.jain == pytest.approx(1.0, abs=0.01)
    assert figures.light_ratio == pytest.approx(1.0, abs=0.1)


def test_words_are_read_from_files_and_options_and_text(tmp_path: Path):
    toml = tmp_path / "load.toml"
    toml.write_text('users = 7\nheavy-users = 3\nengine = "rq"\n')
    found = Scenario().said(read(toml))
    assert (found.users, found.heavy_users, found.engine) == (7, 3, "rq")
    other = tmp_path / "load.json"
    other.write_text(json.dumps({"p95": 90, "median": 30.5}))
    assert Scenario().said(read(other)).median == 30.5
    assert Scenario().said(pairs("workers=4, user-limit=20")).user_limit == 20


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"wokers": 4}, "Did you mean workers?"),
        ({"workers": 0}, "Give worker processes, from 1 to 100000."),
        ({"workers": 1.5}, "--workers is a whole number, not 1.5."),
        ({"median": "slow"}, "--median is a number, not 'slow'."),
        ({"median": True}, "--median is a number, not True."),
        ({"median": float("nan")}, "--median is a number, not nan."),
        ({"engine": "teleport"}, "There is no engine 'teleport'."),
        ({"median": 30, "p95": 20}, "95 % cannot end within 20 s"),
        ({"users": 20, "tasks": 10}, "There are more users (20) than tasks (10)."),
        ({"users": 5, "heavy_users": 5}, "Of 5 users 5 cannot be heavy."),
        ({"arrivals": 10, "duration": 2}, "Leave out --arrivals or --duration"),
    ],
)
def test_words_that_make_no_sense_are_refused(words: dict[str, object], said: str):
    with pytest.raises(BadRequest) as refused:
        Scenario().said(words)
    assert said in f"{refused.value.message} {refused.value.hint}"


@pytest.mark.parametrize("content", ["users: 7", "[1, 2]", ""])
def test_a_file_that_is_no_description_is_refused(tmp_path: Path, content: str):
    path = tmp_path / "load.json"
    path.write_text(content)
    with pytest.raises(BadRequest):
        read(path)
    with pytest.raises(BadRequest, match=r"load\.txt"):
        read(tmp_path / "load.txt")


@pytest.mark.parametrize("said", ["workers", "workers=", "=4", " , "])
def test_what_would_be_different_is_words_with_values(said: str):
    with pytest.raises(BadRequest):
        pairs(said)
