"""Incidents open after loud looks in a row and close after quiet ones, whoever watches."""

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from paperlane.model.figures import Figures
from paperlane.monitor.alerts import ALERTS, Alert, Reading, Sight
from paperlane.monitor.judging import Judge
from paperlane.settings import Settings

LIMIT, CALM = 100.0, 90.0
SUBJECTS = ("", "ann", "bob")
VALUES = st.sampled_from([0.0, CALM, CALM + 1, LIMIT, LIMIT + 1, 5_000.0, None])
SIGHT = Sight(Figures(0.0))


def judge_of(readings: dict[str, float | None], **changes: object) -> Judge:
    """Of one alert that reads what stands in `readings`."""

    def find(_: Sight) -> Iterator[Reading]:
        yield from (Reading(value, subject) for subject, value in readings.items())

    alert = replace(ALERTS["queue"], find=find, rises=2, falls=3, **changes)  # type: ignore[arg-type]
    return Judge({alert.name: alert}, Settings(alert_queue=LIMIT))


class Hysteresis(RuleBasedStateMachine):
    """Against the rule said in other words: the last two looks were loud, or the last three that told were quiet."""

    def __init__(self) -> None:
        super().__init__()
        self.readings: dict[str, float | None] = {}
        self.lasting: set[tuple[str, str]] = set()
        self.told: dict[str, list[float]] = {subject: [] for subject in SUBJECTS}  # since it opened or closed
        self.judge = judge_of(self.readings)

    @rule(values=st.fixed_dictionaries({}, optional=dict.fromkeys(SUBJECTS, VALUES)))
    def look(self, values: dict[str, float | None]) -> None:
        self.readings.clear()
        self.readings.update(values)
        verdict = self.judge.judge(SIGHT, self.lasting)
        opened = {opening.key for opening in verdict.opens}
        for subject in SUBJECTS:
            key = ("queue", subject)
            value = values.get(subject, 0.0)
            if value is not None:
                self.told[subject].append(value)
            lasts = key in self.lasting
            assert (key in opened) == (not lasts and self.is_loud(subject, value))
            assert (key in verdict.closes) == (lasts and self.is_calm(subject, value))
            if key in opened or key in verdict.closes:
                self.told[subject].clear()
        self.lasting = (self.lasting | opened) - set(verdict.closes)

    def is_loud(self, subject: str, value: float | None) -> bool:
        last = self.told[subject][-2:]
        return value is not None and len(last) == 2 and min(last) > LIMIT

    def is_calm(self, subject: str, value: float | None) -> bool:
        """Three quiet looks, with none above the limit since the first of them; some between break nothing off."""
        since = self.told[subject]
        loud = max((at for at, one in enumerate(since) if one > LIMIT), default=-1)
        return value is not None and value <= CALM and sum(one <= CALM for one in since[loud + 1 :]) >= 3


TestHysteresis = Hysteresis.TestCase
TestHysteresis.settings = settings(max_examples=40, stateful_step_count=20)


def test_another_process_goes_on_with_what_lasts():
    """It knows nothing but the table."""
    lasting = {("queue", "")}
    assert judge_of({"": LIMIT + 1}).judge(SIGHT, lasting).opens == []
    judge = judge_of({"": 0.0})
    closes = [judge.judge(SIGHT, lasting).closes for _ in range(3)]
    assert closes == [set(), set(), lasting]


def test_an_alert_that_fails_changes_nothing_and_the_others_go_on():
    def fails(_: Sight) -> Iterator[Reading]:
        raise ZeroDivisionError

    broken: Alert = replace(ALERTS["memory"], find=fails)
    judge = judge_of({"": LIMIT + 1})
    judge.alerts = {**judge.alerts, "memory": broken}
    lasting = {("memory", "crane")}
    verdicts = [judge.judge(SIGHT, lasting) for _ in range(5)]
    assert [opening.key for opening in verdicts[1].opens] == [("queue", "")]
    assert all(not verdict.closes for verdict in verdicts)


def test_what_an_older_version_opened_and_nobody_judges_any_more_is_closed():
    assert judge_of({}).judge(SIGHT, {("gone", "")}).closes == {("gone", "")}


def test_a_trouble_of_everything_opens_a_bounded_number():
    judge = judge_of({f"user-{number}": LIMIT + 1 for number in range(1_000)})
    judge.judge(SIGHT, set())
    assert len(judge.judge(SIGHT, {("queue", f"other-{number}") for number in range(50)}).opens) == 150
