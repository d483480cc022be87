"""Each alert is loud and quiet at its own examples, and has words in both languages."""

import pytest

from paperlane.catalog import ALARMS, alarm_in
from paperlane.monitor.alerts import ALERTS, Alert, Sight
from paperlane.monitor.judging import params_of
from paperlane.settings import Settings

LIMITS = Settings()
LOUD = [(alert.name, number) for alert in ALERTS.values() for number in range(len(alert.loud))]
QUIET = [(alert.name, number) for alert in ALERTS.values() for number in range(len(alert.quiet))]


def is_loud(alert: Alert, sight: Sight) -> bool:
    return any(reading.value is not None and reading.value > alert.limit(LIMITS) for reading in alert.find(sight))


@pytest.mark.parametrize(("name", "number"), LOUD)
def test_an_alert_is_loud_at_its_example(name: str, number: int):
    assert is_loud(ALERTS[name], ALERTS[name].loud[number])


@pytest.mark.parametrize(("name", "number"), QUIET)
def test_an_alert_is_quiet_at_its_example(name: str, number: int):
    assert not is_loud(ALERTS[name], ALERTS[name].quiet[number])


@pytest.mark.parametrize("name", list(ALERTS))
def test_an_alert_has_examples_and_a_sentence_in_each_language_with_all_that_it_measured(name: str):
    alert = ALERTS[name]
    assert alert.loud
    assert alert.quiet
    assert alert.why.endswith(".")
    for sight in alert.loud:
        for reading in alert.find(sight):
            params = params_of(alert, reading, alert.limit(LIMITS))
            for language in ("en", "zh"):
                message, hint = alarm_in(language, name, params)
                assert "{" not in message, (language, message)
                assert hint


def test_each_alert_is_named_for_its_file_and_has_words():
    assert ALERTS.keys() == ALARMS.keys()
    for name, alert in ALERTS.items():
        assert alert.find.__module__.rpartition(".")[2] == name.replace("-", "_")


@pytest.mark.parametrize("name", list(ALERTS))
def test_an_alert_says_what_its_incidents_are_of_where_they_are_of_something(name: str):
    alert = ALERTS[name]
    assert any(reading.subject for sight in alert.loud for reading in alert.find(sight)) is bool(alert.subject)
