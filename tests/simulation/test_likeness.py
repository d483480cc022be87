"""A prediction stands beside the real run whose report it is of."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from paperlane.bench.load import Plan, planned
from paperlane.bench.report import as_json, as_text
from paperlane.errors import BadRequest
from paperlane.simulation.likeness import Truth, predicted, read, setting_of
from paperlane.simulation.report import likeness

NO_NUMBER = '{"plan": {}, "held": {"mean_wait": "long", "throughput": 1, "seconds_a_task": 1}}'


def written(path: Path, plan: Plan, **held: Any) -> Path:
    words = {"benchmark": "load", "plan": planned(plan), "held": held}
    path.write_text(json.dumps(words))
    return path


def test_a_load_that_is_held_is_predicted_by_littles_law():
    plan = Plan(tasks=100, users=10, minutes=10, median=20.0, queued=1.0, workers=2)
    held = predicted(Truth(plan, math.nan, math.nan, own=2.0))
    seconds = 20.0 * math.exp(0.5**2 / 2) + 2.0
    slots = setting_of(plan).slots
    assert slots == 104
    # all slots are in use, so that many tasks end in the seconds that each takes (Little 1961)
    assert held.throughput == pytest.approx(slots / seconds, rel=0.05)
    # no more wait than are behind them; fewer where a user is about to upload again
    most = (plan.unfinished - slots) / held.throughput
    assert 0.3 * most < held.wait < 1.05 * most


def test_a_prediction_is_printed_with_what_was_measured_and_the_difference(tmp_path: Path):
    plan = Plan(tasks=20, users=4, minutes=2, median=5.0, queued=0.5)
    truth = read(written(tmp_path / "held.json", plan, mean_wait=2.0, throughput=3.0, seconds_a_task=6.0))
    assert truth.own == pytest.approx(6.0 - 5.0 * math.exp(0.125))
    report = likeness(truth, held := predicted(truth))
    assert report.words["throughput"] == {
        "predicted": held.throughput,
        "measured": 3.0,
        "difference_percent": pytest.approx((held.throughput / 3.0 - 1) * 100),
    }
    assert report.words["mean_wait"]["measured"] == 2.0
    assert "difference %" in as_text(report)
    assert json.loads(as_json(report))["plan"]["tasks"] == 20


def test_a_run_that_tells_no_times_is_predicted_without(tmp_path: Path):
    plan = Plan(tasks=6, users=2, minutes=0.1, median=5.0)
    truth = read(written(tmp_path / "held.json", plan, mean_wait=None, throughput=0.0, seconds_a_task=None))
    report = likeness(truth, predicted(truth))
    assert truth.own == 0
    assert json.loads(as_json(report))["mean_wait"]["measured"] is None


def test_a_prediction_of_few_tasks_says_that_their_mean_is_as_chance_has_it(tmp_path: Path):
    words = {"mean_wait": 2.0, "throughput": 3.0, "seconds_a_task": 6.0}
    few = Plan(tasks=6, users=2, minutes=0.5, median=5.0)
    truth = read(written(tmp_path / "few.json", few, began=12, **words))
    assert "Only 12 tasks began while the load was held" in as_text(likeness(truth, predicted(truth)))
    many = Plan(tasks=100, users=10, minutes=2, median=5.0)
    truth = read(written(tmp_path / "many.json", many, began=2_000, **words))
    assert "while the load was held, and means" not in as_text(likeness(truth, predicted(truth)))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"plan": {"tasks": 5}}', '{"plan": 3, "held": {}}', NO_NUMBER])
def test_what_is_no_report_of_a_load_is_refused(tmp_path: Path, content: str):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(BadRequest, match=r"other\.json is no report"):
        read(path)
