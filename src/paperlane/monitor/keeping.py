"""An incident that no database can keep is kept in a file, for who goes on after this process."""

from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from paperlane.records.incidents import Incident

log = structlog.get_logger(__name__)

_INCIDENT = TypeAdapter(Incident)


@dataclass(frozen=True, slots=True)
class Kept:
    """The file of one incident. A folder that is no good is told in the log: it costs only what a restart forgets."""

    path: Path

    def read(self) -> Incident | None:
        """Who was kept; None for nobody, and for what cannot be read."""
        try:
            return _INCIDENT.validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.warning("the incident that was kept cannot be read", path=str(self.path), why=str(error))
            return None

    def write(self, one: Incident) -> None:
        """Keep this one in place of another: whole, or not at all."""
        fresh = self.path.with_name(f"{self.path.name}.new")
        try:
            fresh.write_bytes(_INCIDENT.dump_json(one))
            fresh.replace(self.path)
        except OSError as error:
            log.warning("the incident cannot be kept: a restart forgets it", incident=one.id, why=str(error))

    def clear(self) -> None:
        """Keep none."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("the incident that was kept cannot be removed", path=str(self.path), why=str(error))
