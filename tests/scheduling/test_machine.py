"""The sensors of a machine: the real one, and made-up control groups of the version 2."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from paperlane.machine import Load, Machine, own_groups

NO_FILES = "inactive_file 0\nactive_file 0\n"


@dataclass
class Time:
    at: float = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else uses this machine: what is seen is of the groups."""
    monkeypatch.setattr(psutil, "cpu_times", lambda **_: [SimpleNamespace(user=1.0)])
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=100, total=100))


def write(group: Path, **files: str) -> Path:
    group.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (group / name.replace("_", ".", 1)).write_text(content)
    return group


def used(seconds: float) -> str:
    return f"usage_usec {round(seconds * 1_000_000)}\nuser_usec 1\nnr_throttled 0\n"


def test_the_real_machine_tells_shares_of_its_cpus_and_memory():
    time = Time()
    machine = Machine(now=time)
    time.at += 1_000_000  # so that whatever it did meanwhile is little
    load = machine.look()
    assert load.cpu is not None
    assert 0 <= load.cpu < 0.01
    assert load.memory is not None
    assert 0 < load.memory <= 1


def test_cpu_time_of_the_cpus_that_this_process_may_use_counts(monkeypatch: pytest.MonkeyPatch, time: Time):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2}, raising=False)
    spent = [10.0, 20.0, 30.0]
    monkeypatch.setattr(psutil, "cpu_times", lambda **_: [SimpleNamespace(user=it, idle=9.0) for it in spent])
    machine = Machine(groups=(), now=time)
    spent[0] += 2.0
    spent[1] += 10.0
    spent[2] += 4.0
    time.at += 10.0
    assert machine.look().cpu == pytest.approx(0.3)


@pytest.mark.usefixtures("idle")
def test_cpu_is_a_share_of_the_groups_quota_since_the_last_look(tmp_path: Path, time: Time):
    group = write(tmp_path, cpu_max="50000 100000", cpu_stat=used(7.0))
    machine = Machine([group], time)
    write(group, cpu_stat=used(9.0))
    time.at += 10.0
    assert machine.look().cpu == pytest.approx(2.0 / (10.0 * 0.5))
    write(group, cpu_stat=used(9.5))
    time.at += 10.0
    assert machine.look().cpu == pytest.approx(0.1)


@pytest.mark.usefixtures("idle")
def test_memory_is_a_share_of_the_groups_limit_without_the_pages_of_files(tmp_path: Path, time: Time):
    stat = "anon 100\nfile 700\nshmem 50\ninactive_file 300\nactive_file 350\n"
    group = write(tmp_path, memory_max="1000", memory_current="900", memory_stat=stat)
    assert Machine([group], time).look().memory == pytest.approx(0.25)


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("stat", ["active_file 10\n", "inactive_file 10\n", ""])
def test_memory_whose_files_are_not_counted_tells_nothing(tmp_path: Path, time: Time, stat: str):
    group = write(tmp_path, memory_max="1000", memory_current="900", memory_stat=stat)
    assert Machine([group], time).look().memory is None


@pytest.mark.usefixtures("idle")
def test_the_fullest_of_nested_groups_counts(tmp_path: Path, time: Time):
    outer = write(tmp_path, memory_max="1000", memory_current="700", memory_stat=NO_FILES, cpu_max="max 100000")
    inner = write(tmp_path / "in", memory_max="max", cpu_max="100000 100000", cpu_stat=used(0.0))
    machine = Machine([inner, outer], time)
    write(inner, cpu_stat=used(4.0))
    time.at += 10.0
    assert machine.look() == Load(cpu=pytest.approx(0.4), memory=pytest.approx(0.7))


def test_a_machine_that_others_use_up_is_full_also_where_our_group_is_idle(
    tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
):
    group = write(tmp_path, cpu_max="100000 100000", cpu_stat=used(0.0))
    busy = SimpleNamespace(user=0.0)
    monkeypatch.setattr(psutil, "cpu_times", lambda **_: [busy])
    machine = Machine([group], time)
    busy.user = 9.0
    time.at += 10.0
    assert machine.look().cpu == pytest.approx(0.9)


