"""Incidents, silences and the samples beside them: admins and viewers look, admins answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from sqlalchemy import Connection

from paperlane.clock import NewId
from paperlane.desk.rights import check_looks
from paperlane.desk.trail import Trail, id_of
from paperlane.errors import BadRequest, NotAllowed
from paperlane.ledger import Ledger
from paperlane.records import incidents, portable, samples
from paperlane.records.accounts import Account
from paperlane.records.incidents import Incident, Silence, Which, subject_of
from paperlane.records.samples import Plot

_HOUR = 3_600.0
_LONGEST_SILENCE = 8_784.0  # hours: a year
_MONTH = 720.0


@dataclass(frozen=True, slots=True)
class Alerts:
    """What alerts found. `names` are those of all alerts there are."""

    ledger: Ledger
    new_id: NewId
    trail: Trail
    names: Sequence[str]

    def page(
        self, by: Account | None, which: Which, after: str, most: int
    ) -> tuple[Sequence[Incident], Sequence[Silence]]:
        """Incidents, the newest first, and the silences in force. NotAllowed for who is neither admin nor viewer."""
        _check_may_look(by)
        return self.ledger.read(
            lambda connection: (
                incidents.page(connection, which, after, most),
                incidents.silent(connection, portable.now(connection)),
            )
        )

    def silences(self, by: Account | None) -> Sequence[Silence]:
        """Those in force, the first to end first."""
        _check_may_look(by)
        return self.ledger.read(lambda connection: incidents.silent(connection, portable.now(connection)))

    def plot(self, by: Account | None, hours: float) -> Plot:
        """The samples of the last hours, at most a month. BadRequest for hours that make no sense."""
        _check_may_look(by)
        if not 0 < hours <= _MONTH:
            raise BadRequest(
                f"No samples are kept of {hours:g} hours.", hint=f"Ask for more than 0, at most {_MONTH:g}."
            )
        return self.ledger.read(lambda connection: samples.plot(connection, portable.now(connection), hours * _HOUR))

    def acknowledge(self, by: Account | None, incident: str) -> Incident:
        """Somebody looks after it. NotFound for one that there is not."""
        _check_may_answer(by)

        def write(connection: Connection) -> Incident:
            now = portable.now(connection)
            found = incidents.acknowledge(connection, incident, id_of(by), now)
            details = {"incident": found.id, "alert": found.alert, "subject": found.subject}
            self.trail.note(connection, by, now, "alert acknowledged", details)
            return found

        return self.ledger.write(write)

    def silence(self, by: Account | None, alert: str, subject: str, hours: float) -> Silence:
        """Tell the webhook nothing of an alert for so many hours: of a subject, or of all where that is "".

        BadRequest for an alert that there is not, and for hours that make no sense.
        """
        _check_may_answer(by)
        if alert not in self.names:
            raise BadRequest(
                f"There is no alert {alert[:60]!r}.", code="unknown_alert", hint="See: paperlane alerts kinds."
            )
        if not (isfinite(hours) and 0 < hours <= _LONGEST_SILENCE):
            raise BadRequest(f"{hours:g} hours make no sense.", hint=f"Give more than 0, at most {_LONGEST_SILENCE:g}.")

        def write(connection: Connection) -> Silence:
            now = portable.now(connection)
            made = Silence(self.new_id(), alert, subject_of(subject), now, now + hours * _HOUR, id_of(by))
            incidents.silence(connection, made)
            details = {"silence": made.id, "alert": alert, "subject": made.subject, "hours": hours}
            self.trail.note(connection, by, now, "alert silenced", details)
            return made

        return self.ledger.write(write)

    def end_silence(self, by: Account | None, silence: str) -> None:
        """Tell again, also of what opened meanwhile and lasts. NotFound where there is no such silence."""
        _check_may_answer(by)

        def write(connection: Connection) -> None:
            ended = incidents.end_silence(connection, silence)
            details = {"silence": ended.id, "alert": ended.alert, "subject": ended.subject}
            self.trail.note(connection, by, portable.now(connection), "silence ended", details)

        self.ledger.write(write)


def _check_may_look(by: Account | None) -> None:
    if by is not None:
        check_looks(by)


def _check_may_answer(by: Account | None) -> None:
    if by is not None and not by.operates:
        raise NotAllowed("Only an admin may do this.")
