"""Writes docs/reference/alerts.md from the alerts themselves: `python tools/alerts_page.py` (`--show` prints it)."""

import sys
from pathlib import Path

from paperlane.catalog import ALARMS
from paperlane.monitor.alerts import ALERTS, Alert
from paperlane.settings import Settings

PAGE = Path(__file__).parents[1] / "docs/reference/alerts.md"

_HEAD = """# Alerts

`paperlane serve` looks at the figures every ten seconds; where several run, one of them does. An alert is loud when
what it reads is above its limit. After so many loud looks in a row an incident opens, one of each alert and subject (an
engine, an engine on a host, a host, a resource, a user); it closes after so many looks at or below the lower limit.
Between the two it stays what it is, so that it does not come and go. What cannot be read now, because a sensor failed,
changes nothing. At most 200 incidents are open at once.

Each is told once when it opens and once when it closes: in the log, on the page, to the
[webhook](../how-to/be-told-of-trouble.md). Its figures stay those of its opening: who vanishes on a machine while its
`worker-gone` is open is neither named nor counted there. What is open stands in the database, so another process goes
on with it. While the database is away nothing can be looked at, and samples have a gap. The process that looked before
says so after 30 s in its log and to the webhook (`database-away`), and writes the incident down once the database is
back; until then it stands in `database-away.json` in the data folder, so that a restart forgets nothing.

Limits are [settings](settings.md); `paperlane alerts kinds` shows those of an installation. Counts of the last minute
are judged, or of up to five where little happens; fewer than 20 answers (of completed tasks: 5) in five minutes say
nothing.

| alert | severity | limit | over at | opens after | closes after |
| --- | --- | --- | --- | --- | --- |
"""


def page() -> str:
    """The whole page."""
    alerts = sorted(ALERTS.values(), key=lambda alert: alert.name)
    return _HEAD + "".join(map(_line, alerts)) + "".join(map(_entry, alerts))


def _line(alert: Alert) -> str:
    limit = alert.limit(Settings.model_construct())
    said = alert.unit.said
    return (
        f"| [{alert.name}](#{alert.name}) | {alert.severity.value} | {said(limit)} | {said(limit * alert.calm)} |"
        f" {_looks(alert.rises)} | {_looks(alert.falls)} |\n"
    )


def _looks(count: int) -> str:
    return "1 look" if count == 1 else f"{count} looks"


def _entry(alert: Alert) -> str:
    words = ALARMS[alert.name]
    setting = f" Its limit: `PAPERLANE_{alert.setting.upper()}`." if alert.setting else ""
    subject = f" Its subject: {alert.subject.value}." if alert.subject else ""
    return (
        f"\n## {alert.name}\n\n{words.title[0]} ({words.title[1]}). {alert.why}{subject}{setting}\n"
        f"\n> {words.message[0]}\n>\n> {words.hint[0]}\n"
    )


if __name__ == "__main__":
    if "--show" in sys.argv:
        sys.stdout.write(page())
    else:
        PAGE.write_text(page())