@pytest.mark.usefixtures("idle")
def test_more_than_the_quota_in_a_short_time_is_all_of_it(tmp_path: Path, time: Time):
    group = write(tmp_path, cpu_max="100000 100000", cpu_stat=used(0.0))
    machine = Machine([group], time)
    write(group, cpu_stat=used(10.4))
    time.at += 10.0
    assert machine.look().cpu == 1.0


BROKEN: Mapping[str, Mapping[str, str]] = {
    "counts back": {"cpu_stat": used(1.0)},
    "has no count": {"cpu_stat": "user_usec 1\n"},
    "is empty": {"cpu_stat": ""},
    "holds something else": {"cpu_max": "much of it"},
    "tells no number": {"cpu_max": "nan 100000"},
    "is one of nothing": {"cpu_max": "0 100000"},
}


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("files", BROKEN.values(), ids=BROKEN)
def test_a_cpu_sensor_that_tells_nonsense_tells_nothing_until_it_works_again(
    tmp_path: Path, time: Time, files: Mapping[str, str]
):
    group = write(tmp_path, cpu_max="100000 100000", cpu_stat=used(7.0))
    machine = Machine([group], time)
    write(group, **files)
    time.at += 10.0
    assert machine.look() == Load(cpu=None, memory=0.0)
    write(group, cpu_max="100000 100000", cpu_stat=used(8.0))
    time.at += 10.0
    machine.look()
    write(group, cpu_stat=used(9.0))
    time.at += 10.0
    assert machine.look().cpu == pytest.approx(0.1)


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("current", ["", "-5", "nan", "inf", "lots"])
def test_a_memory_sensor_that_tells_nonsense_tells_nothing(tmp_path: Path, time: Time, current: str):
    group = write(tmp_path, memory_max="1000", memory_current=current, memory_stat=NO_FILES)
    machine = Machine([group], time)
    time.at += 10.0
    assert machine.look() == Load(cpu=0.0, memory=None)


def test_a_sensor_that_raises_tells_nothing(monkeypatch: pytest.MonkeyPatch, time: Time):
    machine = Machine(groups=(), now=time)

    def fails(**_: bool) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "cpu_times", fails)
    monkeypatch.setattr(psutil, "virtual_memory", fails)
    time.at += 10.0
    assert machine.look() == Load(None, None)


@pytest.mark.usefixtures("idle")
def test_a_look_right_after_another_tells_the_same_cpu(tmp_path: Path, time: Time):
    group = write(tmp_path, cpu_max="100000 100000", cpu_stat=used(0.0))
    machine = Machine([group], time)
    write(group, cpu_stat=used(5.0))
    time.at += 10.0
    first = machine.look()
    write(group, cpu_stat=used(5.05))
    time.at += 0.05
    assert machine.look() == first


def test_the_groups_of_a_process_are_its_own_and_those_around_it(tmp_path: Path):
    named, mounted = tmp_path / "cgroup", tmp_path / "mounted"
    named.write_text("4:memory:/old\n0::/system.slice/worker.service\n")
    assert own_groups(named, mounted) == [
        mounted / "system.slice/worker.service",
        mounted / "system.slice",
        mounted,
    ]  # fmt: skip


def test_in_a_container_the_only_group_is_where_groups_are_mounted(tmp_path: Path):
    (tmp_path / "cgroup").write_text("0::/\n")
    assert own_groups(tmp_path / "cgroup", tmp_path / "mounted") == [tmp_path / "mounted"]


@pytest.mark.parametrize("words", ["4:memory:/old\n", "", None])
def test_without_groups_of_the_version_2_there_are_none(tmp_path: Path, words: str | None):
    if words is not None:
        (tmp_path / "cgroup").write_text(words)
    assert own_groups(tmp_path / "cgroup", tmp_path) == ()
