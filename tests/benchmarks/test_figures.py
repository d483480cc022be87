"""The benchmarks' arithmetic, and that nothing asked for is left out of them. Never a time."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from benchmarks.__main__ import PARTS, wanted
from benchmarks.aims import AIMS, judged
from benchmarks.figures import OURS, PUBLISHED, Figure, Part, compared, jain, kept, median, percentile
from benchmarks.ledger.growth import Cell, Filled
from benchmarks.ledger.plain import PLAIN
from benchmarks.program import Failed, Program
from benchmarks.rounds import Rounds, Sample
from tools.servers import Missing

from benchmarks import machine, page, serving
from paperlane.ledger.sql import SqlLedger

PEERS = {"pgqueuer", "procrastinate", "saq", "DBOS", "arq", "celery", "dramatiq", "rq", "huey"}


def test_a_percentile_is_one_of_the_values():
    assert percentile([5, 1, 4, 2, 3], 0.5) == 3
    assert percentile([5, 1, 4, 2, 3], 1.0) == 5


def test_jain_is_one_for_equal_shares_and_a_share_for_one_who_has_all():
    assert jain([3, 3, 3]) == 1
    assert jain([9, 0, 0]) == pytest.approx(1 / 3)


def test_a_ratio_is_the_median_of_the_rounds_own_ratios():
    ours, theirs = compared("drain", "tasks/s", [100, 50, 80], {"them": [50, 50, 20]})
    assert (ours.value, ours.ratio) == (80, None)
    assert (theirs.value, theirs.ratio) == (50, 2)


def test_a_peer_that_could_not_run_is_told_with_its_reason():
    _, other = compared("drain", "tasks/s", [1], {}, failed={"them": "is not installed"})
    assert (other.value, other.note) == (None, "is not installed")


def test_a_disturbed_turn_is_taken_again_and_the_quietest_one_stays():
    turns = iter([Sample(1, foreign=0.9), Sample(2, foreign=0.3), Sample(3, foreign=0.5)])
    rounds = Rounds(count=1, seconds=0, again=2, quick=False)
    assert rounds.turn("it", lambda: next(turns)) == Sample(2, foreign=0.3, disturbed=True)
    assert rounds.disturbed == 1
    quiet = iter([Sample(1, foreign=0.9), Sample(2, foreign=0.1), Sample(3)])
    assert rounds.turn("it", lambda: next(quiet)) == Sample(2, foreign=0.1)
    assert rounds.disturbed == 1


def test_a_figure_is_marked_on_the_page_when_others_disturbed_one_of_its_rounds(tmp_path: Path):
    loads = {"paperlane": iter([0.0, 0.5]), "arq": iter([0.0, 0.0])}
    rounds = Rounds(count=2, seconds=0, again=0, quick=False)
    taken = rounds.interleaved(
        {name: lambda load=load: Sample(24.0, foreign=next(load), more={"p95": 3.0}) for name, load in loads.items()}
    )
    arq = {"arq": taken.values("arq")}
    figures = compared("drain.postgresql.100", "tasks/s", taken.values("paperlane"), arq)
    figures.append(median("drain.postgresql.p95", "ms", taken.more("paperlane", "p95")))
    Part("drain.postgresql", figures, False, {"disturbed_turns": rounds.disturbed}).keep(tmp_path)
    text = tmp_path / "page.md"
    page.write(kept(tmp_path), text, tmp_path / "plot.svg")
    lines = text.read_text().splitlines()
    assert "each time it was tried: see drain.postgresql." in text.read_text()
    assert any("| 24.0* tasks/s | arq: 24.0 tasks/s |" in line and "| 1.00* |" in line for line in lines)
    assert "| drain.postgresql.100 | paperlane | 24.0* tasks/s | - | 24.0, 24.0* |  |" in lines
    assert "| drain.postgresql.100 | arq | 24.0 tasks/s | 1.00* | 24.0, 24.0 |  |" in lines
    assert "| drain.postgresql.p95 | paperlane | 3.00* ms | - | 3.00, 3.00* |  |" in lines


def test_the_page_shows_what_is_published(tmp_path: Path):
    text, plot = tmp_path / "page.md", tmp_path / "plot.svg"
    page.write(kept(PUBLISHED), text, plot)
    assert (text.read_text(), plot.read_text()) == (page.PAGE.read_text(), page.PLOT.read_text())


def test_rounds_are_interleaved_and_go_on_without_who_fails():
    order: list[str] = []

    def good() -> Sample:
        order.append("good")
        return Sample(1)

    def bad() -> Sample:
        order.append("bad")
        raise Failed("broken")

    def absent() -> Sample:
        raise Missing("some-server")

    taken = Rounds(count=2, seconds=0, again=0, quick=True).interleaved({"good": good, "bad": bad, "absent": absent})
    assert order == ["good", "bad", "bad", "good"]
    assert taken.values("good") == [1, 1]
    assert taken.failed.keys() == {"bad", "absent"}
    assert "some-server" in taken.failed["absent"]


def test_rounds_end_when_their_time_is_over():
    rounds = Rounds(count=3, seconds=0, again=0, quick=True, deadline=0)
    assert rounds.interleaved({"it": lambda: Sample(1)}).values("it") == [1]


@pytest.mark.parametrize(
    ("rates", "blocks"),
    [([10, 20, 30, 31, 30, 99], 5), ([10, 10, 10, 99], 3), ([10, 20, 30, 40, 50, 60, 70, 80, 90, 100], 8)],
)
def test_a_backlog_is_warm_when_two_blocks_were_no_quicker_than_the_best_before(rates: list[int], blocks: int):
    class Rated(Filled):
        def times(self, seconds: float, room: int = 100) -> list[float]:
            taken.append((seconds, room))
            return [1 / rates[len(taken) - 1]]

    taken: list[tuple[float, int]] = []
    Rated(SqlLedger.__new__(SqlLedger), Cell(1, 1)).warm(1.0)
    assert len(taken) == blocks


def test_every_aim_belongs_to_a_part_and_every_peer_to_an_aim():
    for aim in AIMS:
        assert any(aim.figure.startswith((name, f"cpu.{name.partition('.')[2] or '-'}")) for name in PARTS), aim
    assert {next((peer for peer in PEERS if aim.peer.startswith(peer)), "") for aim in AIMS} >= PEERS


@pytest.mark.parametrize(("reached", "met"), [(1.2, True), (0.9, False), (None, None)])
def test_an_aim_is_met_missed_or_not_measured(reached: float | None, *, met: bool | None):
    figures = [Figure("drain.postgresql.100", 9.0, "tasks/s")]
    figures.append(Figure("drain.postgresql.100", 9.0, "tasks/s", "pgqueuer (batch 1000)", reached))
    assert judged(figures)[0].met is met


def test_a_plain_query_is_judged_with_as_many_tasks_a_claim_as_ours(tmp_path: Path):
    figures: list[Figure] = []
    for size, own, other in ((1, 990.0, 62.0), (100, 12_700.0, 1_430.0)):
        settings = {OURS: f"{size} a claim", PLAIN: f"{size} a claim"}
        figures += compared(f"plain.sqlite.100000.{size}", "tasks/s", [own], {PLAIN: [other]}, settings)
    (found,) = [one for one in judged(figures) if one.reached is not None]
    assert (found.reached, found.met) == (990 / 62, False)
    text = tmp_path / "page.md"
    page.write([Part("plain", figures, quick=False)], text, tmp_path / "plot.svg")
    (line,) = [line for line in text.read_text().splitlines() if "≥ 100 x" in line and "| SQLite |" in line]
    assert "100k deep, 1 a claim | SQLite | 990 tasks/s | plain queue table: 62.0 tasks/s" in line
    assert line.endswith("| 16.0 (100 a claim: 8.88) | **no** |")


def test_the_words_of_a_call_choose_parts():
    assert wanted(["drain", "creation"]) == [
        "drain.postgresql", "drain.sqlite", "drain.mariadb", "service.creation",
    ]  # fmt: skip
    assert wanted([]) == [name for name in PARTS if name != "detection"]  # whose figures nobody keeps
    assert wanted(["service"]) == [*(f"service.{name}" for name in serving.PARTS), "service.progress"]
    with pytest.raises(SystemExit, match="drainage"):
        wanted(["drainage"])


def test_figures_are_kept_as_json_and_read_again(tmp_path: Path):
    part = Part("drain.sqlite", (Figure("drain.sqlite.100", 3.0, "tasks/s", "huey", 6.5, (3.0,)),), False, {"cores": 2})
    part.keep(tmp_path)
    (read,) = kept(tmp_path)
    assert read.figures[0].ratio == 6.5
    told = json.loads((tmp_path / "drain.sqlite.json").read_text())["figures"][0]
    assert {"name", "value", "unit", "peer", "ratio"} <= told.keys()


def test_the_page_tells_what_was_met_missed_and_not_measured(tmp_path: Path):
    figures = [
        Figure("drain.postgresql.100", 27_123.4, "tasks/s"),
        Figure("drain.postgresql.100", 13_000.0, "tasks/s", "pgqueuer (batch 1000)", 2.086),
        Figure("drain.postgresql.100", 27_123.4, "tasks/s", "arq", 11.0),
        Figure("drain.postgresql.100", None, "tasks/s", "DBOS", note="it would not start"),
    ]
    text, plot = tmp_path / "page.md", tmp_path / "plot.svg"
    page.write([Part("drain.postgresql", figures, False, {"cores": 2}, "2026-11-27 10:00 UTC")], text, plot)
    lines = text.read_text().splitlines()
    (peer,) = [line for line in lines if "pgqueuer (batch 1000): 13,000" in line and "≥" in line]
    assert peer.endswith("| ≥ 1.00 x (1.50) | 2.09 | yes |")
    assert any("| arq: 27,123 tasks/s | ≥ 12 x | 11.0 | **no** |" in line for line in lines)
    assert any("DBOS: it would not start" in line and line.endswith("| not measured |") for line in lines)
    assert ">Paperlane, PostgreSQL</text>" in plot.read_text()
    assert OURS not in plot.read_text()


def test_the_services_figures_stand_on_the_page_with_their_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = {"batch of 50, idle, median": (47.81, "ms"), "most running of one user (limit 10)": (10, "at once")}
    monkeypatch.setattr(serving, "running", nullcontext)
    monkeypatch.setitem(serving.PARTS, "creation", lambda _service: found)
    text = tmp_path / "page.md"
    page.write([Part("service.creation", serving.measured("creation", Rounds.short()), False)], text, tmp_path / "plot")
    assert "| service.creation.batch of 50, idle, median | paperlane | 47.8 ms |" in text.read_text()
    assert "| service.creation.most running of one user (limit 10) | paperlane | 10 at once |" in text.read_text()


def test_a_run_of_some_parts_leaves_on_the_page_the_versions_of_what_others_needed(tmp_path: Path):
    parts = [
        Part("service.waking", (), False, {"cores": 2, "sqlite": "3.53.4"}, "2026-11-28 10:00 UTC"),
        Part("submit", (), False, {"cores": 2, "sqlite": "3.50.0", "postgresql": "15.18"}, "2026-11-27 10:00 UTC"),
    ]
    page.write(parts, tmp_path / "page.md", tmp_path / "plot.svg")
    assert "Machine: cores 2, sqlite 3.53.4, postgresql 15.18." in (tmp_path / "page.md").read_text()


def test_a_task_goes_on_with_its_next_attempt_or_with_its_end():
    noon, later, end = (f"2026-11-27T12:00:{second:02}Z" for second in (0, 30, 40))
    task, killed = {"finished_at": end}, {"started_at": noon}
    after = serving.at(killed, "started_at") + 1
    again = [killed, {"started_at": later}, {"started_at": end}]
    assert serving.went_on(task, again, after) - after == 29
    assert serving.went_on(task, [killed], after) - after == 39


def test_each_part_of_the_page_tells_when_it_ran_and_what_was_different_then(tmp_path: Path):
    older = {"kernel": "6.1", "redis": "7.0", "disturbed_turns": 1}
    first = Part(
        "submit", [Figure("submit.one", 1.0, "ms")], False, older, "2026-11-27 10:20 UTC", "2026-11-27 10:05 UTC"
    )
    second = Part("pickup", [Figure("pickup.one", 1.0, "ms")], False, {"kernel": "6.2"}, "2026-11-28 08:00 UTC")
    text = tmp_path / "page.md"
    page.write([first, second], text, tmp_path / "plot.svg")
    lines = text.read_text().splitlines()
    assert "Machine: kernel 6.2, redis 7.0." in lines
    assert "Measured 2026-11-27 10:05 to 2026-11-27 10:20 UTC, all in one run, with kernel 6.1." in lines
    assert "Measured 2026-11-28 08:00 UTC, all in one run." in lines


def test_a_process_is_charged_for_its_children_and_nobody_for_a_server_that_is_none():
    def busy() -> None:
        subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)

    with machine.watched(own=os.getpid(), none=0) as load:
        busy()
    assert load.used["own"] > 0
    assert load.used["none"] == 0


def test_a_program_is_asked_in_json_and_its_failure_is_told():
    with Program("tests.benchmarks.echo") as program:
        assert program.ask("say", word="hello") == "hello"
        with pytest.raises(Failed, match="ValueError: no"):
            program.ask("refuse")
