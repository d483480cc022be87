"""From readings to incidents: opened by loud looks in a row, closed by quiet ones, one of each trouble and subject."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from paperlane.catalog import alarm_in
from paperlane.monitor.alerts import Alert, Reading, Sight
from paperlane.records.incidents import Incident, subject_of
from paperlane.settings import Settings

log = structlog.get_logger(__name__)

Key = tuple[str, str]
"""An alert and its subject."""

_MOST = 200  # incidents that are open at once: a trouble of everything shall not fill the table


@dataclass(frozen=True, slots=True)
class Opening:
    """An incident is to open."""

    alert: Alert
    reading: Reading
    value: float
    limit: float

    @property
    def key(self) -> Key:
        """What it is of."""
        return self.alert.name, self.reading.subject


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look changes."""

    opens: Sequence[Opening]
    closes: Collection[Key]


@dataclass(slots=True)
class Judge:
    """Counts loud and quiet looks in a row. What is open is told by who keeps that, so that another one may go on.

    Between the limit and what is calm, and where nothing is known, all stays as it is and no row is broken off.
    """

    alerts: Mapping[str, Alert]
    settings: Settings
    _rows: dict[Key, int] = field(default_factory=dict)

    def judge(self, sight: Sight, lasting: Collection[Key]) -> Verdict:
        """What opens and what closes at this look, where these incidents last."""
        opens: list[Opening] = []
        closes: set[Key] = set()
        rows: dict[Key, int] = {}
        room = _MOST - len(lasting)
        for alert in self.alerts.values():
            limit = alert.limit(self.settings)
            quiet = {subject: Reading(0.0, subject) for name, subject in lasting if name == alert.name}
            for reading in {**quiet, **_read(alert, sight, quiet)}.values():
                key = (alert.name, reading.subject)
                counted = self._rows.get(key, 0)
                is_open = key in lasting
                if self._counts(alert, reading, limit, is_open=is_open):
                    counted += 1
                elif reading.value is not None and (not is_open or reading.value > limit):
                    counted = 0
                if is_open and counted >= alert.falls:
                    closes.add(key)
                elif not is_open and counted >= alert.rises and len(opens) < room and reading.value is not None:
                    opens.append(Opening(alert, reading, reading.value, limit))
                elif counted:
                    rows[key] = counted
        closes |= {key for key in lasting if key[0] not in self.alerts}  # of an older version's alerts
        self._rows = rows
        return Verdict(opens, closes)

    def forget(self) -> None:
        """Another one has looked meanwhile: what was in a row is not any more."""
        self._rows = {}

    def _counts(self, alert: Alert, reading: Reading, limit: float, *, is_open: bool) -> bool:
        """Is it one more look that would open it, or close it?"""
        if reading.value is None:
            return False
        return reading.value <= limit * alert.calm if is_open else reading.value > limit


def _read(alert: Alert, sight: Sight, lasting: Collection[str]) -> Mapping[str, Reading]:
    """What the alert reads by subject; where it fails nothing is known of any, and the other alerts go on."""
    try:
        read = (replace(reading, subject=subject_of(reading.subject)) for reading in alert.find(sight))
        return {reading.subject: reading for reading in read}
    except Exception:
        log.exception("an alert failed", alert=alert.name)
        return {subject: Reading(None, subject) for subject in lasting}


def fields_of(incident: Incident) -> dict[str, object]:
    """What the log says of it."""
    message, _ = alarm_in("en", incident.alert, incident.params)
    said = {"alert": incident.alert, "subject": incident.subject, "severity": incident.severity}
    return {**said, "incident": incident.id, "message": message}


def params_of(alert: Alert, reading: Reading, limit: float) -> Mapping[str, str]:
    """What fills its sentence."""
    value = 0.0 if reading.value is None else reading.value
    return {**reading.params, "value": alert.unit.said(value), "limit": alert.unit.said(limit)}
